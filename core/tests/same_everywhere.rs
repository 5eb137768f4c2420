//! What must come out the same natively and in the browser. One file, two targets: `cargo xtask
//! test` runs it on both.

use burn::tensor::Device;
use protege_core::env::catalogue::CORE;
use protege_core::env::{Env, LabEnv};
use protege_core::rng::Rng;
use protege_core::run::{Config, Inputs, Phase, Preset, Run};
use protege_core::tasks::ExpertStyle;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test;

/// A seed means the same numbers on every machine, to the last bit; so do normal draws, which go
/// through logarithm and cosine.
#[cfg_attr(not(target_arch = "wasm32"), test)]
#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
fn random_streams_are_the_same_bits() {
    let mut rng = Rng::new(7, "same-everywhere", 3);
    let bits: Vec<u64> = (0..4).map(|_| rng.bits()).collect();
    assert_eq!(bits, BITS);
    let normals: Vec<u64> = (0..4).map(|_| rng.normal().to_bits()).collect();
    assert_eq!(normals, NORMALS);
}

const BITS: [u64; 4] = [
    0xa1b3_fe3c_dbdc_0e38,
    0x6859_20d1_19db_2f46,
    0xbaa5_aafb_eae3_d5a7,
    0xa4eb_4f67_aac9_d270,
];
const NORMALS: [u64; 4] = [
    0x3fb6_640c_a4a8_085a,
    0x3fe1_3708_ffde_88e7,
    0xbfd5_7c6c_047c_fdb9,
    0xbff0_6563_928f_3641,
];

/// Physics, task and expert give the same episode on every machine, to the last bit of every
/// observation.
#[cfg_attr(not(target_arch = "wasm32"), test)]
#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
fn episodes_are_the_same_bits() {
    assert_eq!(EPISODES.map(|(task, _)| (task, episode(task))), EPISODES);
}

/// A hash of every bit that is observed in an episode of the task's expert, which ends in success.
fn episode(task: &str) -> u64 {
    let mut env = LabEnv::new(task).unwrap();
    env.set_style(ExpertStyle {
        noise: 0.1,
        ..ExpertStyle::default()
    })
    .unwrap();
    let mut hash = env.reset(5).state.iter().fold(FNV, fold);
    loop {
        let action = env.expert().unwrap();
        let step = env.step(&action).unwrap();
        hash = step.obs.state.iter().fold(hash, fold);
        if step.done() {
            assert!(step.success, "{task} ends in success");
            return hash;
        }
    }
}

const EPISODES: [(&str, u64); 6] = [
    ("lab/lift", 0xab03_fbf5_cb04_6024),
    ("lab/pick-place", 0xfa2a_d956_5782_97de),
    ("lab/box-close", 0x9760_d645_2490_26f0),
    ("lab/assembly", 0x8fcb_1681_f8a8_1b56),
    ("lab/door", 0x4103_750a_ce5d_7e57),
    ("lab/hammer", 0xbf2a_65b7_cb2d_f0f2),
];

/// FNV-1a over the bits of the numbers.
const FNV: u64 = 0xcbf2_9ce4_8422_2325;

fn fold(hash: u64, value: &f32) -> u64 {
    (hash ^ u64::from(value.to_bits())).wrapping_mul(0x0100_0000_01b3)
}

/// A run learns the same way natively and in the browser. Sums are ordered differently by the two
/// instruction sets, hence a tolerance; the losses are those of x86-64.
#[cfg_attr(not(target_arch = "wasm32"), test)]
#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
fn runs_learn_the_same_way() {
    let losses = losses();
    assert_eq!(losses.len(), LOSSES.len(), "{losses:?}");
    for ((name, got), want) in losses.iter().zip(LOSSES) {
        assert!(
            (got - want).abs() < 1e-3 * want,
            "{name} is {got}, not {want}, in {losses:?}"
        );
    }
}

const LOSSES: [f64; 4] = [0.233_006_75, 0.108_878_57, 1.128_339_53, 1.026_443_72];

/// The losses of ensemble and policy after 50 and 100 steps each.
fn losses() -> Vec<(String, f64)> {
    let settings = [
        ("demos.count", "3"),
        ("pretrain.post_bc.updates", "100"),
        ("pretrain.bc.updates", "100"),
    ];
    let config = settings
        .iter()
        .fold(Config::preset(Preset::Tiny), |config, (key, value)| {
            config.set(key, value, &CORE).unwrap()
        });
    let mut run = Run::new(config, Inputs::default(), Device::flex()).unwrap();
    let mut losses = Vec::new();
    loop {
        let progress = pollster::block_on(run.step()).unwrap();
        if progress.phase == Phase::Evaluate {
            return losses;
        }
        let values = progress
            .records
            .into_iter()
            .flat_map(|record| record.values);
        losses.extend(values.filter(|(name, _)| name.starts_with("loss/")));
    }
}
