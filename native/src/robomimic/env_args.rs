//! What a file of robomimic says of its environment: `data/@env_args`, and before robomimic has
//! looked at the file, robosuite's own attributes.

use super::hdf5::Node;
use super::names;
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

    /// Whether rewards are shaped: then they are above 0 before a success, and 1 or more at one.
    pub fn is_shaped(&self) -> bool {
        self.kwargs.get("reward_shaping") == Some(&Value::Bool(true))
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
/// with (robosuite/controllers/config/robots/default_panda.json and robomimic's own settings), so
/// that robomimic can play; of others their name. Types: robomimic/envs/env_base.py, EnvType.
pub fn written(task: &str) -> String {
    let args = if names::is_robosuite(task) {
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
    format!("{args:#}")
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
        assert!(!args.is_shaped());
        let again = EnvArgs::parse(&args.to_value().to_string()).unwrap();
        assert_eq!(again, args);
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
