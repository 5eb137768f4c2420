//! Recordings of robomimic: what their `env_args` mean here, and their states, from which
//! observations are made (robomimic/scripts/dataset_states_to_obs.py).
//!
//! A state is time, qpos, qvel. What is observed does not depend on velocities, so every state is
//! looked at at rest. The sizes of boxes that differ from episode to episode, and the place of a
//! body that no joint moves, are read from `model_file`, the recording's scene; nothing else of it
//! is used.

use super::scene;
use super::settings::{ABSOLUTE, ControllerSettings, InputType};
use super::starts::joined;
use super::world::{ArmWorld, Start, to_f32};
use crate::recordings::{Recordings, States};
use protege_core::env::StepOutcome;
use protege_core::{Error, Result};
use serde_json::Value;

/// What the suite knows of recordings.
pub const RECORDINGS: Recordings = Recordings {
    controller,
    ask_for,
    states,
};
/// Bytes of a scene's text at most: those of robosuite have some tens of thousands.
const LONGEST: usize = 4 << 20;
/// How far from the middle of the room something may be, m.
const FARTHEST: f64 = 100.0;

/// The controller that a recording's environment had, in words.
fn controller(env_args: &Value) -> Result<String> {
    let theirs = ControllerSettings::from_env_args(env_args)?;
    if theirs.input_type == InputType::Absolute {
        return Err(Error::input(format!(
            "its actions are absolute poses (`control_delta` false, `input_type` absolute): \
             {ABSOLUTE}; choose a file with delta actions"
        )));
    }
    Ok(theirs.to_words())
}

/// Makes `env_args` of robosuite 1.5.2 ask for a controller, which words say.
fn ask_for(controller: &str, env_args: &mut Value) -> Result<()> {
    ControllerSettings::from_words(controller)?.write_into(env_args);
    Ok(())
}

/// The task `id` for states that were recorded under a controller.
fn states(id: &str, controller: &str) -> Result<Box<dyn States>> {
    let settings = ControllerSettings::from_words(controller)?;
    Ok(Box::new(ArmWorld::with_settings(id, settings)?))
}

impl States for ArmWorld {
    fn begin(&mut self, state: &[f64], model: Option<&str>) -> Result<Vec<f32>> {
        let mut sizes = Vec::new();
        for row in scene::variable_geoms(&self.spec().id) {
            sizes.extend(half_edges(model, row[0])?);
        }
        let fixture = match self.fixture() {
            None => None,
            Some((_, name)) => Some(place(model, name)?),
        };
        let (qpos, qvel) = self.parts(state)?;
        let start = Start {
            qpos,
            qvel,
            sizes: &sizes,
            fixture,
        };
        self.start_at(&start).map(|obs| to_f32(&obs))
    }

    fn next(&mut self, state: &[f64]) -> Result<StepOutcome> {
        let (qpos, _) = self.parts(state)?;
        let obs = to_f32(&self.look_at(qpos)?);
        Ok(StepOutcome {
            obs,
            success: self.success(),
        })
    }
}

impl ArmWorld {
    /// The joints of a state, and their velocities.
    fn parts<'a>(&self, state: &'a [f64]) -> Result<(&'a [f64], &'a [f64])> {
        let joints = self.plant().data.qpos().len();
        let speeds = self.plant().data.qvel().len();
        if state.len() != 1 + joints + speeds {
            return Err(Error::input(format!(
                "has {} numbers, where the time, {joints} of qpos and {speeds} of qvel are needed",
                state.len()
            )));
        }
        Ok(state[1..].split_at(joints))
    }
}

/// The half edges of the box called so in a scene's text, m.
fn half_edges(model: Option<&str>, name: &str) -> Result<[f64; 3]> {
    let unknown = |why: &str| {
        Error::input(format!(
            "does not say how large {name} is (model_file {why})"
        ))
    };
    let geom = tag(model, "geom", name).map_err(|why| unknown(&why))?;
    let possible = |half: &f64| (1e-4..1.0).contains(half);
    match numbers(geom, "size") {
        Some(half) if half.iter().all(possible) => Ok(half),
        _ => Err(unknown("gives it no three half edges")),
    }
}

