//! What a run needs of the program that drives it.

use crate::env::catalogue::CORE;
use crate::env::{self, Catalog, Maker};
use crate::policy::{Connect, served};

/// What a program can do for a run that core alone cannot.
#[derive(Clone, Copy)]
pub struct Services {
    /// The program's suites, in which tasks are looked up.
    pub catalog: Catalog,
    /// Makes the environments: core's own, or those of a program that has more engines.
    pub make: Maker,
    /// Reaches served policies.
    pub connect: Connect,
}

impl Default for Services {
    fn default() -> Self {
        Self {
            catalog: CORE,
            make: env::make_on,
            connect: served::unreachable,
        }
    }
}
