//! Whether a run fits the machine: what its settings take of memory, phase by phase, against what
//! there is.

use super::Config;
use crate::env::Catalog;
pub use crate::memory::Need;
use crate::memory::{NUMBER, NetworkSize, SAVED, Sizes};
use crate::policy::memory as policy;
use crate::{Error, Result};
use serde_json::Value;

/// The program itself, with all that does not follow settings.
const PROGRAM: f64 = 50e6;
/// The share of an episode's time limit that demonstrations take, about.
const DEMONSTRATED: f64 = 0.5;

/// What a run can have of the machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// Bytes of memory.
    pub memory: f64,
    /// Threads that one run learns on.
    pub cores: usize,
    /// Runs at a time.
    pub runs: usize,
}

/// What a run takes in its largest phase, the largest part first. `has_policy`: it begins with a
/// policy, and pretrains none.
///
/// # Errors
/// When there is no such task.
pub fn needs(
    config: &Config,
    catalog: &Catalog,
    has_policy: bool,
    cores: usize,
) -> Result<Vec<Need>> {
    let task = config.played(catalog)?;
    let obs = config.observations(&task);
    let horizon = task.spec.horizon.div_ceil(config.env.action_repeat);
    let episodes = config.demonstrations() as f64;
    let most = config.eval.episodes.max(config.eval.curve_episodes);
    let sizes = Sizes {
        policy: &config.policy,
        reads: crate::obs::ObsSpec {
            cameras: config.policy_images(),
            ..obs.clone()
        },
        obs,
        act: task.spec.act,
        horizon,
        pairs: episodes * horizon as f64 * DEMONSTRATED,
        parallel: config.env.parallel.min(most),
        cores,
    };
    let net = policy::network(&sizes);
    let mut phases = match has_policy {
        true => Vec::new(),
        false => config.pretrain.memory(&sizes),
    };
    let mut practice = vec![
        Need::new("the pretrained policy", &policy::KEYS, net.following()),
        acting(&sizes, net),
    ];
    practice.extend(config.finetune.memory(&sizes));
    phases.push(practice);
    let total = |needs: &Vec<Need>| needs.iter().map(|need| need.bytes).sum::<f64>();
    let largest = phases.into_iter();
    let largest = largest.max_by(|a, b| total(a).total_cmp(&total(b)));
    let mut needs = largest.unwrap_or_default();
    needs.push(demonstrations(&sizes));
    if !sizes.obs.cameras.is_empty() {
        let drawing = catalog.suite(&config.task)?.drawing_memory();
        needs.push(renderers(&sizes, drawing));
    }
    needs.sort_by(|a, b| b.bytes.total_cmp(&a.bytes));
    Ok(needs)
}

/// Environments, and the policy that acts in all of them at once.
fn acting(sizes: &Sizes, net: NetworkSize) -> Need {
    let envs = sizes.parallel;
    let noise = policy::noise_len(sizes) * NUMBER;
    let bytes = sizes.environments(envs) + net.acting(envs as f64) + noise * envs as f64;
    Need::new("the environments", &["env.parallel"], bytes)
}

/// Renderers, each with so many bytes. Every thread has its own, however few the environments are:
/// any thread may draw any of them.
fn renderers(sizes: &Sizes, bytes: f64) -> Need {
    let count = sizes.cores * sizes.obs.cameras.len();
    Need::new(
        "what draws the pictures",
        &["env.image_size"],
        bytes * count as f64,
    )
}

/// The demonstrations, as episodes and as pairs.
fn demonstrations(sizes: &Sizes) -> Need {
    // Pairs share the frames that several of them see.
    let cameras = sizes.reads.cameras.iter();
    let pixels: f64 = cameras.map(|camera| camera.frame_len() as f64).sum();
    let numbers = sizes.reads.numbers() as f64 + sizes.chunk_len();
    let pairs = sizes.pairs * (2.0 * numbers * NUMBER + pixels);
    let mut keys = vec!["demos.count"];
    if pixels > 0.0 {
        keys.extend(["env.image_size", "env.image_stack"]);
    }
    let bytes = sizes.episodes(sizes.pairs) + pairs * SAVED.min(2.0);
    Need::new("the demonstrations", &keys, bytes)
}

