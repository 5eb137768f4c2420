//! How the arm and the gripper are controlled: robosuite 1.5.2's defaults, and what the `env_args`
//! of a data set of robomimic's ask for instead.

use protege_core::error::excerpt;
use protege_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Settings of the controller OSC_POSE and of the gripper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControllerSettings {
    /// Whether a physics step is `mj_step1`, control, `mj_step2` (from 1.5 on) rather than
    /// `mj_forward`, control, `mj_forward`, `mj_step` (up to 1.4, which computes the same numbers,
    /// but lets the solver converge further).
    pub lite_physics: bool,
    /// The frame of actions.
    pub input_frame: InputFrame,
    /// What actions are.
    pub input_type: InputType,
    /// Whether the goal's rotation stays where it is while the three numbers that turn it are 0 (up
    /// to 1.4); from 1.5 on every action sets it anew from the rotation that was reached.
    pub keeps_rotation: bool,
    /// How the gripper follows its command.
    pub grip: Grip,
    /// Gains of x, y, z (1/s²), and about them.
    pub kp: [f64; 6],
    /// Damping in parts of the critical.
    pub damping_ratio: [f64; 6],
    /// Bounds of an action's first six numbers.
    pub input_min: [f64; 6],
    /// See `input_min`.
    pub input_max: [f64; 6],
    /// What the bounds mean: m, rad.
    pub output_min: [f64; 6],
    /// See `output_min`.
    pub output_max: [f64; 6],
    /// Whether forces and torques are computed as if position and rotation did not act on each
    /// other.
    pub uncoupled: bool,
}

/// The frame of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputFrame {
    /// The robot's base.
    Base,
    /// The world.
    World,
}

/// What actions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputType {
    /// A way to go, scaled from `input_*` to `output_*`.
    Delta,
    /// Where to go, m and rad (a rotation vector), not scaled.
    Absolute,
}

/// How the gripper follows the sign of its command: by how much of its half range, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grip {
    /// 0.2 once a control step (from 1.5 on).
    EachControlStep,
    /// 0.01 in each physics step (up to 1.4).
    EachPhysicsStep,
}

impl Default for ControllerSettings {
    /// Those of robosuite 1.5.2: `controllers/config/robots/default_panda.json`.
    fn default() -> Self {
        let output = [0.05, 0.05, 0.05, 0.5, 0.5, 0.5];
        Self {
            lite_physics: true,
            input_frame: InputFrame::Base,
            input_type: InputType::Delta,
            keeps_rotation: false,
            grip: Grip::EachControlStep,
            kp: [150.0; 6],
            damping_ratio: [1.0; 6],
            input_min: [-1.0; 6],
            input_max: [1.0; 6],
            output_min: output.map(|v: f64| -v),
            output_max: output,
            uncoupled: true,
        }
    }
}

/// Keys that say nothing of what is computed here: limits of settings that are fixed, and what the
/// configuration of an interpolator is without one.
const IDLE: [&str; 4] = [
    "kp_limits",
    "damping_ratio_limits",
    "damping_limits",
    "ramp_ratio",
];

impl ControllerSettings {
    /// Those of robosuite 1.4.1.
    fn up_to_1_4() -> Self {
        Self {
            lite_physics: false,
            input_frame: InputFrame::World,
            keeps_rotation: true,
            grip: Grip::EachPhysicsStep,
            ..Self::default()
        }
    }

    /// What the `env_args` of a data set say, `{"env_name", "env_version", "type", "env_kwargs"}`:
    /// the controller of that version of robosuite, with the settings in
    /// `env_kwargs.controller_configs`.
    ///
    /// # Errors
    /// When they ask for something else than this suite has: another robot, controller or rate, or
    /// an unknown setting of the controller.
    pub fn from_env_args(env_args: &Value) -> Result<Self> {
        let version = env_args.get("env_version").unwrap_or(&Value::Null);
        let before_1_5 = match version {
            // robomimic wrote no version at first, when robosuite was at 1.2.
            Value::Null => true,
            Value::String(version) => {
                let mut parts = version.split('.').map(str::parse::<u64>);
                let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else {
                    return Err(unknown("env_version", &Value::from(&**version), "`1.5.2`"));
                };
                (major, minor) < (1, 5)
            }
            other => return Err(unknown("env_version", other, "a version such as \"1.5.2\"")),
        };
        let mut settings = if before_1_5 {
            Self::up_to_1_4()
        } else {
            Self::default()
        };
        let none = Map::new();
        let kwargs = match env_args.get("env_kwargs") {
            None => &none,
            Some(kwargs) => object("env_kwargs", kwargs)?,
        };
        settings.read_kwargs(kwargs)?;
        Ok(settings)
    }

