//! A whole run on a GPU device against the same run on the CPU. `cargo xtask test` runs it on a GPU
//! in software.
#![cfg(feature = "wgpu")]

use burn::tensor::{Device, DeviceKind};
use pollster::block_on;
use protege::engines::CATALOG;
use protege_core::run::{Config, Inputs, Preset, Run};
use std::collections::BTreeMap;

/// Ensemble, cloning, rollouts and critics work on a GPU, and learn there what they learn on the
/// CPU: after a few steps every loss agrees to a hundredth.
#[test]
#[ignore = "needs a GPU, or one in software: a step of its own in `cargo xtask test --gpu`"]
fn a_run_on_the_gpu_learns_what_it_learns_on_the_cpu() {
    let cpu = losses(Device::flex());
    let gpu = losses(Device::wgpu(DeviceKind::DefaultDevice));
    assert_eq!(
        cpu.keys().collect::<Vec<_>>(),
        gpu.keys().collect::<Vec<_>>()
    );
    assert!(
        cpu.contains_key("loss/ensemble")
            && cpu.contains_key("loss/policy")
            && cpu.contains_key("loss/q")
    );
    for (name, &value) in &cpu {
        assert!(
            (gpu[name] - value).abs() <= 0.01 * value.abs().max(0.1),
            "{name} is {} on the GPU, {value} on the CPU",
            gpu[name]
        );
    }
}

/// The last value of every loss of a run of a few steps.
fn losses(device: Device) -> BTreeMap<String, f64> {
    let settings = [
        ("pretrain.post_bc.updates", "4"),
        ("pretrain.bc.updates", "4"),
        ("eval.episodes", "2"),
        ("env.parallel", "2"),
        ("finetune.best_of_n.rollouts", "2"),
        ("finetune.best_of_n.updates", "4"),
        ("demos.count", "2"),
    ];
    let config = settings
        .iter()
        .fold(Config::preset(Preset::Tiny), |config, (key, value)| {
            config.set(key, value, &CATALOG).unwrap()
        });
    let mut run = Run::new(config, Inputs::default(), device).unwrap();
    let mut losses = BTreeMap::new();
    loop {
        let progress = block_on(run.step()).unwrap();
        let values = progress
            .records
            .into_iter()
            .flat_map(|record| record.values);
        losses.extend(values.filter(|(name, _)| name.starts_with("loss/")));
        if progress.finished {
            return losses;
        }
    }
}
