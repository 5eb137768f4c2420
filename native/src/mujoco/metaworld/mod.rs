//! The suite `metaworld`: the tasks of Meta-World 3.1.1 with its own scenes, observations, control,
//! starts, success rules, dense rewards and scripted policies, held to upstream's numbers.
//! Upstream's files are named where a formula comes from.

mod caging;
mod package;
mod replay;
mod reward;
mod sawyer;
mod suite;
mod task;
mod tasks;

pub use suite::MetaWorld;

use super::nan_state::NanState;
use protege_core::env::{Spec, StepOutcome, Subject, World};
use protege_core::rng::Rng;
use protege_core::tasks::ExpertStyle;
use protege_core::{Error, Result, checksummed};
use sawyer::Sawyer;
use serde::{Deserialize, Serialize};
use task::{Now, Seen, Start, Task};

/// Length of a frame: what is observed of one moment.
const FRAME: usize = 18;
/// What an observation says of the hand is cut to this box, in meters, after every step
/// (`_HAND_SPACE`).
const HAND_LOW: [f64; 3] = [-0.525, 0.348, -0.0525];
const HAND_HIGH: [f64; 3] = [0.525, 1.025, 0.7];

/// One moment, observed: the hand (3), the gripper's opening, the object's place (3) and quaternion
/// (4), the same of a second object or zeros (7).
type Frame = [f64; FRAME];

/// A task of Meta-World on MuJoCo.
///
/// An observation is a frame (the hand 3, the gripper's opening, the object's place 3 and
/// quaternion 4, the same of a second object or zeros: 18 numbers), the frame before, and the goal
/// (3): 39 numbers, lengths in meters. A control step is 12.5 ms.
pub struct SawyerWorld {
    spec: Spec,
    task: &'static Task,
    arm: Sawyer,
    state: State,
    nan_state: NanState,
}

/// What a task remembers beside the physics.
#[derive(Clone, Serialize, Deserialize)]
struct State {
    start: Start,
    now: Frame,
    before: Frame,
    /// The fourth number of the last action.
    grip: f32,
}

/// The parts of a saved world.
#[derive(Serialize, Deserialize)]
struct Saved {
    state: State,
    plant: Vec<u8>,
}

impl SawyerWorld {
    /// The task `id`, not yet started.
    ///
    /// # Errors
    /// When there is no such task, or its scenes are missing or not the pinned ones.
    pub fn new(id: &str) -> Result<Self> {
        let task = by_id(id)?;
        Ok(Self {
            spec: task.spec(),
            task,
            arm: Sawyer::new(task.scene, task.parts, task.lead_low)?,
            state: State {
                start: Start::default(),
                now: [0.0; FRAME],
                before: [0.0; FRAME],
                grip: 0.0,
            },
            nan_state: NanState::default(),
        })
    }

    /// Starts the episode of a random vector: the object's place (3), in most tasks followed by the
    /// goal's (3), in meters.
    ///
    /// Upstream resets twice. All that is left of the first time when the second begins is what no
    /// joint moves, such as a box or a peg; so here that is moved first, and the rest is done once.
    /// The numbers are the same.
    fn start_from(&mut self, vector: &[f64]) {
        let mut start = Start::new(vector);
        (self.task.arrange)(&mut self.arm, &mut start);
        let hand = self.task.hand;
        start.fingers = if self.task.settles_alike {
            self.arm.bring_hand_again(hand)
        } else {
            self.arm.bring_hand(hand)
        };
        (self.task.put)(&mut self.arm, &mut start);
        let now = self.frame();
        self.state = State {
            start,
            now,
            before: now,
            grip: 0.0,
        };
    }

    fn frame(&self) -> Frame {
        let mut frame = [0.0; FRAME];
        frame[..4].copy_from_slice(&self.arm.hand());
        let objects = [(self.task.object)(&self.arm), (self.task.other)(&self.arm)];
        for ((place, rotation), to) in objects.iter().zip(frame[4..].chunks_exact_mut(7)) {
            to[..3].copy_from_slice(place);
            to[3..].copy_from_slice(rotation);
        }
        frame
    }