    fn read_kwargs(&mut self, kwargs: &Map<String, Value>) -> Result<()> {
        if let Some(robots) = kwargs.get("robots") {
            let one = robots.as_array().filter(|list| list.len() == 1);
            let name = one.map_or(robots, |list| &list[0]);
            only("robots", name, &[Value::from("Panda")])?;
        }
        if let Some(rate) = kwargs.get("control_freq") {
            only("control_freq", rate, &[Value::from(20), Value::from(20.0)])?;
        }
        if let Some(kind) = kwargs.get("gripper_types") {
            only(
                "gripper_types",
                kind,
                &[Value::from("default"), Value::from("PandaGripper")],
            )?;
        }
        if let Some(lite) = kwargs.get("lite_physics") {
            self.lite_physics = boolean("lite_physics", lite)?;
        }
        let configs = kwargs.get("controller_configs").unwrap_or(&Value::Null);
        let one = configs.as_array().filter(|list| list.len() == 1);
        let config = one.map_or(configs, |list| &list[0]);
        if config.is_null() {
            return Ok(());
        }
        let config = object("controller_configs", config)?;
        if config.contains_key("body_parts") {
            return self.read_composite(config);
        }
        self.read_arm("controller_configs", config)
    }

    /// 1.5's `{"type": "BASIC", "body_parts": {"right": {...}}}`, in which an arm may also lie below
    /// `arms`. Parts that a Panda does not have are passed over, as upstream does.
    fn read_composite(&mut self, config: &Map<String, Value>) -> Result<()> {
        for (key, value) in config {
            match key.as_str() {
                "type" => only("controller_configs.type", value, &[Value::from("BASIC")])?,
                "composite_controller_specific_configs" => {
                    only(key, value, &[Value::Null, Value::Object(Map::new())])?;
                }
                "body_parts" => {
                    let parts = object("body_parts", value)?;
                    let arms = parts
                        .get("arms")
                        .map(|arms| object("body_parts.arms", arms));
                    let arm = arms.transpose()?.unwrap_or(parts).get("right");
                    let arm = arm.ok_or_else(|| {
                        Error::input("`body_parts` has no `right`: the Panda's arm is called so")
                    })?;
                    self.read_arm("body_parts.right", object("body_parts.right", arm)?)?;
                }
                _ => return Err(unknown_key("controller_configs", key)),
            }
        }
        Ok(())
    }

    /// The settings of OSC_POSE, by 1.4's and 1.5's names.
    fn read_arm(&mut self, place: &str, config: &Map<String, Value>) -> Result<()> {
        for (key, value) in config {
            let name = format!("{place}.{key}");
            match key.as_str() {
                "type" => only(&name, value, &[Value::from("OSC_POSE")])?,
                "input_max" => self.input_max = six(&name, value)?,
                "input_min" => self.input_min = six(&name, value)?,
                "output_max" => self.output_max = six(&name, value)?,
                "output_min" => self.output_min = six(&name, value)?,
                "kp" => self.kp = six(&name, value)?,
                "damping_ratio" => self.damping_ratio = six(&name, value)?,
                // The name in 1.0; later versions do not read it. Every published file has 1.
                "damping" => only(&name, value, &[Value::from(1), Value::from(1.0)])?,
                "impedance_mode" => only(&name, value, &[Value::from("fixed")])?,
                "position_limits" | "orientation_limits" | "interpolation" => {
                    only(&name, value, &[Value::Null])?;
                }
                "uncouple_pos_ori" => self.uncoupled = boolean(&name, value)?,
                "control_delta" if self.keeps_rotation => {
                    self.input_type = delta(boolean(&name, value)?);
                }
                // 1.5 does not read it any more.
                "control_delta" => only(&name, value, &[Value::from(true)])?,
                "input_type" => {
                    only(
                        &name,
                        value,
                        &[Value::from("delta"), Value::from("absolute")],
                    )?;
                    self.input_type = delta(value == "delta");
                }
                "input_ref_frame" => {
                    only(&name, value, &[Value::from("base"), Value::from("world")])?;
                    self.input_frame = if value == "base" {
                        InputFrame::Base
                    } else {
                        InputFrame::World
                    };
                }
                "gripper" => read_gripper(&name, value)?,
                idle if IDLE.contains(&idle) => {}
                _ => return Err(unknown_key(place, key)),
            }
        }
        let widths = self.input_max.iter().zip(&self.input_min);
        if widths.into_iter().any(|(max, min)| max <= min) {
            return Err(Error::input(format!(
                "`{place}.input_max` has a number that is not above `input_min`"
            )));
        }
        Ok(())
    }
}

