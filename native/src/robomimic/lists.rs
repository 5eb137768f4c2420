//! Which demonstrations of a file are meant: all, or those of one of its lists (`mask/NAME`).

use super::hdf5::{Hdf5, Node};
use protege_core::Result;
use protege_core::error::excerpt;

/// How names of demonstrations begin; the number after it orders them.
const DEMO: &str = "demo_";

/// The names of the demonstrations, those of a list where one is wanted, by their numbers.
///
/// # Errors
/// When there are none, one is no demonstration, or there is no such list.
pub fn chosen(file: &Hdf5, data: &Node, filter: Option<&str>) -> Result<Vec<String>> {
    let mut names = data.groups()?;
    if let Some(odd) = names.iter().find(|name| parse(name).is_none()) {
        let fault = "is no demonstration: those are called demo_0, demo_1 and so on";
        return Err(data.fault(odd, fault));
    }
    let arrays = data.arrays()?;
    if let Some(array) = arrays.iter().find(|name| parse(name).is_some()) {
        let fault = "is an array, where a demonstration is a group with `actions` and `obs`";
        return Err(data.fault(array, fault));
    }
    if names.is_empty() {
        return Err(file.fault("holds no demonstrations: `data` has no groups"));
    }
    if let Some(filter) = filter {
        names = listed(file, filter, &names)?;
    }
    names.sort_by_key(|name| number(name));
    Ok(names)
}

/// The names that a list of the file has.
fn listed(file: &Hdf5, filter: &str, names: &[String]) -> Result<Vec<String>> {
    let masks = file.root().group("mask")?;
    let known = match &masks {
        Some(masks) => masks.arrays()?,
        None => Vec::new(),
    };
    let list = match &masks {
        Some(masks) if known.iter().any(|name| name == filter) => masks.array(filter)?,
        _ => None,
    };
    let Some(list) = list else {
        let known = match known.len() {
            0 => "it has none".to_owned(),
            _ => format!("it has {}", excerpt(&known.join(", "))),
        };
        return Err(file.fault(format!("has no filter {}: {known}", excerpt(filter))));
    };
    let mut listed = list.texts()?;
    listed.sort_unstable();
    listed.dedup();
    if let Some(stray) = listed
        .iter()
        .find(|name| names.binary_search(name).is_err())
    {
        return Err(list.fault(format!("names {}, which is not there", excerpt(stray))));
    }
    if listed.is_empty() {
        return Err(list.fault("names no demonstrations"));
    }
    Ok(listed)
}

/// The number of a demonstration, by which they are ordered.
fn parse(name: &str) -> Option<u64> {
    name.strip_prefix(DEMO)?.parse().ok()
}

/// The same, of a name that is one.
pub fn number(name: &str) -> u64 {
    parse(name).unwrap_or(u64::MAX)
}
