//! A task of robosuite on MuJoCo.

use super::arm::{ACTION, Controls, Panda};
use super::experts::{Expert, Moment};
use super::observe::ROBOT;
use super::osc::JOINTS;
use super::scene::{self, Detail};
use super::settings::ControllerSettings;
use super::starts::{UNPLACED, put_fixture};
use super::tasks::{Task, by_id};
use super::transforms::Pose;
use crate::mujoco::Plant;
use crate::mujoco::nan_state::NanState;
use mujoco_rs::mujoco_c::{_mjtObjBase as Kind, mjtDisableBit};
use protege_core::env::{Spec, StepOutcome, Subject, World};
use protege_core::rng::Rng;
use protege_core::tasks::ExpertStyle;
use protege_core::{Error, Result, checksummed};
use serde::{Deserialize, Serialize};

/// Standard deviation of the joints' places at a start, rad (`initialization_noise`).
const NOISE: f64 = 0.02;

/// A task of robosuite, without an end: upstream plays to the horizon.
pub struct ArmWorld {
    spec: Spec,
    settings: ControllerSettings,
    panda: Panda,
    task: Box<dyn Task>,
    expert: Expert,
    plant: Plant,
    state: State,
    nan_state: NanState,
}

/// Where a recorded episode begins.
#[derive(Debug, Clone, Copy, Default)]
pub struct Start<'a> {
    /// Places of all joints.
    pub qpos: &'a [f64],
    /// Their velocities.
    pub qvel: &'a [f64],
    /// The half edges of the task's boxes that differ from episode to episode, m: three numbers in
    /// `lift`, none elsewhere.
    pub sizes: &'a [f64],
    /// Where the body is that no joint moves and each start puts in another place: x, y, z, and w,
    /// x, y, z. In `door`, nowhere else.
    pub fixture: Option<[f64; 7]>,
}

/// What a task remembers beside the physics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct State {
    controls: Controls,
    /// Where the objects were at the last observation, for what is observed one step late.
    before: Vec<Pose>,
    /// Where the hand was then, and the task's things. The physics is a step of 2 ms ahead of what
    /// is observed, so they cannot be computed from a restored one.
    seen: Vec<Pose>,
    /// Upstream's sparse reward of the last step.
    reward: f64,
}

/// The parts of a saved world.
#[derive(Serialize, Deserialize)]
struct Saved {
    state: State,
    plant: Vec<u8>,
}

impl ArmWorld {
    /// The task `id`, not yet started, as robosuite 1.5.2 controls it.
    ///
    /// # Errors
    /// When there is no such task, or its scene cannot be had.
    pub fn new(id: &str) -> Result<Self> {
        Self::with_settings(id, ControllerSettings::default())
    }

    /// The same, controlled otherwise.
    ///
    /// # Errors
    /// Those of [`ArmWorld::new`].
    pub fn with_settings(id: &str, settings: ControllerSettings) -> Result<Self> {
        let info = by_id(id)?;
        let model = scene::model(id, Detail::Physics)?;
        let mut plant = Plant::from_model(&model, id, scene::variable_geoms(id))?;
        // Nothing here reads the wrist's force and torque, which MuJoCo would compute every step.
        plant.data.model_opt_mut().disableflags |= mjtDisableBit::mjDSBL_SENSOR as i32;
        let panda = Panda::find(&plant)?;
        let task = info.task(&plant)?;
        task.arrange(&mut plant);
        let controls = panda.begin(&mut plant, &settings, &super::arm::REST);
        Ok(Self {
            task,
            expert: info.expert,
            spec: info.spec(),
            settings,
            panda,
            plant,
            state: State {
                controls,
                before: Vec::new(),
                seen: Vec::new(),
                reward: 0.0,
            },
            nan_state: NanState::default(),
        })
    }

