use super::RapierSim;
use crate::env::{Env, LabEnv};
use crate::rng::Rng;
use crate::sim::{Pose, Sim};
use crate::tasks;

fn scene(id: &str) -> RapierSim {
    RapierSim::new(tasks::by_id(id).unwrap().scene).unwrap()
}

fn upright(position: [f64; 3]) -> Pose {
    Pose {
        position,
        rotation: [1.0, 0.0, 0.0, 0.0],
    }
}

/// Moves the hand by targets, in a straight line.
struct Puppet {
    sim: RapierSim,
    at: [f64; 3],
}

impl Puppet {
    fn new(id: &str) -> Self {
        Self {
            sim: scene(id),
            at: [0.0; 3],
        }
    }

    fn glide(&mut self, to: [f64; 3], finger: f64, steps: usize) {
        let from = self.at;
        for step in 1..=steps {
            let share = step as f64 / steps as f64;
            self.at = [0, 1, 2].map(|i| from[i] + share * (to[i] - from[i]));
            for (axis, name) in ["x", "y", "z"].into_iter().enumerate() {
                let actuator = self.sim.actuator(name).unwrap();
                self.sim.set_target(actuator, self.at[axis]);
            }
            for name in ["left", "right"] {
                let actuator = self.sim.actuator(name).unwrap();
                self.sim.set_target(actuator, finger);
            }
            self.sim.step();
        }
    }

    fn height(&self, body: &str) -> f64 {
        self.sim.pose(self.sim.body(body).unwrap()).position[2]
    }
}

/// Friction alone carries the cube (its height follows the hand's for seconds, through turns), and
/// an opened gripper drops it.
#[test]
fn a_grasp_carries_by_friction_and_opening_drops() {
    let mut puppet = Puppet::new("lab/lift");
    puppet.glide([0.0, 0.0, -0.18], 0.0, 240);
    puppet.glide([0.0, 0.0, -0.18], 0.05, 120);
    let held_at = puppet.height("object") - puppet.height("hand");
    for to in [
        [0.0, 0.0, 0.0],
        [0.15, 0.1, 0.05],
        [-0.15, 0.2, -0.05],
        [0.0, 0.1, 0.05],
    ] {
        puppet.glide(to, 0.05, 320);
        let slipped = puppet.height("object") - puppet.height("hand") - held_at;
        assert!(
            slipped.abs() < 0.004,
            "slipped {slipped} m on the way to {to:?}"
        );
    }
    let pad = puppet.sim.geom("left_pad").unwrap();
    let cube = puppet.sim.geom("object").unwrap();
    assert!(puppet.sim.touching(pad, cube));
    puppet.glide([0.0, 0.1, 0.05], 0.0, 320);
    assert!(!puppet.sim.touching(pad, cube));
    assert!(
        (puppet.height("object") - 0.02).abs() < 0.002,
        "the cube is at {} m after the drop",
        puppet.height("object")
    );
}

/// Without a grip nothing is carried; the hand that closes beside the cube leaves it where it was.
#[test]
fn a_hand_that_misses_lifts_nothing() {
    let mut puppet = Puppet::new("lab/lift");
    puppet.glide([0.0, 0.05, -0.18], 0.0, 240);
    puppet.glide([0.0, 0.05, -0.18], 0.05, 120);
    puppet.glide([0.0, 0.0, 0.0], 0.05, 240);
    assert!((puppet.height("object") - 0.02).abs() < 0.002);
}

/// Poses and velocities of everything, as bits.
fn bits(sim: &RapierSim) -> Vec<u64> {
    let bodies = [
        "rail_x",
        "rail_y",
        "hand",
        "left_finger",
        "right_finger",
        "object",
        "target",
    ];
    let numbers = bodies.into_iter().flat_map(|name| {
        let id = sim.body(name).unwrap();
        let pose = sim.pose(id);
        let (linear, angular) = sim.velocity(id);
        [&pose.position[..], &pose.rotation, &linear, &angular].concat()
    });
    numbers.map(f64::to_bits).collect()
}

/// A scene that was saved at any moment (before the first step, in flight, in a grasp) goes on bit
/// for bit in a fresh simulation. It pins what Rapier's own snapshots leave out: events of
/// insertions, cached contacts, motor targets.
#[test]
fn a_saved_scene_goes_on_bit_for_bit() {
    for info in tasks::all() {
        let mut rng = Rng::new(7, "moments", 0);
        for moment in [0, 1, 20, 28, 32, 36, 40, 50, 60 + rng.below(20)] {
            let mut env = LabEnv::new(info.id).unwrap();
            env.reset(moment as u64);
            for _ in 0..moment {
                let action = env.expert().unwrap();
                if env.step(&action).unwrap().done() {
                    break;
                }
            }
            let mut sim = scene(info.id);
            sim.restore(&env.sim().save()).unwrap();
            let mut fresh = scene(info.id);
            (0..moment).for_each(|_| fresh.step());
            fresh.restore(&sim.save()).unwrap();
            for step in 0..200 {
                assert_eq!(
                    bits(&sim),
                    bits(&fresh),
                    "{} saved after {moment} parts at step {step}",
                    info.id
                );
                sim.step();
                fresh.step();
            }
        }
    }
}

/// Saving does not disturb, and a restored run equals the one that was never stopped, with the
/// controls going on.
#[test]
fn a_restored_run_equals_an_unbroken_one() {
    for info in tasks::all() {
        for moment in [0usize, 15, 30, 38, 45] {
            let mut unbroken = LabEnv::new(info.id).unwrap();
            unbroken.reset(5);
            let mut resumed = LabEnv::new(info.id).unwrap();
            let mut sims = Vec::new();
            for step in 0..120 {
                if step == moment {
                    resumed.restore(&unbroken.save()).unwrap();
                }
                let action = unbroken.expert().unwrap();
                let a = unbroken.step(&action).unwrap();
                if step >= moment {
                    assert_eq!(
                        a,
                        resumed.step(&action).unwrap(),
                        "{} saved at {moment} parts at {step}",
                        info.id
                    );
                }
                if a.done() {
                    break;
                }
                sims.push(a);
            }
        }
    }
}

