//! The demonstrations as decisions of the actor: with what the pretrained policy would have done
//! beside the demonstrator.

use super::{ActorConfig, Compose};
use crate::Result;
use crate::data::{Dataset, Episode, SequenceReplay};
use crate::obs::ObsSpec;
use crate::policy::{Policy, Sizes};
use crate::rng::Rng;
use burn::tensor::Device;

/// How often each demonstration is gone through, with other noise of the pretrained policy and its
/// chunks begun at other moments.
const COPIES: usize = 4;

/// An empty replay of episodes, to be drawn decision by decision: observation and the pretrained
/// policy's action; the actor's own action, and where it is demonstrated the next one.
pub(super) fn replay(obs: ObsSpec, act: usize, capacity: usize) -> SequenceReplay {
    let rng = Rng::new(0, "unused", 0);
    SequenceReplay::new(obs, 2 * act, 1, capacity, false, rng)
        .with_base_actions(act)
        .without_terminal_padding()
}

/// Decisions in the replay of all demonstrations.
pub(super) fn count(config: &ActorConfig, demos: &Dataset) -> usize {
    let steps: usize = demos.episodes.iter().map(Episode::len).sum();
    copies(config) * steps
}

fn copies(config: &ActorConfig) -> usize {
    match config.compose {
        Compose::Alone => 1,
        _ => COPIES,
    }
}

/// Adds the decisions of the next demonstration to a replay that has those of the ones before it:
/// who is asked what they would have done may be far away and slow.
///
/// # Errors
/// When the device or the serving program fails, or an episode is not whole. The replay is as it
/// was then.
pub(super) async fn add_next(
    replay: &mut SequenceReplay,
    config: &ActorConfig,
    policy: &Policy,
    demos: &Dataset,
    seed: u64,
    device: &Device,
) -> Result<()> {
    let copies = copies(config);
    let mut rng = Rng::new(seed, "csil-demos", 0);
    let mut known = replay.len();
    for episode in &demos.episodes {
        let begins = (0..copies).map(|copy| copy * policy.sizes.chunk / copies);
        let decisions = copies * episode.len();
        if known >= decisions {
            known -= decisions;
            if config.compose != Compose::Alone {
                let asked = begins.map(|begin| starts(policy, episode, begin).len());
                rng.normals(asked.sum::<usize>() * policy.noise_len());
            }
            continue;
        }
        let mut added = Vec::new();
        for begin in begins {
            let bases = match config.compose {
                Compose::Alone => vec![0.0; (episode.len() + 1) * policy.sizes.act],
                _ => base_actions(policy, episode, begin, &mut rng, device).await?,
            };
            added.push(targets(config, policy.sizes, episode, &bases));
        }
        return added.iter().try_for_each(|episode| replay.push(episode));
    }
    Ok(())
}

/// The times at which chunks begin: at first, and whenever it is `begin` more than a multiple of a
/// chunk.
fn starts(policy: &Policy, episode: &Episode, begin: usize) -> Vec<usize> {
    let chunk = policy.sizes.chunk;
    let starts = (0..=episode.len()).filter(|&t| t == 0 || t % chunk == begin % chunk);
    starts.collect()
}

/// What the pretrained policy would do at every observation of an episode of T steps, where its
/// chunks begin as [`starts`] says: (T + 1) x act.
async fn base_actions(
    policy: &Policy,
    episode: &Episode,
    begin: usize,
    rng: &mut Rng,
    device: &Device,
) -> Result<Vec<f32>> {
    let act = policy.sizes.act;
    let starts = starts(policy, episode, begin);
    let obs = episode.obs.batch(&policy.reads, starts.iter().copied());
    let noise = rng.normals(starts.len() * policy.noise_len());
    let chunks = policy.act(&obs, noise, device).await?;
    let ends = starts[1..].iter().copied().chain([episode.len() + 1]);
    let played = chunks
        .chunks(policy.sizes.chunk_len())
        .zip(starts.iter().zip(ends));
    Ok(played
        .flat_map(|(chunk, (start, end))| &chunk[..(end - start) * act])
        .copied()
        .collect())
}

