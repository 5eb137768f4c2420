//! What robosuite before 1.5 observes of objects: the same numbers, in another order.
//!
//! Sources: `{lift,pick_place,nut_assembly,stack,tool_hang,door}.py` in
//! `robosuite/environments/manipulation/` of 1.4.1 and of 1.5.2, where `object` is made of the
//! sensors in the order of their names.

/// The first version with today's order.
const TODAY: [u32; 2] = [1, 5];

/// Where a number of `object` is in an older file, and whether it has the other sign there.
pub type Place = (usize, bool);

/// Today's numbers of `object`, one after the other, by their places in a file of this version of
/// robosuite; none where the order is the same, or nothing is known of it.
pub fn places(task: &str, version: &str) -> Option<Vec<Place>> {
    if !is_older(version) {
        return None;
    }
    match task {
        // The way from the hand to the cube was the way from the cube to the hand.
        "robosuite/lift" => Some((0..10).map(|at| (at, at >= 7)).collect()),
        "robosuite/can" | "robosuite/square" => Some(plain(&[7..14, 0..7])),
        // Of two cubes A and B: B - A stood behind A - hand and B - hand.
        "robosuite/stack" => Some(plain(&[0..14, 20..23, 14..20])),
        // Base, frame and tool, then what is done.
        "robosuite/tool-hang" => Some(plain(&[
            7..14,
            0..7,
            21..28,
            14..21,
            35..42,
            28..35,
            42..44,
        ])),
        // The hinge's angle stood behind the ways from the hand to the door and to its handle.
        "robosuite/door" => Some(plain(&[0..6, 12..13, 6..12, 13..14])),
        _ => None,
    }
}

/// Puts a row of today's numbers into an older file's order.
pub fn put_back(row: &mut [f32], places: &[Place]) {
    let today = row.to_vec();
    for (number, &(at, negated)) in today.iter().zip(places) {
        row[at] = if negated { -number } else { *number };
    }
}

/// Ranges of places, one after the other.
fn plain(ranges: &[std::ops::Range<usize>]) -> Vec<Place> {
    let places = ranges.iter().cloned().flatten();
    places.map(|at| (at, false)).collect()
}

/// Whether a version, `1.4.1`, is from before today's order. No version is: robomimic wrote none at
/// first, when robosuite was at 1.2. What is none otherwise is not.
fn is_older(version: &str) -> bool {
    if version.is_empty() {
        return true;
    }
    let mut parts = version.split('.').map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => [major, minor] < TODAY,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of robosuite 1.4 are put into today's order, whose numbers are each there once.
    #[test]
    fn each_number_of_an_older_file_has_a_place() {
        for (task, count) in [
            ("robosuite/lift", 10),
            ("robosuite/can", 14),
            ("robosuite/square", 14),
            ("robosuite/stack", 23),
            ("robosuite/tool-hang", 44),
            ("robosuite/door", 14),
        ] {
            let places = places(task, "1.4.1").unwrap();
            let mut from: Vec<usize> = places.iter().map(|(at, _)| *at).collect();
            from.sort_unstable();
            assert_eq!(from, (0..count).collect::<Vec<_>>(), "{task}");
        }
        let can = places("robosuite/can", "1.4.1").unwrap();
        assert_eq!((can[0], can[7]), ((7, false), (0, false)));
        assert_eq!(places("robosuite/lift", "1.2.0").unwrap()[9], (9, true));
        assert_eq!(places("robosuite/can", ""), Some(can));
    }

    /// What is put back is where an older file has it.
    #[test]
    fn what_is_put_back_is_found_again() {
        let mut row: Vec<f32> = (0..10u8).map(f32::from).collect();
        let today = row.clone();
        let places = places("robosuite/lift", "1.4.1").unwrap();
        put_back(&mut row, &places);
        assert_eq!(row[7..], [-7.0, -8.0, -9.0]);
        put_back(&mut row, &places);
        assert_eq!(row, today);
    }

    /// Later versions, unknown ones and other tasks stay as they are.
    #[test]
    fn todays_files_stay_as_they_are() {
        for version in ["1.5.0", "1.5.1", "1.10.2", "2.0", "offline", "1"] {
            assert_eq!(places("robosuite/can", version), None, "{version}");
        }
        assert_eq!(places("lab/lift", "0.1.0"), None);
    }
}