fn read_gripper(name: &str, value: &Value) -> Result<()> {
    for (key, value) in object(name, value)? {
        match key.as_str() {
            "type" => only(&format!("{name}.type"), value, &[Value::from("GRIP")])?,
            "use_action_scaling" => {
                only(&format!("{name}.{key}"), value, &[Value::from(true)])?;
            }
            _ => return Err(unknown_key(name, key)),
        }
    }
    Ok(())
}

fn delta(is_delta: bool) -> InputType {
    if is_delta {
        InputType::Delta
    } else {
        InputType::Absolute
    }
}

/// Six finite numbers, or one for all six.
fn six(key: &str, value: &Value) -> Result<[f64; 6]> {
    let known = "a number or a list of six";
    if let Some(number) = value.as_f64() {
        return Ok([number; 6]);
    }
    let list = value.as_array().ok_or_else(|| unknown(key, value, known))?;
    let numbers: Option<Vec<f64>> = list.iter().map(Value::as_f64).collect();
    let numbers: Option<[f64; 6]> = numbers.and_then(|list| list.try_into().ok());
    numbers.ok_or_else(|| unknown(key, value, known))
}

fn boolean(key: &str, value: &Value) -> Result<bool> {
    value
        .as_bool()
        .ok_or_else(|| unknown(key, value, "true and false"))
}

fn object<'a>(key: &str, value: &'a Value) -> Result<&'a Map<String, Value>> {
    value
        .as_object()
        .ok_or_else(|| unknown(key, value, "an object"))
}

/// Accepts nothing but `known`.
fn only(key: &str, value: &Value, known: &[Value]) -> Result<()> {
    if known.contains(value) {
        return Ok(());
    }
    let names: Vec<String> = known.iter().map(|value| format!("`{value}`")).collect();
    Err(unknown(key, value, &names.join(" and ")))
}

fn unknown(key: &str, value: &Value, known: &str) -> Error {
    let value = value.to_string();
    Error::input(format!(
        "the data set's `{key}` is `{}`, which this suite does not have: it knows {known}",
        excerpt(&value)
    ))
}

