//! Composed scenes, held to upstream's own models, which its Python compiled on this MuJoCo.

use super::{Detail, compose, model, variable_geoms};
use mujoco_rs::mujoco_c::_mjtObjBase as Kind;
use mujoco_rs::prelude::{MjData, MjModel};
use safetensors::SafeTensors;
use serde_json::Value;

const TASKS: [&str; 6] = ["lift", "can", "square", "stack", "tool-hang", "door"];

/// Upstream's arrays and names.
struct Upstream<'a> {
    tensors: SafeTensors<'a>,
    names: Value,
}

impl<'a> Upstream<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let (_, metadata) = SafeTensors::read_metadata(bytes).unwrap();
        let text = &metadata.metadata().as_ref().unwrap()["protege"];
        let header: Value = serde_json::from_str(text).unwrap();
        Self {
            tensors: SafeTensors::deserialize(bytes).unwrap(),
            names: header["names"].clone(),
        }
    }

    fn array(&self, name: &str) -> Vec<f64> {
        let tensor = self.tensors.tensor(name).unwrap();
        let numbers = tensor.data().as_chunks().0.iter();
        numbers.map(|&number| f64::from_le_bytes(number)).collect()
    }

    fn names(&self, task: &str, kind: &str) -> Vec<String> {
        let names = self.names[task][kind].as_array().unwrap().iter();
        names
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    }

    /// Half the edges of the cube of the first reset, m.
    fn cube(&self) -> [f64; 3] {
        let geoms = self.names("lift", "geom");
        let at = geoms.iter().position(|name| name == "cube_g0").unwrap();
        let sizes = self.array("robosuite/lift/0/model_geom_size");
        sizes[3 * at..3 * at + 3].try_into().unwrap()
    }
}

/// The recorded file that has a task.
fn recorded(task: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    let name = if task == "door" {
        "robosuite_door_traces"
    } else {
        "robosuite_traces"
    };
    std::fs::read(format!("{folder}/{name}.safetensors")).unwrap()
}

/// Bodies that no joint moves, which upstream puts in their places at a reset.
fn is_placed(body: &str) -> bool {
    body.starts_with("Visual") || body == "Door_main"
}

fn names(model: &MjModel, kind: Kind, count: impl TryInto<usize>) -> Vec<String> {
    let count = count.try_into().ok().unwrap();
    let name = |i| model.id_to_name(kind, i).unwrap_or_default().to_owned();
    (0..count).map(name).collect()
}

/// The names of everything, by kind.
fn all_names(model: &MjModel) -> Vec<(&'static str, Vec<String>)> {
    vec![
        ("body", names(model, Kind::mjOBJ_BODY, model.nbody())),
        ("geom", names(model, Kind::mjOBJ_GEOM, model.ngeom())),
        ("joint", names(model, Kind::mjOBJ_JOINT, model.njnt())),
        ("site", names(model, Kind::mjOBJ_SITE, model.nsite())),
        ("actuator", names(model, Kind::mjOBJ_ACTUATOR, model.nu())),
        ("camera", names(model, Kind::mjOBJ_CAMERA, model.ncam())),
    ]
}

fn flat<T: Copy + Into<f64>, const N: usize>(rows: &[[T; N]]) -> Vec<f64> {
    plain(rows.as_flattened())
}

fn plain<T: Copy + Into<f64>>(numbers: &[T]) -> Vec<f64> {
    numbers.iter().map(|&number| number.into()).collect()
}

/// The arrays that are recorded of what has nothing to do with geoms.
fn arrays(m: &MjModel) -> Vec<(&'static str, Vec<f64>)> {
    let joints = m.jnt_type().iter().map(|&kind| f64::from(kind as u32));
    vec![
        ("body_parentid", plain(m.body_parentid())),
        ("body_pos", flat(m.body_pos())),
        ("body_quat", flat(m.body_quat())),
        ("body_mass", plain(m.body_mass())),
        ("body_inertia", flat(m.body_inertia())),
        ("body_ipos", flat(m.body_ipos())),
        ("body_iquat", flat(m.body_iquat())),
        ("body_gravcomp", plain(m.body_gravcomp())),
        ("jnt_type", joints.collect()),
        ("jnt_bodyid", plain(m.jnt_bodyid())),
        ("jnt_pos", flat(m.jnt_pos())),
        ("jnt_axis", flat(m.jnt_axis())),
        ("jnt_range", flat(m.jnt_range())),
        ("jnt_stiffness", plain(m.jnt_stiffness())),
        ("jnt_solref", flat(m.jnt_solref())),
        ("dof_damping", plain(m.dof_damping())),
        ("dof_armature", plain(m.dof_armature())),
        ("dof_frictionloss", plain(m.dof_frictionloss())),
        ("actuator_trnid", flat(m.actuator_trnid())),
        ("actuator_gainprm", flat(m.actuator_gainprm())),
        ("actuator_biasprm", flat(m.actuator_biasprm())),
        ("actuator_ctrlrange", flat(m.actuator_ctrlrange())),
        ("actuator_forcerange", flat(m.actuator_forcerange())),
        ("actuator_gear", flat(m.actuator_gear())),
        ("site_bodyid", plain(m.site_bodyid())),
        ("site_pos", flat(m.site_pos())),
        ("site_quat", flat(m.site_quat())),
        ("cam_pos", flat(m.cam_pos())),
        ("cam_quat", flat(m.cam_quat())),
        ("cam_fovy", plain(m.cam_fovy())),
        ("qpos0", plain(m.qpos0())),
    ]
}