/// Where the body called so is in a scene's text: x, y, z, and w, x, y, z. MuJoCo does not write
/// what is usual.
fn place(model: Option<&str>, name: &str) -> Result<[f64; 7]> {
    let unknown =
        |why: &str| Error::input(format!("does not say where {name} is (model_file {why})"));
    let body = tag(model, "body", name).map_err(|why| unknown(&why))?;
    let middle = Some([0.0; 3]);
    let position = attribute(body, "pos").map_or(middle, |_| numbers(body, "pos"));
    let upright = Some([1.0, 0.0, 0.0, 0.0]);
    let rotation = attribute(body, "quat").map_or(upright, |_| numbers(body, "quat"));
    let near = |v: &f64| v.abs() < FARTHEST;
    match (position, rotation) {
        (Some(position), Some(rotation)) if position.iter().all(near) => {
            let rotation = unit_quat(rotation).ok_or_else(|| unknown("does not turn it"))?;
            Ok(joined(position, rotation))
        }
        _ => Err(unknown("gives it no place")),
    }
}

/// The rotation that four numbers are but for what was rounded, if they are one.
fn unit_quat(quat: [f64; 4]) -> Option<[f64; 4]> {
    let squares: f64 = quat.iter().map(|v| v * v).sum();
    let is_near = (squares - 1.0).abs() < 1e-3;
    is_near.then(|| quat.map(|v| v / squares.sqrt()))
}

/// What a tag of a kind that has this name says, in a scene's text; a clause where there is none.
fn tag<'a>(model: Option<&'a str>, kind: &str, name: &str) -> std::result::Result<&'a str, String> {
    let model = model.ok_or("is not there")?;
    if model.len() > LONGEST {
        return Err("is too long".to_owned());
    }
    let opening = format!("<{kind}");
    let tags = model.split(&*opening).skip(1);
    let mut tags = tags.filter_map(|rest| rest.split('>').next());
    let found = tags.find(|tag| attribute(tag, "name") == Some(name));
    found.ok_or_else(|| format!("has no such {kind}"))
}

