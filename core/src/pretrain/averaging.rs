//! A moving average of a network's weights, which is then the result of training.

use crate::nn::params;
use burn::module::Module;

/// When and how fast the average follows the weights; counted in gradient steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Averaging {
    /// What is left of the average when it takes the weights in; 0: there is none.
    pub(crate) decay: f64,
    /// It takes the weights in after every so many steps.
    pub(crate) every: usize,
    /// Before this many steps it copies them instead.
    pub(crate) start: usize,
}

impl Averaging {
    /// The average after gradient step `step`, the first of which is 1; none before the first one
    /// after which it takes weights in.
    pub(crate) fn after<M: Module>(&self, step: usize, average: Option<M>, net: &M) -> Option<M> {
        if self.decay == 0.0 || !step.is_multiple_of(self.every) {
            return average;
        }
        // As DPPO's `step_ema`: a copy until `start`, so that the initial weights are forgotten.
        Some(match average {
            Some(average) if step >= self.start => params::polyak(average, net, 1.0 - self.decay),
            _ => net.valid(),
        })
    }

    /// Whether there is an average after gradient step `step`.
    pub(crate) fn has_begun(&self, step: usize) -> bool {
        self.decay > 0.0 && step >= self.every
    }
}
