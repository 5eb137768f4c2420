//! The tool kit of reinforcement learning: what two finetuning methods or more are made of. Nothing
//! here knows a method.

mod critic_ensemble;
mod critics;
mod online_loop;
mod running_episodes;
mod squashed_gaussian;
mod temperature;

pub use critic_ensemble::{CriticConfig, CriticKind, StateAction, TdBatch};
pub(crate) use critics::{Critics, Penalty, draw_subset};
pub(crate) use online_loop::{OnlineLoop, RECORD_EVERY, Schedule, recording_due};
pub(crate) use running_episodes::RunningEpisodes;
pub(crate) use squashed_gaussian::SquashedGaussian;
pub(crate) use temperature::Temperature;