/// The `N` numbers of an attribute; none where there are more or fewer, or something else.
fn numbers<const N: usize>(tag: &str, wanted: &str) -> Option<[f64; N]> {
    let words = attribute(tag, wanted)?.split_whitespace();
    let numbers: Vec<f64> = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

/// The value of an attribute, where a tag's text after its name has it. (A parser of XML would
/// follow what is nested, without end if a file wants that, for two attributes of one tag.)
fn attribute<'a>(mut tag: &'a str, wanted: &str) -> Option<&'a str> {
    loop {
        let (name, rest) = tag.split_once('=')?;
        let rest = rest.trim_start();
        let quote = rest.chars().next().filter(|c| ['"', '\''].contains(c))?;
        let (value, rest) = rest[1..].split_once(quote)?;
        // After the tag's own name there is space, unless it is another tag's.
        if name.trim() == wanted && name.starts_with(char::is_whitespace) {
            return Some(value);
        }
        tag = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What `env_args` ask for is said in words, which ask for the same again; absolute actions and
    /// impossible values are refused.
    #[test]
    fn a_controller_goes_from_env_args_to_words_and_back() {
        let args = |version: &str, arm: Value| {
            let arms = json!({"type": "BASIC", "body_parts": {"right": arm}});
            let configs = if version < "1.5" {
                arms["body_parts"]["right"].clone()
            } else {
                arms
            };
            let kwargs = json!({"robots": ["Panda"], "controller_configs": configs});
            json!({"env_version": version, "env_kwargs": kwargs})
        };
        let six = json!([1, 2, 3, 4, 5, 6]);
        for (version, arm, words) in [
            ("1.5.1", json!({"type": "OSC_POSE", "kp": 150}), ""),
            ("1.4.1", json!({"kp": 150}), "version=1.4"),
            ("1.5.1", json!({"kp": 100}), "kp=100"),
            ("1.4.1", json!({"kp": six}), "version=1.4 kp=1,2,3,4,5,6"),
            ("1.5.1", json!({"output_max": 0.1}), "output_max=0.1"),
            (
                "1.5.1",
                json!({"input_ref_frame": "world", "uncouple_pos_ori": false}),
                "uncouple_pos_ori=false input_ref_frame=world",
            ),
            (
                "1.4.1",
                json!({"input_ref_frame": "base"}),
                "version=1.4 input_ref_frame=base",
            ),
        ] {
            let found = controller(&args(version, arm)).unwrap();
            assert_eq!(found, words);
            let osc = json!({"type": "OSC_POSE", "input_type": "delta", "gripper": {}});
            let mut again = args("1.5.2", osc);
            ask_for(&found, &mut again).unwrap();
            assert_eq!(controller(&again).unwrap(), words, "{again}");
        }
        for (version, arm, word) in [
            ("1.4.1", json!({"control_delta": false}), "absolute"),
            ("1.5.1", json!({"input_type": "absolute"}), "absolute"),
            ("1.5.1", json!({"kp": -5}), "`kp` has the number -5"),
            ("1.5.1", json!({"kp": 1e308}), "0 to 10000"),
            ("1.5.1", json!({"damping_ratio": -1}), "`damping_ratio`"),
            ("1.5.1", json!({"input_max": 2}), "-1 to 1"),
            ("1.5.1", json!({"output_min": -1e9}), "`output_min`"),
            ("1.5.1", json!({"input_max": -1}), "above input_min"),
        ] {
            let sentence = controller(&args(version, arm)).unwrap_err().to_string();
            assert!(sentence.contains(word), "{sentence}");
        }
    }

    /// A box's size is read from the text of a scene; whatever else is there is answered by a
    /// clause, also what is nested without end.
    #[test]
    fn sizes_are_read_from_the_text_of_a_scene() {
        let text = r#"<mujoco><worldbody><body name="cube_main"><geom name="other" size="1 1 1"/>
            <geom name="cube_g0" size="0.021 0.0205 2.2e-2"/></body></worldbody></mujoco>"#;
        assert_eq!(
            half_edges(Some(text), "cube_g0").unwrap(),
            [0.021, 0.0205, 0.022]
        );
        let spaced = "<geom\n size = '0.02 0.02 0.02'\tname='cube_g0' />";
        assert_eq!(half_edges(Some(spaced), "cube_g0").unwrap(), [0.02; 3]);
        let deep = "<geom>".repeat(100_000);
        for (text, word) in [
            (None, "not there"),
            (Some(""), "geom"),
            (Some(deep.as_str()), "geom"),
            (Some(text), "geom"),
            (Some(r#"<geom name="c"#), "geom"),
            (Some(r#"<geom name=c size="1 1 1"/>"#), "geom"),
            (Some(r#"<geometry name="c" size="1 1 1"/>"#), "geom"),
            (Some(r#"<geom name="c"/>"#), "three"),
            (Some(r#"<geom name="c" size="1e9 1 1"/>"#), "three"),
            (Some(r#"<geom name="c" size="NaN 0.1 0.1"/>"#), "three"),
        ] {
            let sentence = half_edges(text, "c").unwrap_err().to_string();
            assert!(sentence.contains(word), "{sentence}");
        }
    }

    /// Where a body is that no joint moves is read there, too, made a rotation of what was rounded.
    #[test]
    fn places_are_read_from_the_text_of_a_scene() {
        let of = |rest: &str| place(Some(&format!("<body name='d' {rest}>")), "d");
        let found = of("pos='-0.1 -0.35 1.1' quat='0.6 0 0 -0.80001'").unwrap();
        assert_eq!(found[..3], [-0.1, -0.35, 1.1]);
        assert!((found[3].hypot(found[6]) - 1.0).abs() < 1e-12);
        let usual = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0];
        assert_eq!(of("").unwrap(), usual);
        for (rest, word) in [
            ("pos='1 2'", "no place"),
            ("pos='NaN 0 0'", "no place"),
            ("pos='0 0 1e9'", "no place"),
            ("quat='1 0 0'", "no place"),
            ("quat='1 1 0 0'", "turn"),
            ("quat='NaN 0 0 1'", "turn"),
        ] {
            let sentence = of(rest).unwrap_err().to_string();
            assert!(sentence.contains(word), "{sentence}");
        }
        let sentence = place(Some("<body name='e'>"), "d").unwrap_err().to_string();
        assert!(sentence.contains("no such body"), "{sentence}");
        assert!(place(None, "d").is_err());
    }
}
