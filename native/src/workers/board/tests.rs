//! Who has which episode.

use super::*;
use protege_core::play::Rows;

fn board(episodes: u64, least: usize, most: usize) -> Board {
    let shape = Shape {
        chunk: 1,
        notes: 0,
        obs: None,
        horizon: 1,
        rows: Rows { least, most },
    };
    Board::new(b"job".to_vec(), (0..episodes).collect(), shape)
}

/// An episode of one decision, as it comes over the wire: the seed, one decision with one action,
/// and nothing observed.
fn played(board: &Board, seed: u64) -> Played {
    assert!(seed < 128);
    let decision = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1];
    let nothing_observed = [0, 0, 0];
    let bytes = [&[seed as u8, 1][..], &decision, &nothing_observed].concat();
    board.shape.read(&bytes).unwrap()
}

fn arrived(board: &Board) -> Vec<u64> {
    board.arrived().iter().map(|played| played.seed).collect()
}

/// Shares become smaller towards the end, and none is smaller than what is decided together.
#[test]
fn shares_become_smaller() {
    let board = board(100, 2, 10);
    let mut sizes = Vec::new();
    loop {
        let share = board.share(3);
        if share.is_empty() {
            break;
        }
        sizes.push(share.len());
    }
    assert_eq!((sizes[0], sizes.iter().sum::<usize>()), (9, 100));
    assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes.contains(&2));
}

/// What was not played comes back in its order, before the rest; what arrived does not.
#[test]
fn a_lost_share_is_played_by_others() {
    let board = board(9, 1, 16);
    let share = board.share(0);
    assert_eq!(share, [0, 1, 2]);
    board.arrive(played(&board, 1));
    board.give_back(&[0, 2]);
    assert_eq!(arrived(&board), [1]);
    assert_eq!(board.share(0)[..2], [0, 2]);
}

/// Home takes what waits, then what others have had the longest; each episode counts once, whoever
/// is first.
#[test]
fn each_episode_counts_once() {
    let board = board(4, 1, 16);
    let share = board.share(0);
    assert_eq!(share, [0, 1]);
    let taken: Vec<u64> = std::iter::from_fn(|| board.take()).collect();
    assert_eq!(taken, [2, 3, 0, 1]);
    board.keep(0);
    board.arrive(played(&board, 0));
    board.arrive(played(&board, 1));
    board.arrive(played(&board, 1));
    assert_eq!(arrived(&board), [1]);
    // Home has them: they do not wait again.
    board.give_back(&[0, 1]);
    assert!(!board.has_work() && board.take().is_none());
}

/// Once nobody wants anything, what arrives is dropped.
#[test]
fn a_closed_board_takes_nothing() {
    let board = board(4, 1, 16);
    let share = board.share(0);
    board.close();
    board.arrive(played(&board, share[0]));
    board.give_back(&share[1..]);
    assert!(arrived(&board).is_empty() && !board.has_work() && board.share(0).is_empty());
}
