//! A run: its configuration, its steps, its measurements.

pub mod stats;