/// After a reset everything is as freshly loaded, bit for bit, whatever happened before.
#[test]
fn a_reset_is_a_fresh_start() {
    let mut puppet = Puppet::new("lab/assembly");
    puppet.glide([0.1, 0.1, -0.18], 0.05, 100);
    puppet.sim.reset();
    let mut fresh = scene("lab/assembly");
    for _ in 0..100 {
        assert_eq!(bits(&puppet.sim), bits(&fresh));
        puppet.sim.step();
        fresh.step();
    }
}

/// A set pose is read back at rest, and physics takes over from there.
#[test]
fn a_set_pose_is_where_the_body_goes_on() {
    let mut sim = scene("lab/box-close");
    let lid = sim.body("object").unwrap();
    let fixture = sim.body("target").unwrap();
    sim.set_pose(fixture, upright([0.1, 0.75, 0.0]));
    sim.set_pose(lid, upright([0.1, 0.75, 0.15]));
    assert!((sim.pose(lid).position[2] - 0.15).abs() < 1e-6);
    (0..200).for_each(|_| sim.step());
    let rest = sim.pose(lid).position;
    assert!(
        (rest[2] - 0.106).abs() < 0.002 && (rest[0] - 0.1).abs() < 0.002,
        "the lid rests at {rest:?}, not on the box"
    );
}

/// What hangs on a fixture by joints goes where the fixture is put, and stays there.
#[test]
fn what_hangs_on_a_fixture_comes_along() {
    let mut sim = scene("lab/door");
    let names = ["target", "door", "object"];
    let bodies = names.map(|name| sim.body(name).unwrap());
    let before = bodies.map(|body| sim.pose(body).position);
    let fixture = before[0];
    let put = [fixture[0] + 0.07, fixture[1] - 0.03, fixture[2]];
    sim.set_pose(bodies[0], upright(put));
    (0..100).for_each(|_| sim.step());
    for (body, before) in bodies.into_iter().zip(before) {
        let now = sim.pose(body).position;
        let moved = [0, 1, 2].map(|i| now[i] - before[i]);
        let off = [moved[0] - 0.07, moved[1] + 0.03, moved[2]];
        assert!(off.iter().all(|v| v.abs() < 1e-3), "{moved:?}");
    }
    let hinge = sim.joint("hinge").unwrap();
    assert!(sim.joint_position(hinge).abs() < 1e-3);
}

/// Damaged or foreign bytes are refused and change nothing.
#[test]
fn damaged_bytes_are_refused_and_change_nothing() {
    let mut sim = scene("lab/lift");
    (0..10).for_each(|_| sim.step());
    let saved = sim.save();
    let before = bits(&sim);
    let foreign = scene("lab/assembly").save();
    assert!(sim.restore(&foreign).is_err());
    for cut in [0, 10, 40, 64, saved.len() / 2, saved.len() - 1] {
        assert!(sim.restore(&saved[..cut]).is_err());
    }
    for at in (0..saved.len()).step_by(97) {
        let mut damaged = saved.clone();
        damaged[at] ^= 0x41;
        assert!(sim.restore(&damaged).is_err(), "byte {at}");
    }
    assert_eq!(bits(&sim), before);
    sim.restore(&saved).unwrap();
}

/// What the scene lacks is answered with what it has; what cannot be represented is refused.
#[test]
fn unknown_names_and_foreign_scenes_are_errors() {
    let sentence = scene("lab/lift").body("cube").unwrap_err().to_string();
    assert!(
        sentence.contains("cube") && sentence.contains("object"),
        "{sentence}"
    );
    assert!(RapierSim::new("not a scene").is_err());
    let shifted = r#"<mujoco><worldbody>
        <body><joint name="j" type="slide" ref="0.1"/><geom size="0.1"/></body>
        </worldbody></mujoco>"#;
    assert!(RapierSim::new(shifted).is_err());
}

/// A joint reads what its actuator was told, with its rate; a hinge reads radians.
#[test]
fn joints_read_meters_and_radians() {
    let mut puppet = Puppet::new("lab/lift");
    let y = puppet.sim.joint("y").unwrap();
    puppet.glide([0.0, 0.1, 0.0], 0.0, 40);
    assert!(puppet.sim.joint_velocity(y) > 0.1);
    puppet.glide([0.0, 0.1, 0.0], 0.0, 100);
    assert!(
        (puppet.sim.joint_position(y) - 0.1).abs() < 1e-3
            && puppet.sim.joint_velocity(y).abs() < 1e-3
    );

    let hinge = r#"<mujoco><compiler angle="radian"/>
        <worldbody><body gravcomp="1"><joint name="h" type="hinge" axis="0 0 1"/>
        <geom type="box" size="0.1 0.1 0.1" mass="1"/></body></worldbody>
        <actuator><position name="h" joint="h" kp="100" kv="20"/></actuator></mujoco>"#;
    let mut sim = RapierSim::new(hinge).unwrap();
    let joint = sim.joint("h").unwrap();
    let actuator = sim.actuator("h").unwrap();
    sim.set_target(actuator, 0.7);
    (0..1000).for_each(|_| sim.step());
    assert!(
        (sim.joint_position(joint) - 0.7).abs() < 1e-2,
        "{}",
        sim.joint_position(joint)
    );
}
