//! The robot that the tasks share: a Sawyer arm whose hand is led by a weld to a body that moves
//! freely; after `metaworld/sawyer_xyz_env.py`.

use super::package::PACKAGE;
use super::reward::distance;
use crate::mujoco::Plant;
use mujoco_rs::mujoco_c::_mjtObjBase as Kind;
use mujoco_rs::prelude::MjModel;
use mujoco_rs::wrappers::mj_auxiliary::MjContact;
use mujoco_rs::wrappers::mj_model::MjtEq;
use protege_core::{Error, Result};
use std::ops::Range;

/// The folder of the scenes in Meta-World's package.
pub const SCENES: &str = "metaworld/assets/sawyer_xyz";
/// Physics steps of 2.5 ms per control step: 80 Hz.
const SUBSTEPS: usize = 5;
/// Control steps in which the hand comes to its place before an episode.
const RESET_STEPS: usize = 50;
/// How far an action of 1 leads the hand, in meters. Upstream multiplies in 32 bits, and so it is
/// here.
const STRIDE: f32 = 0.01;
/// Where the hand can be led in most tasks, in meters.
pub const LEAD_LOW: [f64; 3] = [-0.5, 0.4, 0.05];
const LEAD_HIGH: [f64; 3] = [0.5, 1.0, 0.5];
/// The hand points downwards; MuJoCo normalizes it.
const DOWN: [f64; 4] = [1.0, 0.0, 1.0, 0.0];
/// What a weld is to be: no offset, and how rotation is weighed. MuJoCo has had a twelfth number
/// since, which is left alone.
const WELD: [f64; 11] = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 5.0];
/// Where the object's coordinates begin in `qpos` and in `qvel` in most scenes, after the arm's and
/// the fingers'.
pub const OBJECT: usize = 9;

