//! Settings, read and played.

use super::*;
use crate::mujoco::robosuite::world::{ArmWorld, Start};
use protege_core::env::World;
use safetensors::SafeTensors;
use serde_json::{Value, json};

const FILE: &[u8] = include_bytes!("../../../../tests/fixtures/robosuite_settings.safetensors");

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
            vec!["input_max", "-1", "above input_min"],
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
    args["env_kwargs"]["use_latch"] = json!(false);
    let sentence = ControllerSettings::from_env_args(&args).unwrap_err();
    assert!(sentence.to_string().contains("`use_latch` is `false`"));
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

/// Words mean settings, and the shortest ones for them are found again.
#[test]
fn words_mean_settings() {
    let usual = ControllerSettings::default();
    for (words, shortest) in [
        ("", ""),
        ("version=1.5 kp=150 input_type=delta", ""),
        ("version=1.4", "version=1.4"),
        ("  kp=100   version=1.4 ", "version=1.4 kp=100"),
        ("kp=1,2,3,4,5,6.5", "kp=1,2,3,4,5,6.5"),
        (
            "version=1.4 lite_physics=true",
            "version=1.4 lite_physics=true",
        ),
        (
            "output_min=-0.1 uncouple_pos_ori=false input_ref_frame=world lite_physics=false",
            "lite_physics=false uncouple_pos_ori=false input_ref_frame=world output_min=-0.1",
        ),
    ] {
        let settings = ControllerSettings::from_words(words).unwrap();
        assert_eq!(settings.to_words(), shortest);
        assert_eq!(ControllerSettings::from_words(shortest).unwrap(), settings);
        assert_eq!(shortest.is_empty(), settings == usual);
    }
    let old = ControllerSettings::from_words("version=1.4").unwrap();
    assert_eq!(old, ControllerSettings::up_to_1_4());
    for (words, part) in [
        ("kp", "without `=`"),
        ("stiffness=3", "stiffness=3: the names are version"),
        ("kp=-5", "kp=-5: set numbers from 0 to 10000"),
        ("kp=1e308", "kp=1e308: set numbers from 0 to 10000"),
        ("kp=nan", "kp=NaN"),
        ("kp=1,2", "six with commas"),
        ("kp=soft", "kp=soft"),
        ("damping_ratio=-1", "damping_ratio=-1"),
        ("input_max=1.5", "-1 to 1"),
        ("input_max=-1", "above input_min"),
        ("output_max=inf", "output_max=inf"),
        ("lite_physics=maybe", "true or false"),
        ("version=2", "1.4 or 1.5"),
        ("version=1.4 version=1.5", "twice"),
        ("input_ref_frame=hand", "base or world"),
        ("input_type=absolute", "within [-1, 1]"),
    ] {
        let sentence = ControllerSettings::from_words(words).unwrap_err();
        let sentence = sentence.to_string();
        assert!(
            sentence.starts_with("env.controller has ") && sentence.contains(part),
            "{words}: {sentence}"
        );
    }
}

/// An environment that is told its controller in words plays as a world with these settings does,
/// bit for bit, and not as usual.
#[test]
fn an_environment_is_controlled_as_it_is_told() {
    let id = "robosuite/lift";
    let action = [0.5, -0.3, -0.8, 0.2, 0.1, -0.4, 1.0];
    let mut usual = crate::engines::make(id, "mujoco").unwrap();
    usual.reset(5);
    let usual: Vec<_> = (0..8).map(|_| usual.step(&action).unwrap().obs).collect();
    for words in ["version=1.4", "kp=300 output_max=0.02"] {
        let mut env = crate::engines::make(id, "mujoco").unwrap();
        env.set_controller(words).unwrap();
        let settings = ControllerSettings::from_words(words).unwrap();
        let mut world = ArmWorld::with_settings(id, settings).unwrap();
        assert_eq!(env.reset(5).state, world.start(5));
        let mut seen = Vec::new();
        for step in 1..=8 {
            let obs = env.step(&action).unwrap().obs;
            let expected = world.play(&action, step).unwrap().obs;
            assert_eq!(obs.state, expected, "{words}, step {step}");
            seen.push(obs);
        }
        assert_ne!(seen, usual, "{words}");
        // Saved and restored, it goes on under the same settings.
        let saved = env.save();
        let mut other = crate::engines::make(id, "mujoco").unwrap();
        other.set_controller(words).unwrap();
        other.restore(&saved).unwrap();
        assert_eq!(other.step(&action).unwrap(), env.step(&action).unwrap());
        env.set_controller("").unwrap();
        env.reset(5);
        let again: Vec<_> = (0..8).map(|_| env.step(&action).unwrap().obs).collect();
        assert_eq!(again, usual);
    }
    let mut env = crate::engines::make("lab/lift", "mujoco").unwrap();
    let sentence = env.set_controller("kp=100").unwrap_err().to_string();
    assert!(
        sentence.contains("lab/lift has one controller"),
        "{sentence}"
    );
}

/// Under other settings, and under those of 1.4.1, all joints are to the last bit where upstream's
/// own controllers bring them.
#[test]
fn other_settings_are_played_as_upstreams() {
    let file = SafeTensors::deserialize(FILE).unwrap();
    let (_, head) = SafeTensors::read_metadata(FILE).unwrap();
    let args = &head.metadata().as_ref().unwrap()["protege"];
    let args: serde_json::Map<String, Value> = serde_json::from_str(args).unwrap();
    assert_eq!(args.len(), 4);
    for (name, args) in &args {
        let read = |key: &str| -> Vec<f64> {
            let tensor = file.tensor(&format!("{name}/{key}")).unwrap();
            let (numbers, _) = tensor.data().as_chunks();
            numbers.iter().map(|&v| f64::from_le_bytes(v)).collect()
        };
        let settings = ControllerSettings::from_env_args(args).unwrap();
        let mut world = ArmWorld::with_settings("robosuite/can", settings).unwrap();
        let [qpos, qvel] = ["qpos0", "qvel0"].map(&read);
        let start = Start {
            qpos: &qpos,
            qvel: &qvel,
            ..Start::default()
        };
        world.start_at(&start).unwrap();
        let reached = read("qpos");
        for (step, action) in read("actions").chunks(7).enumerate() {
            world.advance(action, step + 1, |_| ()).unwrap();
            let joints = world.plant().data.qpos();
            let expected = &reached[step * joints.len()..][..joints.len()];
            assert_eq!(joints, expected, "{name}, step {step}");
        }
    }
}