/// Bytes that a run takes in all; see [`needs`].
///
/// # Errors
/// When there is no such task.
pub fn total(config: &Config, catalog: &Catalog, has_policy: bool, cores: usize) -> Result<f64> {
    let needs = needs(config, catalog, has_policy, cores)?;
    Ok(PROGRAM + needs.iter().map(|need| need.bytes).sum::<f64>())
}

/// Refuses settings that take more than the machine has.
///
/// # Errors
/// Says how much they take, and which of them make it so much.
pub fn check(
    config: &Config,
    catalog: &Catalog,
    has_policy: bool,
    machine: &Machine,
) -> Result<()> {
    let needs = needs(config, catalog, has_policy, machine.cores)?;
    let own: f64 = needs.iter().map(|need| need.bytes).sum();
    let total = PROGRAM + own * machine.runs as f64;
    let Some(largest) = needs.first().filter(|_| total > machine.memory) else {
        return Ok(());
    };
    let tree = config.to_value();
    let product = product(largest, &tree);
    let part = size(largest.bytes);
    let seeds = match machine.runs {
        1 => String::new(),
        runs => format!(" for each of the {runs} seeds that run at a time"),
    };
    let all = if total > 1.2 * largest.bytes {
        format!(", of about {} in all", size(total))
    } else {
        String::new()
    };
    Err(Error::input(format!(
        "{product} needs about {part} for {}{seeds}{all}, and this machine has {}: lower {}",
        largest.what,
        size(machine.memory),
        if largest.keys.len() > 1 {
            "one of them"
        } else {
            "it"
        }
    )))
}

/// `policy.hidden 8192 × policy.layers 16`.
fn product(need: &Need, tree: &Value) -> String {
    let value = |key: &String| format!("{key} {}", crate::settings::value_at(tree, key));
    let factors: Vec<String> = need.keys.iter().map(value).collect();
    factors.join(" × ")
}