    /// What is observed now, in 64 bits.
    pub fn observation(&self) -> Vec<f64> {
        let State {
            now, before, start, ..
        } = &self.state;
        [cut(now), cut(before)]
            .as_flattened()
            .iter()
            .chain(&start.goal)
            .copied()
            .collect()
    }

    fn seen(&self) -> Seen {
        let [hx, hy, hz, open, x, y, z, a, b, c, d, ox, oy, oz, ..] = cut(&self.state.now);
        let goal = self.state.start.goal;
        Seen {
            hand: [hx, hy, hz],
            open,
            object: [x, y, z],
            rotation: [a, b, c, d],
            other: [ox, oy, oz],
            goal,
        }
    }

    /// Judges this moment.
    fn apply_rule<T>(&self, rule: fn(&Now) -> T) -> T {
        let State { start, grip, .. } = &self.state;
        rule(&Now {
            task: self.task,
            arm: &self.arm,
            start,
            seen: &self.seen(),
            grip: f64::from(*grip),
        })
    }

    /// Whether the success rule holds now.
    pub fn success(&self) -> bool {
        self.apply_rule(self.task.success)
    }

    /// Upstream's dense reward (version `v2`) of the last step, in [0, 10].
    pub fn dense_reward(&self) -> f64 {
        self.apply_rule(self.task.reward)
    }

    /// Plays a checked action, the episode's `number`-th, and observes.
    fn advance(&mut self, action: &[f32], number: usize) -> Result<()> {
        self.nan_state
            .before(&self.arm.plant, action.iter().copied().map(f64::from));
        self.arm.act(action);
        self.state.grip = action[3];
        self.state.before = self.state.now;
        self.state.now = self.frame();
        if number == 1 {
            self.state.start.first = self.seen().object;
        }
        if self.arm.plant.is_finite() && self.state.now.iter().all(|v| v.is_finite()) {
            return Ok(());
        }
        Err(self
            .nan_state
            .broken(&self.arm.plant, &self.spec.id, number))
    }
}

fn by_id(id: &str) -> Result<&'static Task> {
    let unknown = || {
        Error::input(format!(
            "there is no task `{id}` on MuJoCo; see `protege tasks`"
        ))
    };
    tasks::ALL
        .into_iter()
        .find(|task| task.id == id)
        .ok_or_else(unknown)
}

/// A frame whose hand lies within upstream's space of observations.
fn cut(frame: &Frame) -> Frame {
    let mut cut = *frame;
    (0..3).for_each(|i| cut[i] = frame[i].clamp(HAND_LOW[i], HAND_HIGH[i]));
    cut
}

fn narrow(numbers: &[f64]) -> Vec<f32> {
    numbers.iter().map(|&v| v as f32).collect()
}

impl World for SawyerWorld {
    fn start(&mut self, seed: u64) -> Vec<f32> {
        self.nan_state = NanState::of(seed);
        self.start_from(&self.task.draw(&mut Rng::new(seed, "start", 0)));
        narrow(&self.observation())
    }

    fn play(&mut self, action: &[f32], number: usize) -> Result<StepOutcome> {
        self.advance(action, number)?;
        Ok(StepOutcome {
            obs: narrow(&self.observation()),
            success: self.success(),
        })
    }

    /// Upstream's scripted policy, clipped. It has no styles.
    fn expert(&self, _style: &ExpertStyle) -> Option<Vec<f32>> {
        let action = narrow(&(self.task.expert)(&self.seen()));
        Some(action.iter().map(|a| a.clamp(-1.0, 1.0)).collect())
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Numbers(self.arm.plant.numbers())
    }

    fn save(&self) -> Vec<u8> {
        let saved = Saved {
            state: self.state.clone(),
            plant: self.arm.plant.save(),
        };
        postcard::to_allocvec(&saved).expect("plain data can be serialised into memory")
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let damaged = |_| checksummed::damaged(&self.spec.id);
        let saved: Saved = postcard::from_bytes(state).map_err(damaged)?;
        self.arm.plant.restore(&saved.plant)?;
        self.state = saved.state;
        self.nan_state = NanState::default();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub use tests::broken;
