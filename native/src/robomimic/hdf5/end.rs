//! Where a file says that it ends: the superblock's end-of-file address (HDF5 File Format
//! Specification 3.0, II.A). A shorter file lacks content, whichever its last bytes were; HDF5's
//! own library refuses it, too.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// First bytes of a superblock.
const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";
/// The first place after 0 at which a superblock can be; others are twice, four times ... as far.
const STEP: u64 = 512;
/// Bytes up to the end-of-file address, in any version and with addresses of 8 bytes.
const HEAD: usize = 56;

/// Where the file says that it ends, bytes; none where its head is no superblock of a known
/// version. The file is read from its beginning next.
///
/// # Errors
/// When the file cannot be read.
pub fn said(file: &mut File) -> io::Result<Option<u64>> {
    let size = file.metadata()?.len();
    let mut place = 0;
    let mut end = None;
    while place < size {
        let mut head = Vec::new();
        file.seek(SeekFrom::Start(place))?;
        file.take(HEAD as u64).read_to_end(&mut head)?;
        if head.starts_with(SIGNATURE) {
            head.resize(HEAD, 0);
            end = of_superblock(&head, place);
            break;
        }
        place = if place == 0 { STEP } else { 2 * place };
    }
    file.rewind()?;
    Ok(end)
}

/// The end of a file whose superblock lies at `place`; none where the version or the size of
/// addresses is unknown.
fn of_superblock(head: &[u8], place: u64) -> Option<u64> {
    let (width, base) = match head[8] {
        0 => (head[13], 24),
        1 => (head[13], 28),
        2 | 3 => (head[9], 12),
        _ => return None,
    };
    let width = usize::from(width);
    if ![2, 4, 8].contains(&width) {
        return None;
    }
    let address = |i: usize| {
        let bytes = head[base + i * width..][..width].iter().rev();
        bytes.fold(0, |number, &byte| number << 8 | u64::from(byte))
    };
    let end = address(2);
    // All ones: undefined.
    if end == u64::MAX >> (64 - 8 * width) {
        return None;
    }
    // What was put before the file moves it without its knowing, as in HDF5's own library
    // (H5Fsuper.c, H5F__super_read).
    Some(end.saturating_add(place).saturating_sub(address(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The address is where each version has it, and read in its own width.
    #[test]
    fn the_end_is_where_each_version_has_it() {
        for (version, width_at, end_at) in [(0, 13, 40), (1, 13, 44), (2, 9, 28), (3, 9, 28)] {
            let mut head = vec![0xee; HEAD];
            head[8] = version;
            head[width_at] = 8;
            head[end_at - 16..end_at - 8].copy_from_slice(&512_u64.to_le_bytes());
            head[end_at..end_at + 8].copy_from_slice(&0x1234_5678_u64.to_le_bytes());
            assert_eq!(of_superblock(&head, 512), Some(0x1234_5678), "{version}");
            assert_eq!(of_superblock(&head, 1024), Some(0x1234_5878), "{version}");
            head[end_at..end_at + 8].fill(0xff);
            assert_eq!(of_superblock(&head, 512), None, "{version}");
            head[width_at] = 3;
            assert_eq!(of_superblock(&head, 512), None);
        }
        assert_eq!(of_superblock(&[4; HEAD], 0), None);
    }
}
