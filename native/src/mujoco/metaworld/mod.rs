//! The suite `metaworld`: three tasks of Meta-World 3.1.1 with its own scenes, observations, control, starts, success rules,
//! dense rewards and scripted policies, held to upstream's numbers. Upstream's files are named where a formula comes from.

mod assembly;
mod box_close;
mod pick_place;
mod replay;
mod reward;
mod rules;
mod sawyer;

use super::evidence::Evidence;
use protege_core::env::{Env, Spec, Step, Subject, catalogue, checked_action, episode_over};
use protege_core::rng::Rng;
use protege_core::tasks::ExpertStyle;
use protege_core::{Error, Result, seal};
use rules::{Rules, Seen, Start, Task};
use sawyer::Sawyer;
use serde::{Deserialize, Serialize};

/// The tasks.
const TASKS: [&Task; 3] = [&pick_place::TASK, &box_close::TASK, &assembly::TASK];
/// Length of a frame: what is observed of one moment.
const FRAME: usize = 18;
/// What an observation says of the hand is cut to this box, in metres, after every step (`_HAND_SPACE`).
const HAND_LOW: [f64; 3] = [-0.525, 0.348, -0.0525];
const HAND_HIGH: [f64; 3] = [0.525, 1.025, 0.7];

/// One moment, observed: the hand (3), the gripper's opening, the object's place (3) and quaternion (4), zeros.
type Frame = [f64; FRAME];

/// A task of Meta-World on MuJoCo.
///
/// An observation is a frame (the hand 3, the gripper's opening, the object's place 3 and quaternion 4, zeros: 18 numbers), the
/// frame before, and the goal (3): 39 numbers, lengths in metres. A control step is 12.5 ms.
pub struct MetaWorld {
    /// Whether the first success ends the episode, with a reward of 1 on that step and 0 on every other, as in the suite `lab`.
    /// Otherwise it goes on to the horizon, as upstream, with a reward of -1 on every step that does not succeed and 0 on those
    /// that do.
    pub end_on_success: bool,
    spec: Spec,
    task: &'static Task,
    arm: Sawyer,
    rules: Box<dyn Rules>,
    progress: Progress,
    evidence: Evidence,
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
        let unknown = || Error::input(format!("there is no task `{id}` on MuJoCo; see `protege tasks`"));
        let task = TASKS.into_iter().find(|task| task.id == id).ok_or_else(unknown)?;
        let arm = Sawyer::new(task.scene)?;
        let rules = (task.bind)(&arm)?;
        let progress = Progress {
            steps: 0,
            over: false,
            style: ExpertStyle::default(),
            noise: Rng::new(0, "expert", 0),
            start: Start::new([0.0; 6]),
            now: [0.0; FRAME],
            before: [0.0; FRAME],
            grip: 0.0,
        };
        let evidence = Evidence::default();
        let mut env = Self { end_on_success: true, spec, task, arm, rules, progress, evidence };
        env.reset(0);
        Ok(env)
    }

    /// Starts the episode of a random vector: the object's place (3), the goal's (3), in metres.
    ///
    /// Upstream resets twice. All that is left of the first time when the second begins are the box or the peg, which no joint
    /// moves; so here they are moved first, and the rest is done once. The numbers are the same.
    pub fn start(&mut self, vector: [f64; 6]) {
        let mut start = Start::new(vector);
        self.rules.arrange(&mut self.arm, &start);
        let hand = self.task.hand;
        start.fingers = if self.task.settles_alike { self.arm.bring_hand_again(hand) } else { self.arm.bring_hand(hand) };
        self.rules.put(&mut self.arm, &start);
        let now = self.frame();
        self.progress = Progress { steps: 0, over: false, start, now, before: now, grip: 0.0, ..self.progress.clone() };
    }

    fn frame(&self) -> Frame {
        let (place, rotation) = self.rules.object(&self.arm);
        let mut frame = [0.0; FRAME];
        frame[..4].copy_from_slice(&self.arm.hand());
        frame[4..7].copy_from_slice(&place);
        frame[7..11].copy_from_slice(&rotation);
        frame
    }

    /// What is observed now, in 64 bits.
    pub fn observation(&self) -> Vec<f64> {
        let Progress { now, before, start, .. } = &self.progress;
        [cut(now), cut(before)].as_flattened().iter().chain(&start.goal).copied().collect()
    }

    fn seen(&self) -> Seen {
        let [hx, hy, hz, open, x, y, z, a, b, c, d, ..] = cut(&self.progress.now);
        Seen { hand: [hx, hy, hz], open, object: [x, y, z], rotation: [a, b, c, d], goal: self.progress.start.goal }
    }

    /// Whether the success rule holds now.
    pub fn success(&self) -> bool {
        self.rules.success(&self.arm, &self.progress.start)
    }

    /// Upstream's dense reward (version `v2`) of the last step, in [0, 10]; 10 on success, box-close's times how level the lid is.
    pub fn dense_reward(&self) -> f64 {
        self.rules.dense_reward(&self.arm, &self.progress.start, &self.seen(), f64::from(self.progress.grip))
    }

    /// Plays a checked action and observes.
    fn advance(&mut self, action: &[f32]) -> Result<()> {
        self.evidence.before(&self.arm.plant, action.iter().copied().map(f64::from));
        self.arm.act(action);
        self.progress.steps += 1;
        self.progress.grip = action[3];
        self.progress.before = self.progress.now;
        self.progress.now = self.frame();
        if self.arm.plant.is_finite() && self.progress.now.iter().all(|v| v.is_finite()) {
            return Ok(());
        }
        Err(self.evidence.broken(&self.arm.plant, &self.spec.id, self.progress.steps))
    }
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
        self.evidence = Evidence::of(seed);
        self.progress.noise = Rng::new(seed, "expert", 0);
        self.start(self.task.draw(&mut Rng::new(seed, "start", 0)));
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
        Ok(Step { obs: narrow(&self.observation()), reward, success, terminated, truncated, steps: 1 })
    }

    fn set_style(&mut self, style: ExpertStyle) -> Result<()> {
        self.progress.style = style.checked()?;
        Ok(())
    }

    /// Upstream's scripted policy, clipped. Of the style it has the noise only.
    fn expert(&mut self) -> Option<Vec<f32>> {
        let mut action = narrow(&self.rules.expert(&self.seen()));
        let Progress { style, noise, .. } = &mut self.progress;
        action.iter_mut().for_each(|a| *a = a.clamp(-1.0, 1.0));
        if style.noise > 0.0 {
            action.iter_mut().for_each(|a| *a = (*a + (style.noise * noise.normal()) as f32).clamp(-1.0, 1.0));
        }
        Some(action)
    }

    fn save(&self) -> Vec<u8> {
        let saved = Saved { progress: self.progress.clone(), plant: self.arm.plant.save() };
        let body = postcard::to_allocvec(&saved).expect("plain data can be serialised into memory");
        seal::seal(&seal::digest(self.spec.id.as_bytes()), &body)
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let id = &self.spec.id;
        let body = seal::open(&seal::digest(id.as_bytes()), state, id)?;
        let saved: Saved = postcard::from_bytes(body).map_err(|_| seal::damaged(id))?;
        self.arm.plant.restore(&saved.plant)?;
        self.progress = saved.progress;
        self.evidence = Evidence::default();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub use tests::broken;