/// The arrays that are recorded of geoms.
fn geom_arrays(m: &MjModel) -> Vec<(&'static str, Vec<f64>)> {
    let forms = m.geom_type().iter().map(|&form| f64::from(form as u32));
    vec![
        ("geom_bodyid", plain(m.geom_bodyid())),
        ("geom_type", forms.collect()),
        ("geom_pos", flat(m.geom_pos())),
        ("geom_quat", flat(m.geom_quat())),
        ("geom_size", flat(m.geom_size())),
        ("geom_friction", flat(m.geom_friction())),
        ("geom_solref", flat(m.geom_solref())),
        ("geom_solimp", flat(m.geom_solimp())),
        ("geom_condim", plain(m.geom_condim())),
        ("geom_contype", plain(m.geom_contype())),
        ("geom_conaffinity", plain(m.geom_conaffinity())),
        ("geom_margin", plain(m.geom_margin())),
        ("geom_rgba", flat(m.geom_rgba())),
    ]
}

/// The options that are recorded.
fn options(model: &MjModel) -> Vec<(&'static str, f64)> {
    let opt = model.opt();
    vec![
        ("timestep", opt.timestep),
        ("cone", f64::from(opt.cone)),
        ("impratio", opt.impratio),
        ("iterations", f64::from(opt.iterations)),
        ("tolerance", opt.tolerance),
        ("solver", f64::from(opt.solver)),
        ("integrator", f64::from(opt.integrator)),
        ("density", opt.density),
        ("viscosity", opt.viscosity),
    ]
}

/// Every scene is upstream's: the same things of the same names in the same order, every number to
/// 1e-9, and the options.
#[test]
fn scenes_are_upstreams() {
    for task in TASKS {
        let bytes = recorded(task);
        let upstream = Upstream::new(&bytes);
        let id = format!("robosuite/{task}");
        let cube = (task == "lift").then(|| upstream.cube());
        let own = compose(&id, Detail::Pictures, cube).unwrap();
        for (kind, names) in all_names(&own) {
            assert_eq!(names, upstream.names(task, kind), "{task}: {kind}");
        }
        for (name, mut numbers) in [arrays(&own), geom_arrays(&own)].concat() {
            let theirs = upstream.array(&format!("model/robosuite/{task}/{name}"));
            assert_eq!(numbers.len(), theirs.len(), "{task}: {name}");
            if ["body_pos", "body_quat"].contains(&name) {
                let bodies = upstream.names(task, "body");
                let width = numbers.len() / bodies.len();
                for body in (0..bodies.len()).filter(|&body| is_placed(&bodies[body])) {
                    let place = width * body..width * (body + 1);
                    numbers[place.clone()].copy_from_slice(&theirs[place]);
                }
            }
            let differ = |(own, theirs): (&f64, &f64)| (own - theirs).abs() > 1e-9;
            let at = numbers.iter().zip(&theirs).position(differ);
            assert_eq!(at, None, "{task}: {name}");
        }
        for (name, number) in options(&own) {
            let theirs = upstream.names[task]["option"][name].as_f64();
            assert_eq!(Some(number), theirs, "{task}: {name}");
        }
    }
}

/// What is only seen changes nothing: without it, bodies, joints, actuators, sites and cameras are
/// the same, and what happens is the same to the bit.
#[test]
fn what_is_only_seen_changes_nothing() {
    for task in TASKS {
        let bytes = recorded(task);
        let upstream = Upstream::new(&bytes);
        let id = format!("robosuite/{task}");
        let whole = model(&id, Detail::Pictures).unwrap();
        let solid = model(&id, Detail::Physics).unwrap();
        assert_eq!(arrays(&whole), arrays(&solid), "{task}");
        for (kind, names) in all_names(&solid) {
            if kind != "geom" {
                assert_eq!(names, upstream.names(task, kind), "{task}: {kind}");
            }
        }
        let start = upstream.array(&format!("robosuite/{task}/0/qpos0"));
        let mut both = [&whole, &solid].map(|model| MjData::new(model.clone()));
        for data in &mut both {
            data.qpos_mut().copy_from_slice(&start);
        }
        for step in 0..1000 {
            for data in &mut both {
                // The arm swings and strikes what it meets.
                for (i, torque) in data.ctrl_mut().iter_mut().enumerate() {
                    *torque = 20.0 * (0.01 * f64::from(step) + i as f64).sin();
                }
                data.step();
            }
            assert_eq!(both[0].qpos(), both[1].qpos(), "{task}, step {step}");
        }
        assert!(both[0].ncon() > 0, "{task}");
    }
}

/// A size that varies is the cube's own, solid and picture; the names that say so are the scene's.
#[test]
fn a_cube_has_the_size_that_it_is_given() {
    let half = [0.0201, 0.0212, 0.0219];
    let scene = compose("robosuite/lift", Detail::Pictures, Some(half)).unwrap();
    let geoms = variable_geoms("robosuite/lift")[0];
    assert_eq!(geoms.len(), 2);
    for name in geoms {
        let geom = scene.name_to_id(Kind::mjOBJ_GEOM, name).unwrap();
        assert_eq!(scene.geom_size()[geom], half);
    }
}

/// Asked for a task that is not there, it says so.
#[test]
fn an_unknown_task_is_refused() {
    let sentence = model("robosuite/juggle", Detail::Physics).unwrap_err();
    assert!(sentence.to_string().contains("robosuite/juggle"));
}
