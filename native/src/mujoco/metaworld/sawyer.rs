//! The robot that the tasks share: a Sawyer arm whose hand is led by a weld to a body that moves freely; after
//! `metaworld/sawyer_xyz_env.py`.

use super::reward::distance;
use crate::mujoco::Plant;
use crate::wheels::METAWORLD;
use mujoco_rs::mujoco_c::_mjtObjBase as Kind;
use mujoco_rs::prelude::MjModel;
use mujoco_rs::wrappers::mj_model::MjtEq;
use protege_core::{Error, Result};

/// Physics steps of 2.5 ms per control step: 80 Hz.
const SUBSTEPS: usize = 5;
/// Control steps in which the hand comes to its place before an episode.
const RESET_STEPS: usize = 50;
/// How far an action of 1 leads the hand, in metres. Upstream multiplies in 32 bits, and so it is here.
const STRIDE: f32 = 0.01;
/// Where the hand can be led, in metres.
const LOW: [f64; 3] = [-0.5, 0.4, 0.05];
const HIGH: [f64; 3] = [0.5, 1.0, 0.5];
/// The hand points downwards; MuJoCo normalises it.
const DOWN: [f64; 4] = [1.0, 0.0, 1.0, 0.0];
/// What a weld is to be: no offset, and how rotation is weighed. MuJoCo has had a twelfth number since, which is left alone.
const WELD: [f64; 11] = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 5.0];
/// Where the free object's coordinates begin in `qpos` and in `qvel`, after the arm's and the fingers'.
const OBJECT: usize = 9;

/// The arm in one of the scenes. MuJoCo's solver splits contacts into islands, as upstream's: without them it is a little faster,
/// and 0.001 away after 100 steps.
pub struct Sawyer {
    /// The scene and its state.
    pub plant: Plant,
    hand: usize,
    claws: [usize; 2],
    pads: [usize; 2],
    fingertips: [usize; 2],
    settled: Option<Settled>,
}

/// The hand at its place, to be gone back to.
struct Settled {
    state: Box<[f64]>,
    /// The point between the fingertips, as [`Sawyer::bring_hand`] gives it.
    fingers: [f64; 3],
}

impl Sawyer {
    /// Loads a scene of `metaworld/assets/sawyer_xyz`.
    ///
    /// # Errors
    /// When the scenes were not fetched or MuJoCo refuses this one.
    pub fn new(file: &str) -> Result<Self> {
        if !METAWORLD.is_there() {
            return Err(Error::failed(format!(
                "the scenes of Meta-World are not in {}: fetch them with `cargo xtask setup` or `protege doctor --fix`",
                METAWORLD.folder().display()
            )));
        }
        let plant = Plant::from_file(&METAWORLD.folder().join("metaworld/assets/sawyer_xyz").join(file), reset_welds)?;
        let body = |name| find(&plant, Kind::mjOBJ_BODY, name);
        let site = |name| find(&plant, Kind::mjOBJ_SITE, name);
        Ok(Self {
            hand: body("hand")?,
            claws: [body("rightclaw")?, body("leftclaw")?],
            pads: [body("leftpad")?, body("rightpad")?],
            fingertips: [site("rightEndEffector")?, site("leftEndEffector")?],
            settled: None,
            plant,
        })
    }

