//! The suites of this program.

use super::suite::NativeSuite;
use super::{adroit, lab, metaworld, robosuite};
use protege_core::env::{Catalog, Probes, Suite};
use protege_core::{Error, Result};

/// Every suite, in the order in which tasks are listed: the one place that knows them all.
pub const ALL: [&dyn NativeSuite; 5] = [
    &lab::Lab,
    &metaworld::MetaWorld,
    &adroit::Adroit,
    &robosuite::Robosuite,
    &Probes,
];

/// The suites of this program, for core.
pub const CATALOG: Catalog = Catalog {
    suites: &as_suites(ALL),
    elsewhere: "",
};

const fn as_suites<const N: usize>(
    suites: [&'static dyn NativeSuite; N],
) -> [&'static dyn Suite; N] {
    let mut as_suites: [&'static dyn Suite; N] = [&Probes; N];
    let mut at = 0;
    while at < N {
        as_suites[at] = suites[at];
        at += 1;
    }
    as_suites
}

/// The suite of the task `id`.
///
/// # Errors
/// When there is no such task; the message suggests the nearest name.
pub fn of(id: &str) -> Result<&'static dyn NativeSuite> {
    let name = CATALOG.suite(id)?.name();
    let found = ALL.into_iter().find(|suite| suite.name() == name);
    found.ok_or_else(|| Error::failed(format!("{id} is of no suite of this program")))
}
