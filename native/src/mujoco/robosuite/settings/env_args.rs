//! What the `env_args` of a data set of robomimic's ask for.

use super::{ControllerSettings, InputFrame, InputType};
use protege_core::error::excerpt;
use protege_core::{Error, Result};
use serde_json::{Map, Value};

/// Keys that say nothing of what is computed here: limits of settings that are fixed, and what the
/// configuration of an interpolator is without one.
const IDLE: [&str; 4] = [
    "kp_limits",
    "damping_ratio_limits",
    "damping_limits",
    "ramp_ratio",
];

impl ControllerSettings {
    /// What the `env_args` of a data set say, `{"env_name", "env_version", "type", "env_kwargs"}`:
    /// the controller of that version of robosuite, with the settings in
    /// `env_kwargs.controller_configs`.
    ///
    /// # Errors
    /// When they ask for something else than this suite has: another robot, controller or rate, or
    /// an unknown setting of the controller, or a number that it cannot have.
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
        match settings.fault() {
            None => Ok(settings),
            Some(fault) => Err(Error::input(format!(
                "the data set's `{}` has the number {}, which is not played here: {}",
                fault.name,
                fault.shown(),
                fault.remedy
            ))),
        }
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
        // `door` without its latch is another scene.
        if let Some(latch) = kwargs.get("use_latch") {
            only("use_latch", latch, &[Value::from(true)])?;
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

    /// 1.5's `{"type": "BASIC", "body_parts": {"right": {...}}}`, in which an arm may also lie
    /// below `arms`. Parts that a Panda does not have are passed over, as upstream does.
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