    /// Looks up a body of the scene.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn body(&self, name: &str) -> Result<usize> {
        find(&self.plant, Kind::mjOBJ_BODY, name)
    }

    /// Looks up a site of the scene.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn site(&self, name: &str) -> Result<usize> {
        find(&self.plant, Kind::mjOBJ_SITE, name)
    }

    /// Looks up a geom of the scene.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn geom(&self, name: &str) -> Result<usize> {
        find(&self.plant, Kind::mjOBJ_GEOM, name)
    }

    /// Brings the open hand to its place from the state in which the scene was loaded. Gives the point between the fingertips,
    /// as upstream takes it: where it was before the last physics step.
    pub fn bring_hand(&mut self, to: [f64; 3]) -> [f64; 3] {
        self.plant.data.reset();
        for _ in 0..RESET_STEPS {
            self.lead_hand(to);
            self.simulate(-1.0);
        }
        self.between_fingers()
    }

    /// The same where it comes to the same every time: after the first time, the state is remembered rather than reached.
    pub fn bring_hand_again(&mut self, to: [f64; 3]) -> [f64; 3] {
        if let Some(Settled { state, fingers }) = &self.settled {
            self.plant.set_integrator(state);
            return *fingers;
        }
        let fingers = self.bring_hand(to);
        self.settled = Some(Settled { state: self.plant.integrator(), fingers });
        fingers
    }

    /// Plays physics for one control step, with the fingers pressed together by `grip`, -1 to 1.
    fn simulate(&mut self, grip: f64) {
        self.plant.data.ctrl_mut().copy_from_slice(&[grip, -grip]);
        self.wait();
    }

    /// Plays physics for one control step, with everything as it is.
    pub fn wait(&mut self) {
        (0..SUBSTEPS).for_each(|_| self.plant.data.step());
    }

    /// Plays one action: three numbers that lead the hand, one that presses the fingers together; each in [-1, 1].
    pub fn act(&mut self, action: &[f32]) {
        let from = self.plant.data.mocap_pos()[0];
        self.lead_hand(std::array::from_fn(|i| (from[i] + f64::from(action[i] * STRIDE)).clamp(LOW[i], HIGH[i])));
        self.simulate(f64::from(action[3]));
        self.plant.data.forward();
    }

    fn lead_hand(&mut self, to: [f64; 3]) {
        self.plant.data.mocap_pos_mut()[0] = to;
        self.plant.data.mocap_quat_mut()[0] = DOWN;
    }

    /// Puts the free object somewhere, at rest and turned as it is.
    pub fn put_object(&mut self, at: [f64; 3]) {
        self.plant.data.qpos_mut()[OBJECT..OBJECT + 3].copy_from_slice(&at);
        self.plant.data.qvel_mut()[OBJECT..OBJECT + 6].fill(0.0);
        self.plant.data.forward();
    }

    /// Where the hand is, and how far the gripper is open: 0 closed, 1 open.
    pub fn hand(&self) -> [f64; 4] {
        let places = self.plant.data.xpos();
        let [x, y, z] = places[self.hand];
        let open = distance(places[self.claws[0]], places[self.claws[1]]) / 0.1;
        [x, y, z, open.clamp(0.0, 1.0)]
    }

    /// The point between the fingertips.
    pub fn between_fingers(&self) -> [f64; 3] {
        let [right, left] = self.fingertips.map(|tip| self.plant.data.site_xpos()[tip]);
        std::array::from_fn(|i| (right[i] + left[i]) / 2.0)
    }

    /// The y of the left and of the right finger's pad.
    pub fn pads(&self) -> [f64; 2] {
        self.pads.map(|pad| self.plant.data.xpos()[pad][1])
    }
}

fn find(plant: &Plant, kind: Kind, name: &str) -> Result<usize> {
    let missing = || Error::failed(format!("the scenes of Meta-World are not those of version {}: no `{name}`", METAWORLD.version));
    plant.model().name_to_id(kind, name).ok_or_else(missing)
}

fn reset_welds(model: &mut MjModel) {
    let welds: Vec<bool> = model.eq_type().iter().map(|kind| matches!(kind, MjtEq::mjEQ_WELD)).collect();
    // SAFETY: these are a weld's numbers; no size or index is among them.
    #[allow(unsafe_code)]
    let all = unsafe { model.eq_data_mut() };
    all.iter_mut().zip(welds).filter(|(_, weld)| *weld).for_each(|(data, _)| data[..WELD.len()].copy_from_slice(&WELD));
}
