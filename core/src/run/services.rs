//! What a run needs of the program that drives it.

use super::Config;
use crate::Result;
use crate::env::catalogue::CORE;
use crate::env::{self, Catalog, Maker};
use crate::play::Elsewhere;
use crate::policy::{Connect, served};
use std::sync::Arc;

/// What a program can do for a run that core alone cannot.
#[derive(Clone)]
pub struct Services {
    /// The program's suites, in which tasks are looked up.
    pub catalog: Catalog,
    /// Makes the environments: core's own, or those of a program that has more engines.
    pub make: Maker,
    /// Reaches served policies.
    pub connect: Connect,
    /// Refuses what is larger than the machine; see [`memory::check`](super::memory::check), which
    /// core's own, who knows no machine, does not ask.
    pub fits: Fits,
    /// Others who play episodes in which nothing is learned; core knows none.
    pub elsewhere: Option<Arc<dyn Elsewhere>>,
}

/// Says in one sentence why a run does not fit the machine, if it does not: its configuration, and
/// whether it begins with a policy that it was given.
pub type Fits = fn(&Config, bool) -> Result<()>;

impl Default for Services {
    fn default() -> Self {
        Self {
            catalog: CORE,
            make: env::make_on,
            connect: served::unreachable,
            fits: |_, _| Ok(()),
            elsewhere: None,
        }
    }
}
