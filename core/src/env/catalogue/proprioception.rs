//! What a robot feels of itself: the part of an observation that stays where a camera's picture
//! takes the place of the rest.

use std::ops::Range;

/// The hand and the gripper's opening, now and one control step earlier. The tasks of `lab` are
/// laid out as Meta-World's are.
const HAND: &[Range<usize>] = &[0..4, 18..22];

/// The joints of the arm and the hand; the nail, the hammer and the palm.
const HAMMER: &[Range<usize>] = &[0..26, 26..36];

/// The numbers of an observation that stay beside an image, as places in it; none for a task that
/// is not drawn, or does not exist.
///
/// They are MoDem's (facebookresearch/modem, `envs/`): for Meta-World and `lab` the hand and the
/// gripper, of two control steps (8 numbers); for Adroit the joints and what MoDem adds to them
/// (pen: where the target points, 27; hammer: the nail's joint, the hammer's velocity and the palm,
/// 36; door: the palm, 30).
pub fn proprioception(id: &str) -> Option<&'static [Range<usize>]> {
    let places: &[_] = match id {
        "adroit/pen" => &[0..24, 36..39],
        "adroit/hammer" => HAMMER,
        "adroit/door" => &[0..27, 29..32],
        _ if id.starts_with("lab/") || id.starts_with("metaworld/") => HAND,
        _ => return None,
    };
    super::entry(id).is_ok().then_some(places)
}

/// What an observation has at these places, in their order.
///
/// # Panics
/// When the observation is too short: another task's.
pub fn picked(observation: &[f32], places: &[Range<usize>]) -> Vec<f32> {
    places
        .iter()
        .flat_map(|place| &observation[place.clone()])
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::catalogue;
    use crate::env::make;

    /// Every task that is drawn has as many numbers as MoDem gives it, all within its observation,
    /// none twice.
    #[test]
    fn every_task_has_the_numbers_that_modem_gives_it() {
        let expected = |id: &str| match id {
            "adroit/pen" => 27,
            "adroit/hammer" => 36,
            "adroit/door" => 30,
            _ => 8,
        };
        for task in catalogue::all() {
            let places = proprioception(&task.spec.id).unwrap();
            assert_eq!(
                places.iter().map(Range::len).sum::<usize>(),
                expected(&task.spec.id),
                "{}",
                task.spec.id
            );
            assert!(
                places.is_sorted_by_key(|place| place.start),
                "{}",
                task.spec.id
            );
            assert!(
                places.windows(2).all(|pair| pair[0].end <= pair[1].start),
                "{}",
                task.spec.id
            );
            assert!(
                places.last().unwrap().end <= task.spec.obs,
                "{}",
                task.spec.id
            );
        }
        assert!(
            ["probe/1", "lab/none", "metaworld", "adroit/relocate"]
                .into_iter()
                .all(|id| proprioception(id).is_none())
        );
    }

    /// What stays beside a picture is what MoDem keeps of an observation, value for value.
    #[test]
    fn what_stays_is_what_modem_keeps() {
        for (id, felt) in [
            ("lab/lift", [0..4, 18..22]),
            ("metaworld/box-close", [0..4, 18..22]),
            ("adroit/pen", [0..24, 36..39]),
            ("adroit/hammer", [0..36, 0..0]),
            ("adroit/door", [0..27, 29..32]),
        ] {
            let count: Vec<f32> = (0..60_u8).map(f32::from).collect();
            let expected: Vec<f32> = felt.into_iter().flatten().map(|i| i as f32).collect();
            assert_eq!(
                picked(&count, proprioception(id).unwrap()),
                expected,
                "{id}"
            );
        }
    }

    /// What is picked of a moment is the hand and the gripper, now and one control step ago, and
    /// nothing of the object.
    #[test]
    fn the_hand_and_the_gripper_are_picked() {
        for info in crate::tasks::all() {
            let mut env = make(info.id).unwrap();
            let places = proprioception(info.id).unwrap();
            let before = picked(&env.reset(2), places);
            assert_eq!(
                before[..4],
                before[4..],
                "{}: the first observation repeats its frame",
                info.id
            );
            assert!(
                before[1] > 0.5 && before[3] > 0.9,
                "{}: the hand starts open at y 0.6: {before:?}",
                info.id
            );
            let step = env.step(&[1.0, 0.0, 0.0, 1.0]).unwrap();
            let after = picked(&step.obs, places);
            assert_eq!(after[4..], before[..4], "{}", info.id);
            assert!(after[0] > before[0], "{}: the hand moved along x", info.id);
        }
    }
}
