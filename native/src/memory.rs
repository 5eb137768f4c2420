//! The memory of this machine, and what does not fit into it.

use crate::engines::CATALOG;
use protege_core::Result;
use protege_core::run::Config;
use protege_core::run::memory::{Machine, check};
use std::fs::read_to_string;
use std::path::Path;

/// Where Linux shows the limits of groups of processes.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Refuses a configuration that does not fit this machine; see [`check`].
///
/// # Errors
/// Says how much it takes, and which settings make it so much.
pub fn fits(config: &Config, has_policy: bool) -> Result<()> {
    fits_at_once(config, has_policy, 1)
}

/// The same for so many runs at a time. Where the system does not say what it has, all fits.
///
/// # Errors
/// As [`fits`].
pub fn fits_at_once(config: &Config, has_policy: bool, runs: usize) -> Result<()> {
    machine(runs).map_or(Ok(()), |machine| {
        check(config, &CATALOG, has_policy, &machine)
    })
}

/// What each of so many runs can have of this machine; none where the system does not say.
pub fn machine(runs: usize) -> Option<Machine> {
    let cores = crate::cli::machine::cores();
    Some(Machine {
        memory: limit()?,
        cores: cores.div_ceil(runs),
        runs,
    })
}

/// Bytes that this process can have: the machine's memory, or less where its group of processes
/// (cgroup) or its address space (`ulimit -v`) is limited.
pub fn limit() -> Option<f64> {
    let parts = [total(), group(), address_space()];
    parts.into_iter().flatten().reduce(f64::min)
}

fn total() -> Option<f64> {
    let text = read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(1024.0 * kib)
}

/// The least limit of the groups that this process is in, the second version's or the first's.
fn group() -> Option<f64> {
    let text = read_to_string("/proc/self/cgroup").ok()?;
    let limits = text
        .lines()
        .flat_map(|line| limits_of(line, Path::new(CGROUPS)));
    limits.reduce(f64::min)
}

/// The limits along the path of a line of `/proc/self/cgroup`: `0::/a/b` or `5:memory:/a/b`.
fn limits_of(line: &str, root: &Path) -> Vec<f64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
        return Vec::new();
    };
    let (root, file) = match controllers {
        "" => (root.to_owned(), "memory.max"),
        some if some.split(',').any(|name| name == "memory") => {
            (root.join("memory"), "memory.limit_in_bytes")
        }
        _ => return Vec::new(),
    };
    let own = root.join(path.trim_start_matches('/'));
    let folders = own
        .ancestors()
        .take_while(|folder| folder.starts_with(&root));
    let read = |folder: &Path| read_to_string(folder.join(file)).ok()?.trim().parse().ok();
    folders.filter_map(read).collect()
}

fn address_space() -> Option<f64> {
    let text = read_to_string("/proc/self/limits").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least limit along the way counts, of either version; a group without one has none.
    #[test]
    fn the_limits_of_all_groups_above_are_read() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("a/b/memory.max", "max\n");
        write("a/memory.max", "5000000\n");
        write("memory/c/memory.limit_in_bytes", "7000\n");
        let limits = |line: &str| limits_of(line, root.path());
        assert_eq!(limits("0::/a/b"), [5e6]);
        assert_eq!(limits("4:cpu,memory:/c"), [7e3]);
        assert_eq!(limits("4:cpu:/c"), [0.0; 0]);
        assert_eq!(limits("nonsense"), [0.0; 0]);
    }

    /// This machine has some memory, where the system says how much.
    #[test]
    fn this_machine_has_some_memory() {
        assert!(limit().is_none_or(|bytes| bytes > 1e8));
    }
}