/// The episode as the actor is to learn it.
fn targets(config: &ActorConfig, sizes: Sizes, episode: &Episode, bases: &[f32]) -> Episode {
    let base = |t: usize| &bases[t * sizes.act..(t + 1) * sizes.act];
    let own = |t: usize| match t < episode.len() {
        true => config.target(base(t), episode.action_at(t, sizes.act)),
        false => vec![0.0; sizes.act],
    };
    Episode {
        base_actions: bases.to_vec(),
        actions: (0..episode.len())
            .flat_map(|t| [own(t), own(t + 1)].concat())
            .collect(),
        ..episode.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Meta, Normaliser};
    use crate::obs::ObsBatch;
    use crate::policy::{PolicyConfig, PolicyKind};
    use crate::run::{Config, Preset};
    use pollster::block_on;

    /// Every demonstrated step is a decision, with the chunk that the pretrained policy would be
    /// playing out beside it, the action that follows, and an end where the episode ended.
    #[test]
    fn every_demonstrated_step_is_a_decision() {
        let device = Device::flex();
        let mut rng = Rng::new(0, "test", 0);
        let flow = PolicyConfig {
            kind: PolicyKind::Flow,
            chunk: 2,
            hidden: 8,
            layers: 1,
            ..Config::preset(Preset::Tiny).policy
        };
        let policy = Policy::new(
            &flow,
            &ObsSpec::of_state(1),
            1,
            (Normaliser::identity(1), Normaliser::identity(2)),
            &mut rng,
            &device,
        );
        let mut episode = Episode::start(0, &vec![0.0].into());
        (1..=3).for_each(|t| {
            let next = vec![t as f32].into();
            episode.push(&[0.1 * t as f32], f32::from(t == 3), &next);
        });
        episode.terminated = true;
        let meta = Meta {
            task: "probe/1".into(),
            engine: "rapier".into(),
            seed: 0,
            code_version: String::new(),
            obs: ObsSpec::of_state(1),
            act: 1,
            action_repeat: 1,
            controller: String::new(),
            demonstrator: String::new(),
        };
        let demos = Dataset {
            meta,
            episodes: vec![episode.clone()],
        };
        let config = ActorConfig {
            compose: Compose::Residual,
            residual_scale: 2.0,
            ..ActorConfig::preset(Preset::Tiny)
        };
        let mut found = replay(ObsSpec::of_state(1), 1, usize::MAX);
        while found.len() < count(&config, &demos) {
            block_on(add_next(&mut found, &config, &policy, &demos, 0, &device)).unwrap();
        }
        assert_eq!(found.len(), 12);
        // Every decision is drawn at some time: here all of them in their order.
        let rows = found.all();
        assert_eq!(
            (&rows.done[..3], &rows.rewards[..3]),
            (&[0.0, 0.0, 1.0][..], &[0.0, 0.0, 1.0][..])
        );
        for copy in 0..4 {
            for t in 0..3 {
                let at = copy * 3 + t;
                let base = rows.base_actions[at];
                let own = &rows.actions[2 * at..2 * at + 2];
                let seen = [at, 12 + at].map(|row| rows.obs.state(row)[0]);
                assert_eq!(seen, [t as f32, t as f32 + 1.0]);
                assert_eq!(own[0], config.target(&[base], &[0.1 * (t + 1) as f32])[0]);
                if t < 2 {
                    assert_eq!(
                        (rows.base_actions[12 + at], own[1]),
                        (rows.base_actions[at + 1], rows.actions[2 * at + 2])
                    );
                }
            }
        }
        // The first copy begins chunks at 0 and 2, the third at 0, 1 and 3.
        let mut rng = Rng::new(0, "csil-demos", 0);
        let asked = ObsBatch::of_states(vec![0.0, 2.0], 1);
        let first = block_on(policy.act(&asked, rng.normals(4), &device)).unwrap();
        assert_eq!(rows.base_actions[..3], [first[0], first[1], first[2]]);
    }
}