fn unknown_key(place: &str, key: &str) -> Error {
    Error::input(format!(
        "the data set's `{place}` has a setting `{}`, which this suite does not know; of OSC_POSE \
         it knows input_max, input_min, output_max, output_min, kp, damping_ratio, \
         uncouple_pos_ori, input_type, control_delta and input_ref_frame",
        excerpt(key)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What robomimic's files up to v0.3 say (`env_args` of `low_dim_v141.hdf5`).
    fn old() -> Value {
        json!({"env_name": "Lift", "env_version": "1.4.1", "type": 1, "env_kwargs": {
            "has_renderer": false, "has_offscreen_renderer": false, "ignore_done": true,
            "use_object_obs": true, "use_camera_obs": false, "control_freq": 20,
            "controller_configs": {
                "type": "OSC_POSE", "input_max": 1, "input_min": -1,
                "output_max": [0.05, 0.05, 0.05, 0.5, 0.5, 0.5],
                "output_min": [-0.05, -0.05, -0.05, -0.5, -0.5, -0.5],
                "kp": 150, "damping": 1, "impedance_mode": "fixed", "kp_limits": [0, 300],
                "damping_limits": [0, 10], "position_limits": null, "orientation_limits": null,
                "uncouple_pos_ori": true, "control_delta": true, "interpolation": null,
                "ramp_ratio": 0.2},
            "robots": ["Panda"], "camera_depths": false, "camera_heights": 84,
            "camera_widths": 84, "reward_shaping": false}})
    }

    /// What those of v1.5 say.
    fn new() -> Value {
        json!({"env_name": "Lift", "env_version": "1.5.1", "type": 1, "env_kwargs": {
            "control_freq": 20, "lite_physics": true, "robots": ["Panda"],
            "controller_configs": {"type": "BASIC", "body_parts": {"right": {
                "type": "OSC_POSE", "input_max": 1, "input_min": -1,
                "output_max": [0.05, 0.05, 0.05, 0.5, 0.5, 0.5],
                "output_min": [-0.05, -0.05, -0.05, -0.5, -0.5, -0.5],
                "kp": 150, "damping_ratio": 1, "impedance_mode": "fixed", "kp_limits": [0, 300],
                "damping_ratio_limits": [0, 10], "position_limits": null,
                "orientation_limits": null, "uncouple_pos_ori": true, "input_type": "delta",
                "input_ref_frame": "base", "interpolation": null, "ramp_ratio": 0.2,
                "gripper": {"type": "GRIP"}}}}}})
    }

    /// Both kinds of files are understood, with all that was different up to 1.4.
    #[test]
    fn files_of_both_kinds_are_understood() {
        let old = ControllerSettings::from_env_args(&old()).unwrap();
        assert_eq!(old, ControllerSettings::up_to_1_4());
        let default = ControllerSettings::default();
        assert_eq!(ControllerSettings::from_env_args(&new()).unwrap(), default);
        assert_eq!(
            ControllerSettings::from_env_args(&json!({"env_version": "1.5.2"})).unwrap(),
            default
        );
        let mut below_arms = new();
        let right = below_arms["env_kwargs"]["controller_configs"]["body_parts"].take();
        below_arms["env_kwargs"]["controller_configs"]["body_parts"] = json!({"arms": right});
        below_arms["env_kwargs"]["lite_physics"] = json!(false);
        let found = ControllerSettings::from_env_args(&below_arms).unwrap();
        assert_eq!(
            found,
            ControllerSettings {
                lite_physics: false,
                ..default
            }
        );
    }

    /// A setting that is not the default is read.
    #[test]
    fn settings_are_read() {
        let mut args = new();
        let right = &mut args["env_kwargs"]["controller_configs"]["body_parts"]["right"];
        right["kp"] = json!([1, 2, 3, 4, 5, 6]);
        right["input_type"] = json!("absolute");
        right["input_ref_frame"] = json!("world");
        right["uncouple_pos_ori"] = json!(false);
        right["damping_ratio"] = json!(0.5);
        right["output_max"] = json!(0.1);
        let found = ControllerSettings::from_env_args(&args).unwrap();
        let expected = ControllerSettings {
            kp: [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            input_type: InputType::Absolute,
            input_frame: InputFrame::World,
            uncoupled: false,
            damping_ratio: [0.5; 6],
            output_max: [0.1; 6],
            ..ControllerSettings::default()
        };
        assert_eq!(found, expected);
    }

    /// What this suite does not have is refused with the key, the value and what is known.
    #[test]
    fn what_is_not_known_is_refused_by_name() {
        let cases = [
            (
                "/env_kwargs/robots",
                json!(["Sawyer"]),
                vec!["robots", "Sawyer", "Panda"],
            ),
            (
                "/env_kwargs/control_freq",
                json!(10),
                vec!["control_freq", "10", "20"],
            ),
            ("/env_version", json!("new"), vec!["env_version", "new"]),
            (
                "/env_kwargs/controller_configs/type",
                json!("IK_POSE"),
                vec!["IK_POSE", "OSC_POSE"],
            ),
            (
                "/env_kwargs/controller_configs/impedance_mode",
                json!("variable"),
                vec!["impedance_mode", "variable", "fixed"],
            ),
            (
                "/env_kwargs/controller_configs/interpolation",
                json!("linear"),
                vec!["linear", "null"],
            ),
            (
                "/env_kwargs/controller_configs/kp",
                json!([1, 2]),
                vec!["kp", "[1,2]", "six"],
            ),
            (
                "/env_kwargs/controller_configs/input_max",
                json!(-1),
                vec!["input_max", "input_min"],
            ),
            (
                "/env_kwargs/controller_configs",
                json!("osc"),
                vec!["controller_configs", "osc"],
            ),
        ];
        for (place, value, words) in cases {
            let mut args = old();
            *args.pointer_mut(place).unwrap() = value;
            let error = ControllerSettings::from_env_args(&args)
                .unwrap_err()
                .to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
        let mut args = old();
        args["env_kwargs"]["controller_configs"]["stiffness"] = json!(3);
        let error = ControllerSettings::from_env_args(&args)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("stiffness") && error.contains("damping_ratio"),
            "{error}"
        );
    }
}
