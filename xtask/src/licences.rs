//! Whether everything that ends up in our programs may be passed on under our own licenses.

use crate::{rerun, shell};

/// Permissive licenses, MPL-2.0, whose duties end at the files it covers, and CDLA-Permissive-2.0
/// for data.
const ALLOWED: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Checks the license of every dependency, on every platform, with every feature.
///
/// # Errors
/// A sentence with the packages whose license is not on the list.
pub fn check() -> Result<(), String> {
    let tree =
        tree(&["--workspace", "--all-features"])? + &tree(&["--manifest-path", rerun::MANIFEST])?;
    let fields = tree.lines().filter_map(|line| line.split_once('|'));
    let licenses =
        fields.map(|(package, rest)| (package, rest.split('|').next().unwrap_or_default()));
    let refused = licenses.filter(|(_, license)| !is_allowed(license));
    let mut refused: Vec<String> = refused
        .map(|(package, license)| format!("{package}: {license}"))
        .collect();
    refused.sort();
    refused.dedup();
    if refused.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "These packages have a licence that is not allowed: {}.",
            refused.join(", ")
        ))
    }
}

/// Every package below some of ours, with its license.
fn tree(of: &[&str]) -> Result<String, String> {
    let args = [
        "--target",
        "all",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}|{l}|",
    ];
    shell::output(shell::cargo(&[&["tree"], of, &args].concat()))
}

/// True when the SPDX expression can be met by allowed licenses. Nested expressions are read more
/// strictly than they are meant, never less: every part between ANDs must offer an allowed choice.
fn is_allowed(expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    plain.split(" AND ").all(|part| {
        part.split(" OR ")
            .any(|license| ALLOWED.contains(&license.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    /// A choice is enough, a combination needs every part, and no license is no license.
    #[test]
    fn expressions_are_read_as_spdx_means_them() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR MIT",
        ] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "GPL-3.0 AND (MIT OR Apache-2.0)",
        ] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }
}
