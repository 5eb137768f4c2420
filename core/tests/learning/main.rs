//! The learning code: networks, policies, pretraining, finetuning, and whole runs.

mod actor_critic;
mod checkpoints;
mod configs;
mod csil;
mod dppo;
mod dsrl;
mod effects;
mod elsewhere;
mod finetuning;
mod fixtures;
mod golden_diffusion;
mod golden_td_mpc2;
mod imitation;
mod networks;
mod paper;
mod pictures;
mod policies;
mod pretraining;
mod rows;
mod runs;
mod td_mpc;
mod together;

use burn::tensor::{Device, Tensor};
use mimalloc::MiMalloc;
use pollster::block_on;
use protege_core::env::catalogue::CORE;
use protege_core::env::{RolloutSpec, make_on};
use protege_core::finetune::td_mpc::{Backbone, TdMpcConfig};
use protege_core::nn;
use protege_core::obs::ObsBatch;
use protege_core::run::{Config, Preset};

/// The program's allocator: learning takes memory and gives it back all the time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A tensor's values.
fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    block_on(nn::read(tensor)).unwrap()
}

/// The largest difference between two lists of equal length.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

/// Equal to the last bit, the sign of zero included.
fn same_bits(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// Observations of one number each.
fn numbers(values: &[f32]) -> ObsBatch {
    ObsBatch::of_states(values.to_vec(), 1)
}

/// The CPU, with gradients.
fn trainer() -> Device {
    Device::flex().autodiff()
}

/// Practice on probe `number`, so many environments in lockstep, with chunks of `chunk` actions.
fn on_probe(number: usize, parallel: usize, chunk: usize) -> RolloutSpec {
    RolloutSpec {
        task: CORE.entry(&format!("probe/{number}")).unwrap(),
        engine: "rapier".into(),
        make: make_on,
        controller: String::new(),
        success_rule: String::new(),
        action_repeat: 1,
        chunk,
        label: None,
        cameras: Vec::new(),
        to_horizon: false,
        parallel,
        seed: 0,
        threads: 1,
    }
}

/// The preset `tiny` of a world model.
fn tiny_td_mpc(backbone: Backbone) -> TdMpcConfig {
    let tiny = Config::preset(Preset::Tiny);
    let tiny = tiny.set("finetune.td_mpc.backbone", backbone.name(), &CORE);
    tiny.unwrap().finetune.td_mpc
}
