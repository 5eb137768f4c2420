//! The suite `metaworld`: the tasks of Meta-World 3.1.1 with its own scenes, observations, control,
//! starts, success rules, dense rewards and scripted policies, held to upstream's numbers.
//! Upstream's files are named where a formula comes from.

mod caging;
mod replay;
mod reward;
mod sawyer;
mod task;
mod tasks;

use super::nan_state::NanState;
use protege_core::env::{Env, Spec, Step, Subject, catalogue, checked_action, episode_over};
use protege_core::rng::Rng;
use protege_core::tasks::ExpertStyle;
use protege_core::{Error, Result, seal};
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
pub struct MetaWorld {
    /// Whether the first success ends the episode, with a reward of 1 on that step and 0 on every
    /// other, as in the suite `lab`. Otherwise it goes on to the horizon, as upstream, with a
    /// reward of -1 on every step that does not succeed and 0 on those that do.
    pub end_on_success: bool,
    spec: Spec,
    task: &'static Task,
    arm: Sawyer,
    progress: Progress,
    nan_state: NanState,
}

/// What the environment itself remembers.
#[derive(Clone, Serialize, Deserialize)]
struct Progress {
    /// Control steps since the start.
    steps: usize,
    over: bool,
    style: ExpertStyle,
    /// The demonstrator's hand trembles from this stream.
    noise: Rng,
    start: Start,
    now: Frame,
    before: Frame,
    /// The fourth number of the last action.
    grip: f32,
}

/// The parts of a saved environment.
#[derive(Serialize, Deserialize)]
struct Saved {
    progress: Progress,
    plant: Vec<u8>,
}

impl MetaWorld {
    /// The task `id`, started from seed 0. The first success ends an episode.
    ///
    /// # Errors
    /// When there is no such task, or its scenes are missing or not the pinned ones.
    pub fn new(id: &str) -> Result<Self> {
        let spec = catalogue::entry(id)?.spec;
        let task = by_id(id)?;
        let arm = Sawyer::new(task)?;
        let progress = Progress {
            steps: 0,
            over: false,
            style: ExpertStyle::default(),
            noise: Rng::new(0, "expert", 0),
            start: Start::default(),
            now: [0.0; FRAME],
            before: [0.0; FRAME],
            grip: 0.0,
        };
        let nan_state = NanState::default();
        let mut env = Self {
            end_on_success: true,
            spec,
            task,
            arm,
            progress,
            nan_state,
        };
        env.reset(0);
        Ok(env)
    }

    /// Starts the episode of a random vector: the object's place (3), in most tasks followed by the
    /// goal's (3), in meters.
    ///
    /// Upstream resets twice. All that is left of the first time when the second begins is what no
    /// joint moves, such as a box or a peg; so here that is moved first, and the rest is done once.
    /// The numbers are the same.
    pub fn start(&mut self, vector: &[f64]) {
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
        self.progress = Progress {
            steps: 0,
            over: false,
            start,
            now,
            before: now,
            grip: 0.0,
            ..self.progress.clone()
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
        let Progress {
            now, before, start, ..
        } = &self.progress;
        [cut(now), cut(before)]
            .as_flattened()
            .iter()
            .chain(&start.goal)
            .copied()
            .collect()
    }

    fn seen(&self) -> Seen {
        let [hx, hy, hz, open, x, y, z, a, b, c, d, ox, oy, oz, ..] = cut(&self.progress.now);
        let goal = self.progress.start.goal;
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
    fn judge<T>(&self, rule: fn(&Now) -> T) -> T {
        let Progress { start, grip, .. } = &self.progress;
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
        self.judge(self.task.success)
    }

    /// Upstream's dense reward (version `v2`) of the last step, in [0, 10].
    pub fn dense_reward(&self) -> f64 {
        self.judge(self.task.reward)
    }

    /// Plays a checked action and observes.
    fn advance(&mut self, action: &[f32]) -> Result<()> {
        self.nan_state
            .before(&self.arm.plant, action.iter().copied().map(f64::from));
        self.arm.act(action);
        self.progress.steps += 1;
        self.progress.grip = action[3];
        self.progress.before = self.progress.now;
        self.progress.now = self.frame();
        if self.progress.steps == 1 {
            self.progress.start.first = self.seen().object;
        }
        if self.arm.plant.is_finite() && self.progress.now.iter().all(|v| v.is_finite()) {
            return Ok(());
        }
        Err(self
            .nan_state
            .broken(&self.arm.plant, &self.spec.id, self.progress.steps))
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

/// Where in Meta-World's package a task's scene is.
///
/// # Errors
/// When there is no such task.
pub fn scene(id: &str) -> Result<String> {
    Ok(format!("{}/{}", sawyer::SCENES, by_id(id)?.scene))
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

impl Env for MetaWorld {
    fn subject(&self) -> Option<Subject<'_>> {
        Some(Subject::Numbers(self.arm.plant.numbers()))
    }

    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64) -> Vec<f32> {
        self.nan_state = NanState::of(seed);
        self.progress.noise = Rng::new(seed, "expert", 0);
        self.start(&self.task.draw(&mut Rng::new(seed, "start", 0)));
        narrow(&self.observation())
    }

    fn step(&mut self, action: &[f32]) -> Result<Step> {
        let action = checked_action(&self.spec, action)?;
        if self.progress.over {
            return Err(episode_over(&self.spec.id));
        }
        self.advance(&action)?;
        let success = self.success();
        let terminated = success && self.end_on_success;
        let truncated = !terminated && self.progress.steps >= self.spec.horizon;
        self.progress.over = terminated || truncated;
        let reward = f32::from(success) - if self.end_on_success { 0.0 } else { 1.0 };
        Ok(Step {
            obs: narrow(&self.observation()),
            reward,
            success,
            success_at_end: success,
            terminated,
            truncated,
            steps: 1,
        })
    }

    fn set_style(&mut self, style: ExpertStyle) -> Result<()> {
        self.progress.style = style.checked()?;
        Ok(())
    }

    fn play_on(&mut self) {
        self.end_on_success = false;
    }

    /// Upstream's scripted policy, clipped. Of the style it has the noise only.
    fn expert(&mut self) -> Option<Vec<f32>> {
        let mut action = narrow(&(self.task.expert)(&self.seen()));
        let Progress { style, noise, .. } = &mut self.progress;
        action.iter_mut().for_each(|a| *a = a.clamp(-1.0, 1.0));
        if style.noise > 0.0 {
            action
                .iter_mut()
                .for_each(|a| *a = (*a + (style.noise * noise.normal()) as f32).clamp(-1.0, 1.0));
        }
        Some(action)
    }

    fn save(&self) -> Vec<u8> {
        let saved = Saved {
            progress: self.progress.clone(),
            plant: self.arm.plant.save(),
        };
        let body = postcard::to_allocvec(&saved).expect("plain data can be serialised into memory");
        seal::seal(&seal::digest(self.spec.id.as_bytes()), &body)
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let id = &self.spec.id;
        let body = seal::open(&seal::digest(id.as_bytes()), state, id)?;
        let saved: Saved = postcard::from_bytes(body).map_err(|_| seal::damaged(id))?;
        self.arm.plant.restore(&saved.plant)?;
        self.progress = saved.progress;
        self.nan_state = NanState::default();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub use tests::broken;
