//! Whether the files of a fetched package are as they were published: the package has a list of
//! them, `RECORD`, with their checksums. A download is complete before it is in its place, so
//! this finds what happened to it later, in a copied or damaged cache.

use crate::downloads::Download;
use crate::report::videos::base64;
use protege_core::checksummed::digest;
use std::path::Path;

/// Checks every file of a package that is kept.
///
/// # Errors
/// Names the first file that is missing or has another content.
pub fn check(download: &Download) -> Result<(), String> {
    check_folder(&download.folder()?, &record(download), download.keep)
}

/// Checks the file alone that shows that a package is there.
///
/// # Errors
/// As [`check`].
#[cfg(feature = "mujoco")]
pub fn check_proof(download: &Download) -> Result<(), String> {
    check_folder(&download.folder()?, &record(download), &[download.proof])
}

/// Whether the list is there.
pub fn is_listed(download: &Download) -> bool {
    let folder = download.folder();
    folder.is_ok_and(|folder| folder.join(record(download)).is_file())
}

/// The list's name in its package.
fn record(download: &Download) -> String {
    let name = download.package.replace('-', "_");
    format!("{name}-{}.dist-info/RECORD", download.version)
}

fn check_folder(folder: &Path, record: &str, keep: &[&str]) -> Result<(), String> {
    let record = folder.join(record);
    let list = std::fs::read_to_string(&record).map_err(|e| {
        format!(
            "its list of files, {}, cannot be read ({e})",
            record.display()
        )
    })?;
    for (name, sum) in list.lines().filter_map(entry) {
        if keep.iter().any(|beginning| name.starts_with(beginning)) {
            check_file(&folder.join(name), sum)?;
        }
    }
    Ok(())
}

/// A file's name and checksum; the list itself has none.
fn entry(line: &str) -> Option<(&str, &str)> {
    let (line, _size) = line.rsplit_once(',')?;
    let (name, sum) = line.rsplit_once(',')?;
    Some((name, sum.strip_prefix("sha256=")?))
}

fn check_file(path: &Path, sum: &str) -> Result<(), String> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|e| format!("{shown} cannot be read ({e})"))?;
    let own = base64(&digest(&bytes)).replace('+', "-").replace('/', "_");
    if own.trim_end_matches('=') == sum {
        return Ok(());
    }
    Err(format!("{shown} is not as it was published"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checksum of `hello`, as Python's wheel tools write it.
    const RECORD: &str = "scenes/a.xml,sha256=LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ,5\n\
                          code/b.py,sha256=LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ,5\n\
                          RECORD,,\n";

    /// Whatever happens to a file that is kept is found, and the file is named; files that are not
    /// kept count for nothing.
    #[test]
    fn a_file_that_is_missing_cut_or_changed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let check = || check_folder(folder.path(), "RECORD", &["scenes/"]);
        let file = folder.path().join("scenes/a.xml");
        std::fs::create_dir(folder.path().join("scenes")).unwrap();
        assert!(check().unwrap_err().contains("RECORD"));
        std::fs::write(folder.path().join("RECORD"), RECORD).unwrap();
        assert!(check().unwrap_err().contains("a.xml"));
        for content in ["", "hell", "hellO", "hello\n"] {
            std::fs::write(&file, content).unwrap();
            assert!(check().unwrap_err().contains("a.xml"), "{content:?}");
        }
        std::fs::write(&file, "hello").unwrap();
        assert_eq!(check(), Ok(()));
    }
}
