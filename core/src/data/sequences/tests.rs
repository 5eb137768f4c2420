//! The promises of sequences.

use super::*;

/// Observation 10 e + t, action (10 e + t) / 100, reward -1, in episode `e`.
fn episode(e: usize, steps: usize, terminated: bool) -> Episode {
    let at = |t: usize| (10 * e + t) as f32;
    let mut episode = Episode {
        terminated,
        ..Episode::start(e as u64, &vec![at(0)].into())
    };
    for t in 0..steps {
        episode.push(&[at(t) / 100.0], -1.0, &vec![at(t + 1)].into());
    }
    episode
}

fn empty(horizon: usize, capacity: usize, prioritised: bool) -> SequenceReplay {
    let rng = Rng::new(0, "after", 0);
    SequenceReplay::new(ObsSpec::of_state(1), 1, horizon, capacity, prioritised, rng)
}

/// The one number of an observation.
fn number(batch: &SequenceBatch, row: usize) -> f32 {
    batch.obs.state(row)[0]
}

fn sequences(prioritised: bool, episodes: &[(usize, bool)]) -> SequenceReplay {
    let mut sequences = empty(3, 1000, prioritised);
    for (e, &(steps, terminated)) in episodes.iter().enumerate() {
        sequences.push(&episode(e, steps, terminated)).unwrap();
    }
    sequences
}

/// A sequence is consecutive decisions of one episode; after the end for good it stays, earns 0,
/// and says so.
#[test]
fn stretches_are_consecutive_and_go_on_after_the_end() {
    let sequences = sequences(false, &[(5, false), (2, true), (2, false)]);
    let batch = sequences.sample(&mut Rng::new(0, "test", 0), 300);
    let mut seen = std::collections::BTreeSet::new();
    for i in 0..300 {
        let o = [0, 1, 2, 3].map(|t| number(&batch, t * 300 + i));
        let done = [0, 1, 2].map(|t| batch.done[t * 300 + i]);
        let ended = [0, 1, 2, 3].map(|t| batch.ended[t * 300 + i]);
        assert_eq!(ended, o.map(|o| f32::from(o == 12.0)));
        seen.insert(o[0] as usize);
        for t in 0..3 {
            let reward = batch.rewards[t * 300 + i];
            let ended = o[0] >= 10.0 && o[t] == 12.0;
            assert_eq!(o[t + 1], if ended { 12.0 } else { o[t] + 1.0 });
            assert_eq!(reward, if ended { 0.0 } else { -1.0 });
            assert_eq!(
                done[t],
                f32::from(u8::from(o[0] >= 10.0 && o[t + 1] == 12.0))
            );
            assert!(ended || batch.actions[t * 300 + i] == o[t] / 100.0);
        }
    }
    // 5 decisions have sequences of 3 from 0, 1 and 2; 2 and an end from all and the end; 2 without
    // one from none.
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2, 10, 11, 12]);
}

/// A sequence comes up in proportion to its priority^0.6, and counts the less for it.
#[test]
fn surprising_stretches_come_up_more_often() {
    let mut sequences = sequences(true, &[(4, false)]);
    let indices = [
        SequenceIndex {
            episode: 0,
            decision: 0,
        },
        SequenceIndex {
            episode: 0,
            decision: 1,
        },
    ];
    sequences.set_priorities(&indices, &[1.0, 32.0]);
    let batch = sequences.sample(&mut Rng::new(1, "test", 0), 9000);
    let often = batch
        .indices
        .iter()
        .filter(|index| index.decision == 1)
        .count() as f64
        / 9000.0;
    assert!((often - 8.0 / 9.0).abs() < 0.02, "{often}");
    let weight = |decision| {
        batch
            .indices
            .iter()
            .position(|index| index.decision == decision)
            .map(|i| batch.weights[i])
            .unwrap()
    };
    assert!(
        (weight(0) - 1.0).abs() < 1e-6 && (weight(1) - 8f32.powf(-0.4)).abs() < 1e-3,
        "{}",
        weight(1)
    );
}

/// The oldest episodes make room, and priorities of dropped sequences go nowhere.
#[test]
fn the_oldest_make_room() {
    let mut sequences = empty(3, 10, true);
    (0..4).for_each(|e| sequences.push(&episode(e, 5, false)).unwrap());
    assert_eq!((sequences.len(), sequences.dropped), (10, 2));
    let before = sequences.clone();
    sequences.set_priorities(
        &[SequenceIndex {
            episode: 1,
            decision: 0,
        }],
        &[9.0],
    );
    assert_eq!(sequences, before);
    let batch = sequences.sample(&mut Rng::new(0, "test", 0), 50);
    assert!((0..batch.obs.len()).all(|row| number(&batch, row) >= 20.0));
}

/// Saved sequences go on bit for bit; damaged ones are refused.
#[test]
fn saved_sequences_go_on_as_if_never_saved() {
    let mut whole = sequences(true, &[(5, false), (2, true)]);
    let mut archive = Archive::new();
    whole.save(&mut archive, "online").unwrap();
    let mut restored = SequenceReplay::load(
        &mut Archive::from_bytes(&archive.to_bytes().unwrap()).unwrap(),
        "online",
    )
    .unwrap();
    for sequences in [&mut whole, &mut restored] {
        sequences.push(&episode(7, 3, true)).unwrap();
    }
    assert_eq!(whole, restored);
    archive.put_f32("online/over", &[3], vec![0.0; 3]);
    assert!(matches!(
        SequenceReplay::load(&mut archive, "online"),
        Err(Error::Input(_))
    ));
    assert!(
        whole
            .push(&Episode {
                rewards: vec![0.0],
                ..Episode::default()
            })
            .is_err()
    );
}

