//! `env_args` that ask for a controller.

use super::{ControllerSettings, InputFrame};
use serde_json::{Map, Value, json};

impl ControllerSettings {
    /// Makes `env_args` that ask for robosuite 1.5.2's own controller ask for this one: in the form
    /// of 1.5, or of 1.4.1 where it is that version's.
    pub fn write_into(&self, env_args: &mut Value) {
        let kwargs = &mut env_args["env_kwargs"];
        let right = kwargs["controller_configs"]["body_parts"]["right"].take();
        let mut right = match right {
            Value::Object(right) => right,
            _ => Map::new(),
        };
        let usual = Self::default();
        for ((name, own), (_, usual)) in self.numbers().into_iter().zip(usual.numbers()) {
            if own != usual {
                right.insert(name.to_owned(), json!(own));
            }
        }
        right.insert("uncouple_pos_ori".to_owned(), self.uncoupled.into());
        if !self.keeps_rotation {
            right.insert("input_ref_frame".to_owned(), self.input_frame.name().into());
            kwargs["controller_configs"]["body_parts"]["right"] = right.into();
            kwargs["lite_physics"] = self.lite_physics.into();
            return;
        }
        // robosuite 1.4.1: controllers/config/osc_pose.json.
        for later in ["input_type", "input_ref_frame", "gripper"] {
            right.remove(later);
        }
        right.insert("control_delta".to_owned(), true.into());
        if self.input_frame != InputFrame::World {
            right.insert("input_ref_frame".to_owned(), self.input_frame.name().into());
        }
        kwargs["controller_configs"] = right.into();
        if let Some(kwargs) = kwargs.as_object_mut() {
            kwargs.remove("lite_physics");
            if self.lite_physics {
                kwargs.insert("lite_physics".to_owned(), true.into());
            }
        }
        env_args["env_version"] = "1.4.1".into();
    }
}