/// Something in a scene that a task speaks of, by name.
#[derive(Clone, Copy)]
pub enum Part {
    /// A body.
    Body(&'static str),
    /// A site.
    Site(&'static str),
    /// A geom.
    Geom(&'static str),
}

/// The same, found in the scene.
#[derive(Clone, Copy)]
enum Found {
    Body(usize),
    Site(usize),
    Geom(usize),
}

/// The arm in one of the scenes. MuJoCo's solver splits contacts into islands, as upstream's:
/// without them it is a little faster, and 0.001 away after 100 steps.
pub struct Sawyer {
    /// The scene and its state.
    pub plant: Plant,
    hand: usize,
    claws: [usize; 2],
    pads: [usize; 2],
    fingertips: [usize; 2],
    parts: Vec<Found>,
    lead_low: [f64; 3],
    hand_snapshot: Option<HandSnapshot>,
}

/// The hand at its place, to be gone back to.
struct HandSnapshot {
    state: Box<[f64]>,
    /// The point between the fingertips, as [`Sawyer::bring_hand`] gives it.
    fingers: [f64; 3],
}

impl Sawyer {
    /// Loads a scene, a file in [`SCENES`], and finds `parts` in it; the hand can be led as far to
    /// the left, to the front and down as `lead_low`, in meters.
    ///
    /// # Errors
    /// When the scenes were not fetched, MuJoCo refuses this one, or a part is not in it.
    pub fn new(scene: &str, parts: &[Part], lead_low: [f64; 3]) -> Result<Self> {
        let folder = PACKAGE.fetched().map_err(Error::input)?;
        let plant = Plant::from_file(&folder.join(SCENES).join(scene), reset_welds)?;
        let body = |name| find(&plant, Kind::mjOBJ_BODY, name);
        let site = |name| find(&plant, Kind::mjOBJ_SITE, name);
        let part = |part: &Part| match *part {
            Part::Body(name) => body(name).map(Found::Body),
            Part::Site(name) => site(name).map(Found::Site),
            Part::Geom(name) => find(&plant, Kind::mjOBJ_GEOM, name).map(Found::Geom),
        };
        Ok(Self {
            hand: body("hand")?,
            claws: [body("rightclaw")?, body("leftclaw")?],
            pads: [body("leftpad")?, body("rightpad")?],
            fingertips: [site("rightEndEffector")?, site("leftEndEffector")?],
            parts: parts.iter().map(part).collect::<Result<_>>()?,
            lead_low,
            hand_snapshot: None,
            plant,
        })
    }

    /// Where a part of the task is.
    pub fn at(&self, part: usize) -> [f64; 3] {
        let data = &self.plant.data;
        match self.parts[part] {
            Found::Body(i) => data.xpos()[i],
            Found::Site(i) => data.site_xpos()[i],
            Found::Geom(i) => data.geom_xpos()[i],
        }
    }

    /// How a part is turned, as scipy says it: x, y, z, w, made of its rotation matrix.
    pub fn scalar_last(&self, part: usize) -> [f64; 4] {
        let data = &self.plant.data;
        scalar_last(match self.parts[part] {
            Found::Body(i) => &data.xmat()[i],
            Found::Site(i) => &data.site_xmat()[i],
            Found::Geom(i) => &data.geom_xmat()[i],
        })
    }

    /// How the body of a part is turned, as MuJoCo says it: w, x, y, z.
    pub fn quaternion(&self, part: usize) -> [f64; 4] {
        self.plant.data.xquat()[self.body_of(part)]
    }

    fn body_of(&self, part: usize) -> usize {
        let model = self.plant.model();
        match self.parts[part] {
            Found::Body(i) => i,
            Found::Site(i) => model.site_bodyid()[i] as usize,
            Found::Geom(i) => model.geom_bodyid()[i] as usize,
        }
    }

    /// Moves the body of a part, where no joint does.
    pub fn move_body(&mut self, part: usize, to: [f64; 3]) {
        let body = self.body_of(part);
        self.plant.model_mut().body_pos_mut()[body] = to;
    }

    /// Moves a site, such as the mark of the goal. Nothing happens to a part of another kind.
    pub fn mark(&mut self, part: usize, to: [f64; 3]) {
        if let Found::Site(site) = self.parts[part] {
            self.plant.model_mut().site_pos_mut()[site] = to;
        }
    }

    /// A joint's coordinate.
    pub fn joint(&self, at: usize) -> f64 {
        self.plant.data.qpos()[at]
    }

    /// Whether both pads press a geom.
    pub fn pinches(&self, geom: usize, pads: [usize; 2]) -> bool {
        let number = |part: usize| {
            if let Found::Geom(i) = self.parts[part] {
                i as i32
            } else {
                -1
            }
        };
        let presses = |pad: usize| {
            let pair = [number(geom), number(pad)];
            let touches = |&(_, c): &(usize, &MjContact)| pair.iter().all(|g| c.geom.contains(g));
            let contacts = self.plant.data.contact().iter().enumerate().filter(touches);
            contacts
                .map(|(i, _)| self.plant.data.contact_force(i)[0])
                .sum::<f64>()
                > 0.0
        };
        pads.into_iter().all(presses)
    }

    /// Brings the open hand to its place from the state in which the scene was loaded. Gives the
    /// point between the fingertips, as upstream takes it: where it was before the last physics
    /// step.
    pub fn bring_hand(&mut self, to: [f64; 3]) -> [f64; 3] {
        self.plant.data.reset();
        for _ in 0..RESET_STEPS {
            self.lead_hand(to);
            self.simulate(-1.0);
        }
        self.between_fingers()
    }

    /// The same where it comes to the same every time: after the first time, the state is
    /// remembered rather than reached.
    pub fn bring_hand_again(&mut self, to: [f64; 3]) -> [f64; 3] {
        if let Some(HandSnapshot { state, fingers }) = &self.hand_snapshot {
            self.plant.set_integrator(state);
            return *fingers;
        }
        let fingers = self.bring_hand(to);
        self.hand_snapshot = Some(HandSnapshot {
            state: self.plant.integrator(),
            fingers,
        });
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

    /// Plays one action: three numbers that lead the hand, one that presses the fingers together;
    /// each in [-1, 1].
    pub fn act(&mut self, action: &[f32]) {
        let from = self.plant.data.mocap_pos()[0];
        self.lead_hand(std::array::from_fn(|i| {
            (from[i] + f64::from(action[i] * STRIDE)).clamp(self.lead_low[i], LEAD_HIGH[i])
        }));
        self.simulate(f64::from(action[3]));
        self.plant.data.forward();
    }

    fn lead_hand(&mut self, to: [f64; 3]) {
        self.plant.data.mocap_pos_mut()[0] = to;
        self.plant.data.mocap_quat_mut()[0] = DOWN;
    }

    /// Puts the free object somewhere, at rest and turned as it is.
    pub fn put_object(&mut self, at: [f64; 3]) {
        self.put(OBJECT, &at, OBJECT..OBJECT + 6);
    }

    /// Sets coordinates from `first` on, stills some velocities, and computes what follows from
    /// that.
    pub fn put(&mut self, first: usize, coordinates: &[f64], still: Range<usize>) {
        self.plant.data.qpos_mut()[first..first + coordinates.len()].copy_from_slice(coordinates);
        self.plant.data.qvel_mut()[still].fill(0.0);
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
    let missing = || {
        Error::failed(format!(
            "the scenes of Meta-World are not those of version {}: no `{name}`",
            PACKAGE.version
        ))
    };
    plant.model().name_to_id(kind, name).ok_or_else(missing)
}

fn reset_welds(model: &mut MjModel) {
    let welds: Vec<bool> = model
        .eq_type()
        .iter()
        .map(|kind| matches!(kind, MjtEq::mjEQ_WELD))
        .collect();
    // SAFETY: these are a weld's numbers; no size or index is among them.
    #[allow(
        unsafe_code,
        reason = "the library cannot know which numbers are sizes"
    )]
    let all = unsafe { model.eq_data_mut() };
    all.iter_mut()
        .zip(welds)
        .filter(|(_, weld)| *weld)
        .for_each(|(data, _)| data[..WELD.len()].copy_from_slice(&WELD));
}

/// A rotation matrix (row-major) as x, y, z, w, with the sign that
/// `scipy.spatial.transform.Rotation.as_quat` gives it.
fn scalar_last(m: &[f64; 9]) -> [f64; 4] {
    let at = |row: usize, column: usize| m[3 * row + column];
    let trace = at(0, 0) + at(1, 1) + at(2, 2);
    let candidates = [at(0, 0), at(1, 1), at(2, 2), trace];
    // The first of the largest, as numpy's argmax.
    let largest = (1..4).fold(0, |best, i| {
        if candidates[i] > candidates[best] {
            i
        } else {
            best
        }
    });
    let mut q = [0.0; 4];
    if largest == 3 {
        q = [
            at(2, 1) - at(1, 2),
            at(0, 2) - at(2, 0),
            at(1, 0) - at(0, 1),
            1.0 + trace,
        ];
    } else {
        let i = largest;
        let j = (largest + 1) % 3;
        let k = (largest + 2) % 3;
        q[i] = 1.0 - trace + 2.0 * at(i, i);
        q[j] = at(j, i) + at(i, j);
        q[k] = at(k, i) + at(i, k);
        q[3] = at(k, j) - at(j, k);
    }
    let length = q.iter().map(|v| v * v).sum::<f64>().sqrt();
    q.map(|v| v / length)
}
