//! What a file of robomimic says of its environment: `data/@env_args`, and before robomimic has
//! looked at the file, robosuite's own attributes.

use super::hdf5::Node;
use super::names;
use crate::engines::recordings;
use protege_core::data::CODE_VERSION;
use protege_core::error::excerpt;
use protege_core::{Error, Result};
use serde_json::{Map, Value, json};

/// The attribute with everything.
const ENV_ARGS: &str = "env_args";
/// What robosuite itself writes (robosuite/scripts/collect_human_demonstrations.py), from which
/// robomimic makes the other (robomimic/scripts/conversion/convert_robosuite.py).
const RAW: [&str; 3] = ["env", "env_info", "repository_version"];
/// The robot whose tasks we have.
const ROBOT: &str = "Panda";

/// The environment of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvArgs {
    /// What robomimic calls it: `PickPlaceCan`.
    pub name: String,
    /// The version of its program; empty where none is said.
    pub version: String,
    /// What it was made with: controller, robots, frequency and so on.
    pub kwargs: Map<String, Value>,
}

impl EnvArgs {
    /// What the group `data` says of it; none where it says nothing.
    ///
    /// # Errors
    /// When what it says is no JSON of the right form.
    pub fn of(data: &Node) -> Result<Option<Self>> {
        let attributes = data.attributes()?;
        if let Some(text) = attributes.text(ENV_ARGS)? {
            let at = format!("@{ENV_ARGS}");
            let args = Self::parse(text);
            return args.map(Some).map_err(|what| data.fault(&at, what));
        }
        let [name, info, version] = RAW;
        let Some(env) = attributes.text(name)? else {
            return Ok(None);
        };
        let kwargs = match attributes.text(info)? {
            Some(text) => object(text).map_err(|what| data.fault(&format!("@{info}"), what))?,
            None => Map::new(),
        };
        Ok(Some(Self {
            name: env.to_owned(),
            version: attributes.text(version)?.unwrap_or_default().to_owned(),
            kwargs,
        }))
    }

    /// Parses the attribute; a clause about it when it is no good.
    fn parse(text: &str) -> std::result::Result<Self, String> {
        let mut all = object(text)?;
        let mut word = |key: &str| match all.remove(key) {
            Some(Value::String(word)) => Ok(Some(word)),
            Some(_) => Err(format!("has `{key}` that is no text")),
            None => Ok(None),
        };
        let name = word("env_name")?.ok_or("has no `env_name`")?;
        let version = word("env_version")?.unwrap_or_default();
        let kwargs = match all.remove("env_kwargs") {
            Some(Value::Object(kwargs)) => kwargs,
            None | Some(Value::Null) => Map::new(),
            Some(_) => return Err("has `env_kwargs` that are no JSON object".to_owned()),
        };
        Ok(Self {
            name,
            version,
            kwargs,
        })
    }

    /// Our name of the task.
    pub fn task(&self) -> &str {
        names::task(&self.name)
    }

    /// Name and version, for sentences.
    pub fn shown(&self) -> String {
        let name = excerpt(&self.name);
        if self.version.is_empty() {
            return name;
        }
        let program = if names::is_robosuite(self.task()) {
            "robosuite "
        } else {
            ""
        };
        format!("{name}, {program}{}", excerpt(&self.version))
    }

    /// The least reward of a state of success. A sparse reward is above 0 there, else 0; a shaped
    /// one is above 0 before, and there 1, times `reward_scale`
    /// (robosuite/environments/manipulation/lift.py, reward).
    ///
    /// # Errors
    /// A clause about what it says of rewards that is no good.
    pub fn least_success(&self) -> std::result::Result<f32, String> {
        let shaped = match self.kwargs.get("reward_shaping") {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(other) => {
                let other = excerpt(&other.to_string());
                return Err(format!(
                    "has `reward_shaping` {other}, where true or false is needed"
                ));
            }
        };
        let scale = match self.kwargs.get("reward_scale") {
            None => 1.0,
            // Then each task has a largest reward of its own.
            Some(Value::Null) if !shaped => 1.0,
            Some(scale) => {
                let number = scale.as_f64().filter(|scale| *scale > 0.0);
                number.ok_or_else(|| {
                    let scale = excerpt(&scale.to_string());
                    format!(
                        "has `reward_scale` {scale}, by which rewards do not tell what succeeds: \
                         a number above 0 is needed"
                    )
                })?
            }
        };
        if shaped {
            return Ok((scale * (1.0 - 1e-6)) as f32);
        }
        Ok(f32::MIN_POSITIVE)
    }

    /// All of it again, as the attribute has it.
    pub fn to_value(&self) -> Value {
        let mut value = json!({"env_name": self.name, "env_kwargs": self.kwargs});
        if !self.version.is_empty() {
            value["env_version"] = self.version.as_str().into();
        }
        value
    }
}

