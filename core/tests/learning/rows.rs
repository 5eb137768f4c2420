//! What a row of a batch gets does not depend on how many others there are, to the last bit, but
//! for one that is alone. Episodes that are played elsewhere rely on it.

use burn::tensor::Device;
use pollster::block_on;
use protege_core::Result;
use protege_core::data::{Archive, Normaliser};
use protege_core::finetune::FinetunedPolicy;
use protege_core::finetune::best_of_n::{BestOfNConfig, BestOfNPolicy, Iql};
use protege_core::method::LocalFuture;
use protege_core::obs::{ObsBatch, ObsSpec};
use protege_core::play::{Actor, Decided, Rows, rows_alike};
use protege_core::policy::{Policy, PolicyConfig, PolicyKind, Sampler};
use protege_core::rng::Rng;
use protege_core::run::{Config, Preset};

const OBS: usize = 23;
const ACT: usize = 4;
const CHUNK: usize = 8;
const PARALLEL: usize = 70;

/// A policy, or what best-of-N made of it.
struct Decider(Policy, Option<BestOfNPolicy>);

impl Actor for Decider {
    fn noise_len(&self) -> usize {
        let Self(policy, finetuned) = self;
        finetuned
            .as_ref()
            .map_or(policy.noise_len(), |chooser| chooser.noise_len(policy))
    }

    fn chunk_len(&self) -> usize {
        ACT * CHUNK
    }

    fn decide<'a>(
        &'a self,
        obs: &'a ObsBatch,
        memories: &'a mut [Vec<f32>],
        noise: Vec<f32>,
    ) -> LocalFuture<'a, Decided> {
        let Self(policy, finetuned) = self;
        Box::pin(async move {
            let device = Device::flex();
            let chunks = match finetuned {
                Some(chooser) => chooser.act(policy, obs, memories, noise, &device).await?,
                None => policy.act(obs, noise, &device).await?,
            };
            let notes = Vec::new();
            Ok(Decided { chunks, notes })
        })
    }

    fn write<'a>(&'a self, _: &'a mut Archive) -> LocalFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

fn policy(config: PolicyConfig) -> Policy {
    let scales = (Normaliser::identity(OBS), Normaliser::identity(ACT * CHUNK));
    let mut rng = Rng::new(0, "test", 0);
    let reads = ObsSpec::of_state(OBS);
    Policy::new(&config, &reads, ACT, scales, &mut rng, &Device::flex())
}

fn config(kind: PolicyKind, hidden: usize) -> PolicyConfig {
    PolicyConfig {
        kind,
        chunk: CHUNK,
        hidden,
        layers: 3,
        inference_steps: 2,
        denoising_steps: 4,
        ..Config::preset(Preset::Tiny).policy
    }
}

/// The decisions of all rows, and of the first of them alone, as many as are asked for.
fn decided(actor: &Decider, rows: usize) -> Vec<u32> {
    let mut rng = Rng::new(1, "test", 0);
    let obs = rng.normals(PARALLEL * OBS);
    let noise = rng.normals(PARALLEL * actor.noise_len());
    let obs = ObsBatch::of_states(obs[..rows * OBS].to_vec(), OBS);
    let noise = noise[..rows * actor.noise_len()].to_vec();
    let decided = block_on(actor.decide(&obs, &mut vec![Vec::new(); rows], noise)).unwrap();
    decided.chunks.iter().map(|a| a.to_bits()).collect()
}

/// With any number of rows but one the decisions are the same, and that is what a run finds when it
/// tries.
fn check(actor: &Decider, name: &str) -> Result<()> {
    let all = decided(actor, PARALLEL);
    for rows in 2..PARALLEL {
        let few = decided(actor, rows);
        assert!(few == all[..few.len()], "{name}: {rows} rows");
    }
    let obs = ObsBatch::of_states(Rng::new(2, "test", 0).normals(PARALLEL * OBS), OBS);
    let memories = vec![Vec::new(); PARALLEL];
    let Rows { least, most } = block_on(rows_alike(actor, &obs, &memories, PARALLEL))?;
    assert!(least <= 2 && most == PARALLEL, "{name}: from {least} rows");
    Ok(())
}

/// Policies of every kind, small and large; diffusion with both samplers, and residual blocks.
#[test]
fn policies_decide_alike_in_any_company() {
    use PolicyKind::{Diffusion, Flow, FlowTransformer, Gaussian, Squashed};
    for kind in [Gaussian, Squashed, Flow, FlowTransformer, Diffusion] {
        for hidden in [32, 256] {
            let actor = Decider(policy(config(kind, hidden)), None);
            check(&actor, &format!("{kind:?} {hidden}")).unwrap();
        }
    }
    let ddpm = PolicyConfig {
        sampler: Sampler::Ddpm,
        residual: true,
        ..config(Diffusion, 512)
    };
    check(&Decider(policy(ddpm), None), "ddpm").unwrap();
    check(&Decider(policy(config(Gaussian, 1024)), None), "wide").unwrap();
}

/// Best-of-N, whose critic judges several proposals of every row.
#[test]
fn a_chooser_decides_alike_in_any_company() {
    for samples in [1, 3, 32] {
        let policy = policy(config(PolicyKind::Flow, 64));
        let settings = BestOfNConfig::preset(Preset::Cpu);
        let mut rng = Rng::new(3, "test", 0);
        let device = crate::trainer();
        let iql = Iql::new(settings, OBS, ACT * CHUNK, &mut rng, device);
        let chooser = BestOfNPolicy {
            critic: iql.critic(),
            samples,
        };
        check(
            &Decider(policy, Some(chooser)),
            &format!("best of {samples}"),
        )
        .unwrap();
    }
}