    /// Begins an episode: the simulation is made with boxes of these half edges, and the arm is put
    /// in its place. Objects are to be placed next.
    fn begin(&mut self, sizes: &[f64], joints: &[f64; JOINTS]) {
        self.plant.resize(sizes);
        if let Some(body) = self.task.fixture() {
            put_fixture(&mut self.plant, body, UNPLACED);
        }
        let Self {
            panda,
            plant,
            settings,
            ..
        } = self;
        self.state = State {
            controls: panda.begin(plant, settings, joints),
            before: Vec::new(),
            seen: Vec::new(),
            reward: 0.0,
        };
    }

    /// Begins an episode with everything where `start` says, as upstream has it right after a
    /// reset, and observes it.
    ///
    /// # Errors
    /// When there are more or fewer numbers than the scene has.
    pub fn start_at(&mut self, start: &Start<'_>) -> Result<Vec<f64>> {
        self.check_state(start.qpos, start.qvel)?;
        self.check("half edges", start.sizes, self.plant.sizes())?;
        let fixture = start.fixture.as_ref().map_or(&[][..], |place| place);
        let needed = self.task.fixture().map_or(0, |_| UNPLACED.len());
        self.check("the place of what no joint moves", fixture, needed)?;
        self.nan_state = NanState::default();
        let joints = self.panda.joints(start.qpos);
        self.begin(start.sizes, &joints);
        if let (Some(body), Some(place)) = (self.task.fixture(), start.fixture) {
            put_fixture(&mut self.plant, body, place);
        }
        self.put(start.qpos, start.qvel)?;
        self.plant.data.forward();
        Ok(self.observe())
    }

    /// Puts joints somewhere in mid-episode, with these velocities; what the controllers remember
    /// stays, and so does the solver's starting point.
    ///
    /// # Errors
    /// When there are more or fewer numbers than the scene has.
    pub fn put(&mut self, qpos: &[f64], qvel: &[f64]) -> Result<()> {
        self.check_state(qpos, qvel)?;
        self.plant.data.qpos_mut().copy_from_slice(qpos);
        self.plant.data.qvel_mut().copy_from_slice(qvel);
        Ok(())
    }

    /// Puts joints somewhere in mid-episode, at rest, and observes that.
    ///
    /// # Errors
    /// When there are more or fewer numbers than the scene has.
    pub fn look_at(&mut self, qpos: &[f64]) -> Result<Vec<f64>> {
        self.put(qpos, &vec![0.0; self.plant.data.qvel().len()])?;
        self.plant.data.forward();
        let obs = self.observe();
        self.judge();
        Ok(obs)
    }

    fn check_state(&self, qpos: &[f64], qvel: &[f64]) -> Result<()> {
        self.check("qpos", qpos, self.plant.data.qpos().len())?;
        self.check("qvel", qvel, self.plant.data.qvel().len())
    }

    fn check(&self, name: &str, numbers: &[f64], count: usize) -> Result<()> {
        if numbers.len() == count {
            return Ok(());
        }
        let found = numbers.len();
        Err(Error::input(format!(
            "a start of {} has {found} numbers of {name}, but its scene has {count}",
            self.spec.id
        )))
    }

    /// Observes this moment in 64 bits.
    fn observe(&mut self) -> Vec<f64> {
        let hand = self.panda.hand(&self.plant);
        let mut obs = Vec::with_capacity(self.spec.obs.numbers());
        super::observe::put(&hand, &mut obs);
        obs.extend(self.panda.fingers(&self.plant));
        debug_assert_eq!(obs.len(), ROBOT);
        let before = &mut self.state.before;
        self.task.observe(&self.plant, &hand, before, &mut obs);
        let things = self.task.things(&self.plant).into_iter();
        self.state.seen = vec![hand];
        self.state.seen.extend(things.map(|(_, pose)| pose));
        obs
    }

    fn judge(&mut self) {
        let hand = self.panda.hand(&self.plant);
        self.state.reward = self.task.reward(&self.plant, &hand);
    }