/// `2.7 TB`, `25 GB`, `512 MB`.
fn size(bytes: f64) -> String {
    let units = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6)];
    let fitting = units.into_iter().find(|(_, unit)| bytes >= *unit);
    let (name, unit) = fitting.unwrap_or(("MB", 1e6));
    let value = bytes / unit;
    if value < 9.95 {
        format!("{value:.1} {name}")
    } else {
        format!("{value:.0} {name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::catalogue::CORE;
    use crate::finetune;
    use crate::pretrain;
    use crate::settings::Preset;

    const GB: f64 = 1e9;

    fn with(settings: &[(&str, &str)]) -> Config {
        let changes: Vec<(String, String)> = settings
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let preset = Config::preset(Preset::Cpu);
        preset.set_all(&changes, &CORE).unwrap()
    }

    fn machine(memory: f64) -> Machine {
        Machine {
            memory,
            cores: 16,
            runs: 1,
        }
    }

    /// Every method says what it takes, and fits into 4 GB; with the papers' sizes, such as
    /// PostBC's hundred networks of 1024 units, into 16 GB.
    #[test]
    fn every_preset_of_every_method_fits() {
        for preset in Preset::ALL {
            let gigabytes = match preset {
                Preset::Paper => 16.0,
                Preset::Cpu | Preset::Tiny => 4.0,
            };
            for pretraining in pretrain::INFOS {
                for finetuning in finetune::INFOS {
                    let settings = [
                        ("preset", preset.name()),
                        ("pretrain.method", pretraining.id),
                        ("finetune.method", finetuning.id),
                    ];
                    let settings = settings.map(|(key, value)| (key.to_owned(), value.into()));
                    let Ok(config) = Config::resolve(&settings, &CORE) else {
                        continue;
                    };
                    let name = (preset.name(), pretraining.id, finetuning.id);
                    let fits = check(&config, &CORE, false, &machine(gigabytes * GB));
                    assert_eq!(fits, Ok(()), "{name:?}");
                    let needs = needs(&config, &CORE, true, 1).unwrap();
                    let known = |need: &Need| need.bytes.is_finite() && need.bytes >= 0.0;
                    assert!(needs.iter().all(known), "{name:?}: {needs:?}");
                    // The policy, what acts, and the demonstrations; and the method's own.
                    let own = finetuning.id != "none";
                    assert_eq!(needs.len() > 3, own, "{name:?}: {needs:?}");
                }
            }
        }
    }

    /// Settings, and what their refusal names.
    type Case = (
        &'static [(&'static str, &'static str)],
        &'static [&'static str],
    );

    /// What takes more than there is is refused, with the settings that make it so large; and every
    /// key that is named is one.
    #[test]
    fn what_is_too_large_is_refused_by_its_settings() {
        let cases: [Case; 12] = [
            (
                &[
                    ("pretrain.post_bc.members", "10000"),
                    ("pretrain.post_bc.hidden", "8192"),
                ],
                &[
                    "pretrain.post_bc.members 10000 × pretrain.post_bc.hidden 8192",
                    "TB",
                ],
            ),
            (
                &[("policy.hidden", "8192"), ("policy.layers", "16")],
                &["policy.hidden 8192 × policy.layers 16", "GB"],
            ),
            (
                &[
                    ("finetune.method", "dsrl"),
                    ("finetune.dsrl.critics", "1000"),
                    ("finetune.dsrl.hidden", "8192"),
                ],
                &["finetune.dsrl.critics 1000 × finetune.dsrl.hidden 8192"],
            ),
            (
                &[
                    ("finetune.method", "best-of-n"),
                    ("finetune.best_of_n.critics", "1000"),
                    ("finetune.best_of_n.hidden", "8192"),
                ],
                &["finetune.best_of_n.critics 1000"],
            ),
            (
                &[
                    ("finetune.method", "best-of-n"),
                    ("finetune.best_of_n.samples", "100000"),
                ],
                &["env.parallel 50 × finetune.best_of_n.samples 100000"],
            ),
            (
                &[
                    ("finetune.method", "td-mpc"),
                    ("finetune.td_mpc.samples", "100000"),
                    ("finetune.td_mpc.hidden", "512"),
                ],
                &["finetune.td_mpc.samples 100000"],
            ),
            (
                &[
                    ("finetune.method", "csil"),
                    ("finetune.csil.batch", "1048576"),
                    ("finetune.csil.hidden", "512"),
                ],
                &["finetune.csil.batch 1048576"],
            ),
            (
                &[
                    ("finetune.method", "dsrl"),
                    ("finetune.dsrl.batch", "1048576"),
                    ("finetune.dsrl.hidden", "512"),
                ],
                &["finetune.dsrl.batch 1048576"],
            ),
            (
                &[("pretrain.bc.batch", "1048576"), ("policy.hidden", "2048")],
                &["pretrain.bc.batch 1048576 × policy.hidden 2048"],
            ),
            (
                &[
                    ("finetune.method", "dsrl"),
                    ("finetune.dsrl.total_steps", "1000000000"),
                ],
                &["finetune.dsrl.total_steps 1000000000"],
            ),
            (
                &[
                    ("finetune.method", "sac"),
                    ("finetune.sac.total_steps", "1000000000"),
                    ("finetune.sac.capacity", "1000000000"),
                ],
                &["finetune.sac.capacity 1000000000"],
            ),
            (
                &[
                    ("finetune.method", "dppo"),
                    ("finetune.dppo.episodes", "1000000"),
                ],
                &["finetune.dppo.episodes 1000000"],
            ),
        ];
        for (settings, pieces) in cases {
            let config = with(settings);
            let refused = check(&config, &CORE, false, &machine(25.0 * GB));
            let sentence = refused.expect_err(&format!("{settings:?}")).to_string();
            assert!(sentence.contains("25 GB"), "{sentence}");
            for piece in pieces {
                assert!(sentence.contains(piece), "{piece}: {sentence}");
            }
            assert!(!sentence.contains("null"), "{sentence}");
        }
    }

    /// What a run that is given a policy does not do is not counted, and seeds that run at a time
    /// are.
    #[test]
    fn only_what_is_done_is_counted() {
        let config = with(&[
            ("pretrain.post_bc.members", "10000"),
            ("pretrain.post_bc.hidden", "8192"),
        ]);
        assert!(check(&config, &CORE, false, &machine(25.0 * GB)).is_err());
        assert_eq!(check(&config, &CORE, true, &machine(25.0 * GB)), Ok(()));
        let config = with(&[("policy.hidden", "2048"), ("policy.layers", "8")]);
        let eight = Machine {
            runs: 8,
            ..machine(4.0 * GB)
        };
        assert_eq!(check(&config, &CORE, false, &machine(4.0 * GB)), Ok(()));
        let sentence = check(&config, &CORE, false, &eight).unwrap_err();
        assert!(sentence.to_string().contains("8 seeds"), "{sentence}");
    }
}
