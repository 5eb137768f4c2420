//! The suite `robosuite`: tasks of robosuite 1.5.2 with a Panda arm, whose hand is led by
//! operational space control; its scenes, observations, control, starts and success rules, held to
//! upstream's numbers. Upstream's files are named where a formula comes from. `docs/robosuite.md`
//! says what is equal and what is not.

mod arm;
mod experts;
mod gripper;
mod lapack;
mod observe;
mod osc;
mod package;
mod replay;
pub mod scene;
pub mod settings;
mod starts;
mod states;
mod suite;
mod tasks;
mod transforms;
pub mod world;

pub use suite::Robosuite;

#[cfg(test)]
mod tests;