    /// Plays the `number`-th action for one control step: the observation, in 64 bits. `sent` is
    /// shown what is sent to the actuators in each physics step.
    ///
    /// # Errors
    /// When the action has the wrong length, or the simulator's state stops being finite.
    pub fn advance(
        &mut self,
        action: &[f64],
        number: usize,
        sent: impl FnMut(&[f64]),
    ) -> Result<Vec<f64>> {
        let action: &[f64; ACTION] = action.try_into().map_err(|_| {
            let found = action.len();
            Error::input(format!(
                "{} takes actions of {ACTION} numbers, not {found}",
                self.spec.id
            ))
        })?;
        self.nan_state.before(&self.plant, action.iter().copied());
        let controls = &mut self.state.controls;
        self.panda
            .play(&mut self.plant, &self.settings, controls, action, sent);
        let obs = self.observe();
        if !self.plant.is_finite() || !obs.iter().all(|v| v.is_finite()) {
            return Err(self.nan_state.broken(&self.plant, &self.spec.id, number));
        }
        self.judge();
        Ok(obs)
    }

    /// Index and name of the body that no joint moves and each start puts in another place, where
    /// the task has one.
    pub(super) fn fixture(&self) -> Option<(usize, &str)> {
        let body = self.task.fixture()?;
        let name = self.plant.model().id_to_name(Kind::mjOBJ_BODY, body)?;
        Some((body, name))
    }

    /// Whether the success rule holds since the last step.
    pub fn success(&self) -> bool {
        self.state.reward > 0.0
    }

    /// Upstream's sparse reward of the last step.
    pub fn reward(&self) -> f64 {
        self.state.reward
    }

    /// The simulation.
    pub fn plant(&self) -> &Plant {
        &self.plant
    }

    /// The simulation, for changes of which the world knows nothing.
    pub fn plant_mut(&mut self) -> &mut Plant {
        &mut self.plant
    }

    /// Where everything was at the last observation, for an expert; none before the first.
    fn moment(&self) -> Option<Moment> {
        let (&hand, things) = self.state.seen.split_first()?;
        let names = self.task.things(&self.plant).into_iter();
        let things = names.zip(things).map(|((name, _), &pose)| (name, pose));
        Some(Moment {
            hand,
            fingers: self.panda.fingers(&self.plant),
            things: things.collect(),
        })
    }

    /// Name and sizes.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }
}

/// As learners take it.
pub(super) fn to_f32(numbers: &[f64]) -> Vec<f32> {
    numbers.iter().map(|&v| v as f32).collect()
}

impl World for ArmWorld {
    fn start(&mut self, seed: u64) -> Vec<f32> {
        self.nan_state = NanState::of(seed);
        let sizes = self.task.sizes(&mut Rng::new(seed, "size", 0));
        let mut noise = Rng::new(seed, "joints", 0);
        let joints = super::arm::REST.map(|rest| rest + NOISE * noise.normal());
        self.begin(&sizes, &joints);
        self.task
            .place(&mut self.plant, &mut Rng::new(seed, "start", 0));
        self.plant.data.forward();
        to_f32(&self.observe())
    }

    fn play(&mut self, action: &[f32], number: usize) -> Result<StepOutcome> {
        let action: Vec<f64> = action.iter().copied().map(f64::from).collect();
        let obs = self.advance(&action, number, |_| ())?;
        Ok(StepOutcome {
            obs: to_f32(&obs),
            success: self.success(),
        })
    }

    fn set_controller(&mut self, _id: &str, controller: &str) -> Result<()> {
        self.settings = ControllerSettings::from_words(controller)?;
        Ok(())
    }

    fn expert(&self, style: &ExpertStyle) -> Option<Vec<f32>> {
        let action = (self.expert)(&self.moment()?, style)?;
        Some(to_f32(&action))
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Numbers(self.plant.numbers())
    }

    fn save(&self) -> Vec<u8> {
        let saved = Saved {
            state: self.state.clone(),
            plant: self.plant.save(),
        };
        postcard::to_allocvec(&saved).expect("plain data can be serialised into memory")
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let damaged = |_| checksummed::damaged(&self.spec.id);
        let saved: Saved = postcard::from_bytes(state).map_err(damaged)?;
        self.plant.restore(&saved.plant)?;
        self.state = saved.state;
        self.nan_state = NanState::default();
        Ok(())
    }
}