/// What is written of a task's environment: of those of robosuite what its version 1.5.2 is made
/// with, with this controller (robosuite/controllers/config/robots/default_panda.json and
/// robomimic's own settings), so that robomimic can play; of others their name. Types:
/// robomimic/envs/env_base.py, EnvType.
///
/// # Errors
/// When the task's suite has no such controller.
pub fn written(task: &str, controller: &str) -> Result<Value> {
    let mut args = if names::is_robosuite(task) {
        json!({
            "env_name": names::env_name(task),
            "env_version": "1.5.2",
            "type": 1,
            "env_kwargs": {
                "robots": [ROBOT],
                "controller_configs": {
                    "type": "BASIC",
                    "body_parts": {"right": {
                        "type": "OSC_POSE",
                        "input_max": 1,
                        "input_min": -1,
                        "output_max": [0.05, 0.05, 0.05, 0.5, 0.5, 0.5],
                        "output_min": [-0.05, -0.05, -0.05, -0.5, -0.5, -0.5],
                        "kp": 150,
                        "damping_ratio": 1,
                        "impedance_mode": "fixed",
                        "kp_limits": [0, 300],
                        "damping_ratio_limits": [0, 10],
                        "position_limits": null,
                        "orientation_limits": null,
                        "uncouple_pos_ori": true,
                        "input_type": "delta",
                        "input_ref_frame": "base",
                        "interpolation": null,
                        "ramp_ratio": 0.2,
                        "gripper": {"type": "GRIP"},
                    }},
                },
                "control_freq": 20,
                "lite_physics": true,
                "reward_shaping": false,
                "has_renderer": false,
                "has_offscreen_renderer": false,
                "ignore_done": true,
                "use_object_obs": true,
                "use_camera_obs": false,
                "camera_depths": false,
                "camera_heights": 84,
                "camera_widths": 84,
            },
        })
    } else {
        json!({"env_name": task, "env_version": CODE_VERSION, "type": 2, "env_kwargs": {}})
    };
    if controller.is_empty() {
        return Ok(args);
    }
    let recordings = recordings(task).ok_or_else(|| {
        Error::input(format!(
            "the dataset's controller is `{}`, of which this program knows nothing for {task}: \
             use one that was built with MuJoCo",
            excerpt(controller)
        ))
    })?;
    (recordings.ask_for)(controller, &mut args)?;
    Ok(args)
}

/// A JSON object; a clause about the text when it is none.
fn object(text: &str) -> std::result::Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("is no JSON object".to_owned()),
        Err(error) => Err(format!("is no JSON ({error})")),
    }
}

/// The refusal of a file that shows another task than the wanted one.
pub fn other_task(what: &str, args: &EnvArgs, wanted: &str) -> Error {
    let shown = excerpt(&args.name);
    let own = match args.task() {
        own if own == args.name => String::new(),
        own => format!(" ({own})"),
    };
    Error::input(format!(
        "{what} shows {shown}{own}, not {wanted}: leave out --task, or name a file of {wanted}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"env_name": "PickPlaceCan", "env_version": "1.5.1", "type": 1,
        "env_kwargs": {"robots": ["Panda"], "control_freq": 20, "reward_shaping": false}}"#;

    /// The form that robomimic writes is read: name, version, and what the environment was made
    /// with.
    #[test]
    fn robomimics_own_form_is_read() {
        let args = EnvArgs::parse(TEXT).unwrap();
        assert_eq!(args.task(), "robosuite/can");
        assert_eq!(args.shown(), "PickPlaceCan, robosuite 1.5.1");
        assert_eq!(args.least_success(), Ok(f32::MIN_POSITIVE));
        let again = EnvArgs::parse(&args.to_value().to_string()).unwrap();
        assert_eq!(again, args);
    }

    /// Rewards tell a success by their scale; what says nothing of it is named.
    #[test]
    fn rewards_tell_a_success_by_their_scale() {
        let least = |shaping: Value, scale: Option<Value>| {
            let mut args = EnvArgs::parse(TEXT).unwrap();
            args.kwargs.insert("reward_shaping".to_owned(), shaping);
            if let Some(scale) = scale {
                args.kwargs.insert("reward_scale".to_owned(), scale);
            }
            args.least_success()
        };
        let shaped = least(true.into(), Some(json!(2.25))).unwrap();
        assert!(shaped < 2.25 && shaped > 2.249);
        assert!(least(true.into(), None).unwrap() > 0.999);
        assert_eq!(
            least(false.into(), Some(Value::Null)),
            Ok(f32::MIN_POSITIVE)
        );
        for (shaping, scale, word) in [
            (json!("yes"), None, "`reward_shaping` \"yes\""),
            (json!(true), Some(Value::Null), "`reward_scale` null"),
            (json!(false), Some(json!(-1)), "`reward_scale` -1"),
            (json!(true), Some(json!("1")), "`reward_scale` \"1\""),
        ] {
            let what = least(shaping, scale).unwrap_err();
            assert!(what.contains(word), "{what}");
        }
    }

    /// What is not of the form is answered by a clause.
    #[test]
    fn another_form_is_refused() {
        for (text, word) in [
            ("", "no JSON"),
            ("[1]", "no JSON object"),
            ("{}", "env_name"),
            (r#"{"env_name": 3}"#, "env_name"),
            (r#"{"env_name": "Lift", "env_kwargs": 3}"#, "env_kwargs"),
        ] {
            let what = EnvArgs::parse(text).unwrap_err();
            assert!(what.contains(word), "{text}: {what}");
        }
    }
}