/// Joined batches keep their sequences whole.
#[test]
fn joined_batches_keep_stretches_whole() {
    let a = sequences(false, &[(5, false)]);
    let b = sequences(false, &[(1, true), (1, true), (4, false)]);
    let joined = a
        .sample(&mut Rng::new(0, "test", 0), 3)
        .with(&b.sample(&mut Rng::new(0, "test", 1), 2));
    assert_eq!(
        (joined.len(), joined.obs.len(), joined.indices.len()),
        (5, 20, 5)
    );
    for i in 0..5 {
        let o = [0, 1, 2, 3].map(|t| number(&joined, t * 5 + i));
        assert!(
            o.windows(2)
                .all(|pair| pair[1] == pair[0] + 1.0 || pair[1] == pair[0]),
            "{o:?}"
        );
    }
    assert_eq!(joined.clone().with(&SequenceBatch::default()), joined);
}

/// Every batch holds exactly the share of demonstrations, which come first, and one side stands in
/// for an empty other.
#[test]
fn every_batch_has_exactly_the_share() {
    let online = sequences(false, &[(5, false); 3]);
    let none = sequences(false, &[]);
    let mut demos = sequences(false, &[]);
    demos.push(&episode(50, 5, false)).unwrap();
    let mut rng = Rng::new(0, "test", 0);
    let mut share = |demo_fraction, demos, online| {
        let batch = BalancedSampler { demo_fraction }.sample(demos, online, &mut rng, 64);
        assert_eq!(batch.len(), 64);
        let is_demo: Vec<bool> = (0..64).map(|i| number(&batch, i) >= 500.0).collect();
        assert!(
            is_demo[..batch.n_demos].iter().all(|&demo| demo)
                && !is_demo[batch.n_demos..].contains(&true)
        );
        batch.n_demos
    };
    assert_eq!(
        [0.0, 0.25, 0.5, 1.0].map(|f| share(f, &demos, &online)),
        [0, 16, 32, 64]
    );
    assert_eq!(
        (share(0.5, &demos, &none), share(0.5, &none, &online)),
        (64, 0)
    );
}

/// Without anyone to ask, an episode that ended for good ends with its last decision, which says
/// so.
#[test]
fn an_episode_may_end_where_it_ends() {
    let mut sequences = empty(1, 1000, false).without_terminal_padding();
    sequences.push(&episode(0, 3, true)).unwrap();
    sequences.push(&episode(1, 2, false)).unwrap();
    let all = sequences.all();
    let first: Vec<f32> = (0..5).map(|row| number(&all, row)).collect();
    assert_eq!(first, [0.0, 1.0, 2.0, 10.0, 11.0]);
    assert_eq!(all.done, [0.0, 0.0, 1.0, 0.0, 0.0]);
}

/// Episodes that are stored decision by decision while they are played, in turns, hold what they
/// hold when they are stored whole; each decision can be drawn at once.
#[test]
fn decisions_of_running_episodes_are_those_of_whole_ones() {
    let replay = |capacity| {
        let replay = empty(1, capacity, false).with_base_actions(1);
        replay.without_terminal_padding()
    };
    let whole = |e: usize, steps, terminated| {
        let mut episode = episode(e, steps, terminated);
        let base = (0..=steps).map(|t| -((10 * e + t) as f32));
        episode.base_actions = base.collect();
        episode
    };
    let episodes = [whole(0, 4, false), whole(1, 4, true)];
    let mut at_once = replay(100);
    episodes.iter().for_each(|e| at_once.push(e).unwrap());

    let extend = |replay: &mut SequenceReplay, e: &Episode, t: usize, held| {
        let decision = Continuation {
            base_actions: [&e.base_actions[t..=t], &e.base_actions[t + 1..t + 2]],
            action: e.action_at(t, 1),
            reward: e.rewards[t],
            next: &vec![e.obs.state_at(t + 1)[0]].into(),
            done: e.terminated && t + 1 == e.len(),
        };
        let before = History::start(&vec![e.obs.state_at(t)[0]].into());
        replay.extend(held, &before, decision).unwrap()
    };
    let mut in_turns = replay(100);
    let mut held = [None, None];
    for t in 0..4 {
        for (e, held) in episodes.iter().zip(&mut held) {
            *held = Some(extend(&mut in_turns, e, t, *held));
        }
        assert_eq!(in_turns.all().indices.len(), 2 * (t + 1));
    }
    assert_eq!(in_turns.all(), at_once.all());
    assert_eq!(in_turns, at_once);

    // Where the beginning was dropped, what follows is kept all the same.
    let mut small = replay(3);
    let first = extend(&mut small, &episodes[0], 0, None);
    let mut second = None;
    for t in 0..3 {
        second = Some(extend(&mut small, &episodes[1], t, second));
    }
    let again = extend(&mut small, &episodes[0], 1, Some(first));
    assert_ne!(again, first);
    let newest = small.all();
    assert_eq!(number(&newest, newest.indices.len() - 1), 1.0);
    assert!(newest.done.iter().all(|&done| done == 0.0));
}
