//! What the page and a worker say to each other.

use crate::choice::Choice;
use protege_core::run::{Phase, Record, Summary};
use protege_core::sim::Drawing;
use serde::{Deserialize, Serialize};

/// From the page to a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Begin a run.
    Race {
        /// The settings.
        choice: Choice,
        /// This lane's pretraining method.
        pretrain: String,
        /// A demonstrations file, instead of the scripted expert.
        demos: Option<Vec<u8>>,
        /// A policy file, instead of pretraining.
        policy: Option<Vec<u8>>,
    },
    /// Say whether such a run could begin, and go on with the one that there is: for files that a
    /// visitor brings.
    Try {
        /// The settings.
        choice: Choice,
        /// The lane's pretraining method.
        pretrain: String,
        /// A demonstrations file.
        demos: Option<Vec<u8>>,
        /// A policy file.
        policy: Option<Vec<u8>>,
    },
    /// Learn from now on, or pause.
    Go(bool),
    /// Do one step of learning and show one decision, then pause.
    Step,
    /// The picture needs more: play one more decision.
    More,
    /// Give me a file.
    Save(File),
    /// Give me the recorded demonstrations, to learn from them.
    Lesson,
    /// The demonstrations of the last lesson are in a file now.
    LessonSaved,
    /// Say how fast you learn.
    Speed,
    /// Let a person steer this task's hand.
    Teach {
        /// The task.
        task: String,
        /// Picks the starts.
        seed: u64,
    },
    /// Move the taught hand.
    Steer(Steering),
    /// Begin the present demonstration anew, from the same start.
    Again,
    /// Show a demonstration that was recorded.
    Replay(usize),
    /// Forget a demonstration.
    Forget(usize),
    /// Add the demonstrations of a file.
    Load(Vec<u8>),
    /// Measure the theory's promises.
    Study {
        /// Most demonstrations.
        demos: usize,
        /// Independent data sets.
        repeats: usize,
        /// The seed.
        seed: u64,
    },
}

/// Where the taught hand should go.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Steering {
    /// Meters, in the world.
    pub target: [f64; 3],
    /// Whether the fingers close.
    pub closed: bool,
    /// Control steps to move for.
    pub steps: usize,
}

/// Files that a worker can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum File {
    /// `demos.safetensors`.
    Demos,
    /// `policy.safetensors`.
    Policy,
}

impl File {
    /// The name under which the command line knows such a file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Demos => "demos.safetensors",
            Self::Policy => "policy.safetensors",
        }
    }
}

/// From a worker to the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// The worker is there.
    Hello,
    /// What the task looks like.
    Scene(Drawing),
    /// A clip of simulation to show.
    Clip(Box<Clip>),
    /// How learning goes.
    LearningProgress(Box<LearningProgress>),
    /// Demonstrations that a person has recorded, and how the present one goes.
    TeachingState(TeachingState),
    /// What was to be tried could begin.
    Fits,
    /// A file that was asked for.
    Saved(File, Vec<u8>),
    /// The recorded demonstrations, to learn from.
    Lesson(Vec<u8>),
    /// The theory's figures so far.
    Studied {
        /// Data sets done, and all of them.
        progress: (usize, usize),
        /// The figures.
        points: Vec<Point>,
    },
    /// Milliseconds of a step of learning, of a network like those of the races.
    Speed(f64),
    /// A request could not be handled; the worker goes on as before.
    Refused(String),
}

/// One figure of the theory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// `bc`, `uniform-noise` or `post-bc`.
    pub method: String,
    /// Demonstrations.
    pub demos: usize,
    /// Share of noise or posterior.
    pub alpha: f64,
    /// Whether alpha is the theorem's.
    pub theorem: bool,
    /// Coverage that is reached with the study's confidence.
    pub coverage: f64,
    /// Mean loss against the demonstrator.
    pub suboptimality: f64,
}

/// A clip of simulation: usually one decision.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Clip {
    /// Seven numbers per body and frame; see [`Drawing::poses`].
    pub poses: Vec<f32>,
    /// Seconds between frames.
    pub interval: f64,
    /// Whether an episode begins.
    pub reset: bool,
    /// Whether the episode ended in success.
    pub success: bool,
    /// Paths of the hand that the policy proposes at the first frame: points x y z.
    pub cloud: Vec<Vec<f32>>,
    /// The path that the demonstrator would take from there.
    pub demonstrator: Vec<f32>,
    /// The path that was chosen.
    pub planned: Vec<f32>,
    /// Where else the hand could go in this decision, and what a learned reward says of it: x y z
    /// and a share from 0 to 1 each.
    pub rewards: Vec<f32>,
    /// Who acts.
    pub actor: Actor,
}

/// Who acts in a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Actor {
    /// The scripted demonstrator.
    #[default]
    Demonstrator,
    /// The policy, as it is being cloned or finetuned.
    Policy,
    /// A person.
    Person,
}

/// How learning goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LearningProgress {
    /// What is being done.
    pub phase: Phase,
    /// How much of the phase is done.
    pub done: u64,
    /// How much there is to do in the phase.
    pub total: u64,
    /// Figures since the last event.
    pub records: Vec<Record>,
    /// Practice episodes so far.
    pub practice: u64,
    /// Share of the latest practice episodes (at most fifty) that succeeded.
    pub practice_success: Option<f64>,
    /// Results so far.
    pub summary: Summary,
    /// Whether all is done.
    pub finished: bool,
    /// Gradient steps per second of learning.
    pub updates_per_s: f64,
    /// Physics steps per second of playing.
    pub physics_steps_per_s: f64,
}

/// Demonstrations that a person has recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TeachingState {
    /// The recorded ones: seconds, each.
    pub recorded: Vec<f64>,
    /// How many of them are in no file.
    pub unsaved: usize,
    /// Where the hand is (m).
    pub hand: [f64; 3],
    /// Seconds of the present demonstration, and the time limit.
    pub seconds: (f64, f64),
    /// What just happened to the present one, if anything.
    pub news: Option<DemoOutcome>,
}

/// What happened to a demonstration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DemoOutcome {
    /// It succeeded, and is kept.
    Kept,
    /// Its time was up; it begins again.
    TimeUp,
}
