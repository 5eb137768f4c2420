//! Sweeps: many runs that differ in settings and seeds, on one machine or on a cluster.
//!
//! A sweep is a folder. [`plan`] writes it once, from a file; whoever works on it takes [`cell`]s
//! by [leases](crate::files::lease), so that any number of processes on any number of machines can
//! share the work, be killed, and come back. A cell is an ordinary run of one seed, in a folder of
//! its own; nothing else is kept of it, so that what a sweep knows is what its runs know.

pub mod cell;
pub mod cells;
pub mod estimate;
pub mod gather;
pub mod plan;
mod share;
mod spec;
pub mod status;
pub mod submit;
pub mod work;
