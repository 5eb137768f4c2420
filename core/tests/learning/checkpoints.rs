//! Damaged checkpoints whose checksum is right all the same: loading them, and going on, gives
//! errors and never panics.

use crate::runs::{bytes, small, small_value_dice, start};
use burn::tensor::Device;
use pollster::block_on;
use proptest::prelude::*;
use protege_core::data::{Archive, Replay};
use protege_core::obs::ObsSpec;
use protege_core::run::Run;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// One checkpoint of every stage, by the stage's name; of evaluations the one between rounds, which
/// holds most.
fn checkpoints() -> &'static Vec<Archive> {
    static ALL: OnceLock<Vec<Archive>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut found = BTreeMap::new();
        for mut run in [small_value_dice(), small()].map(start) {
            while !block_on(run.step()).unwrap().finished {
                let archive = Archive::from_bytes(&bytes(&run)).unwrap();
                let name: String = archive.get("stage/name").unwrap();
                // A stage of pretraining has a part that is its own.
                let parts = ["ensemble/state", "cloning/state", "value-dice/state"];
                let stage = (name, parts.map(|part| archive.contains(part)));
                let rank = archive.names().count();
                match found.get(&stage) {
                    Some((most, _)) if *most > rank => {}
                    _ => drop(found.insert(stage, (rank, archive))),
                }
            }
        }
        assert_eq!(found.len(), 6, "every stage that does something");
        found.into_values().map(|(_, archive)| archive).collect()
    })
}

/// One change to one entry.
#[derive(Debug, Clone)]
enum Damage {
    Remove,
    Byte(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Grow(u8),
    Swap(prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        Just(Damage::Remove),
        (index(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        index().prop_map(Damage::Cut),
        (1u8..4).prop_map(Damage::Grow),
        index().prop_map(Damage::Swap),
    ]
}

/// The archive with the entry `name` damaged.
fn damaged(archive: &Archive, name: &str, damage: &Damage) -> Archive {
    let mut out = Archive::new();
    for entry in archive.names() {
        match (archive.get_f32(entry), archive.blob(entry)) {
            _ if entry == name => damage_entry(&mut out, archive, name, damage),
            (Ok((shape, values)), _) => out.put_f32(entry, shape, values.to_vec()),
            (_, Ok(blob)) => out.put_blob(entry, blob.to_vec()),
            _ => out.put_value(entry, &value(archive, entry)).unwrap(),
        }
    }
    out
}

fn value(archive: &Archive, name: &str) -> Value {
    archive.value(name).unwrap()
}

fn damage_entry(out: &mut Archive, archive: &Archive, name: &str, damage: &Damage) {
    let names: Vec<&str> = archive.names().collect();
    if let Damage::Swap(other) = damage {
        let other = names[other.index(names.len())];
        return match (archive.get_f32(other), archive.blob(other)) {
            (Ok((shape, values)), _) => out.put_f32(name, shape, values.to_vec()),
            (_, Ok(blob)) => out.put_blob(name, blob.to_vec()),
            _ => out.put_value(name, &value(archive, other)).unwrap(),
        };
    }
    match (archive.get_f32(name), archive.blob(name)) {
        (Ok((_, values)), _) => {
            let mut values = values.to_vec();
            change(&mut values, damage, |byte| f32::from(byte) * 1e30);
            let rows = values.len();
            if !matches!(damage, Damage::Remove) {
                out.put_f32(name, &[rows], values);
            }
        }
        (_, Ok(blob)) => {
            let mut blob = blob.to_vec();
            change(&mut blob, damage, |byte| byte);
            if !matches!(damage, Damage::Remove) {
                out.put_blob(name, blob);
            }
        }
        _ => {
            // Where the damaged text is no JSON any more, it is a value of another type.
            let mut text = value(archive, name).to_string().into_bytes();
            change(&mut text, damage, |byte| byte);
            let text = String::from_utf8_lossy(&text).into_owned();
            let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
            if !matches!(damage, Damage::Remove) {
                out.put_value(name, &value).unwrap();
            }
        }
    }
}

fn change<T: Clone>(items: &mut Vec<T>, damage: &Damage, from: impl Fn(u8) -> T) {
    match damage {
        Damage::Byte(at, byte) if !items.is_empty() => {
            // Half of the changes hit the head of the entry, where counts and lengths stand.
            let at = if byte % 2 == 0 {
                at.index(items.len().min(48))
            } else {
                at.index(items.len())
            };
            items[at] = from(*byte);
        }
        Damage::Cut(at) => items.truncate(at.index(items.len() + 1)),
        Damage::Grow(n) => (0..*n).for_each(|i| items.push(from(i))),
        _ => {}
    }
}

/// Loads the archive as a run would find it in a file, and goes on for a few steps where it can.
fn survives(archive: &Archive) {
    let Ok(bytes) = archive.to_bytes() else {
        return;
    };
    let Ok(mut run) =
        Archive::from_bytes(&bytes).and_then(|archive| Run::load(archive, Device::flex()))
    else {
        return;
    };
    for _ in 0..3 {
        match block_on(run.step()) {
            Ok(step) if !step.finished => drop(block_on(run.save())),
            _ => return,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Any one entry of a checkpoint of any stage removed, changed, cut, grown or swapped for
    /// another is survived.
    #[test]
    fn damaged_checkpoints_are_survived(
        stage in any::<prop::sample::Index>(),
        entry in any::<prop::sample::Index>(),
        damage in damage(),
    ) {
        let all = checkpoints();
        let archive = &all[stage.index(all.len())];
        let names: Vec<&str> = archive.names().collect();
        survives(&damaged(archive, names[entry.index(names.len())], &damage));
    }
}

/// Whatever a checkpoint needs and lacks is an error when it is loaded. Only what was never there
/// may be absent: the demonstrations, policy and critic of stages that come before them, and the
/// limits of scales, which earlier versions had none of.
#[test]
fn a_checkpoint_that_lacks_something_is_refused() {
    let optional = [
        "demos",
        "policy/sizes",
        "improved/method",
        "best/success",
        "best/method",
        "stage/demos",
    ];
    for archive in checkpoints() {
        let needed = |name: &&str| !optional.contains(name) && !name.ends_with("obs_scale/limit");
        for name in archive.names().filter(needed) {
            let lacking = damaged(archive, name, &Damage::Remove);
            let result = Run::load(lacking, Device::flex());
            // A policy's leftovers are ignored once its scales say that it is there, so each of
            // them is needed.
            assert!(
                result.is_err(),
                "{name} is not missed in the stage {:?}",
                archive.get::<String>("stage/name")
            );
        }
    }
}

/// A replay of another policy's sizes is refused when the run is loaded.
#[test]
fn a_replay_that_does_not_fit_is_refused() {
    let mut seen = 0;
    for archive in checkpoints()
        .iter()
        .filter(|archive| archive.contains("finetuner/replay/shape"))
    {
        let mut foreign = Replay::new(ObsSpec::of_state(3), 4, 10);
        let obs = vec![0.0; 3].into();
        foreign.push(&obs, &[0.0; 4], 0.0, &obs, false).unwrap();
        let mut damaged = archive.clone();
        foreign.save(&mut damaged, "finetuner/replay").unwrap();
        assert!(Run::load(damaged, Device::flex()).is_err());
        seen += 1;
    }
    assert_eq!(
        seen, 2,
        "evaluation between rounds and finetuning carry a replay"
    );
}

/// Sizes that would take the memory of the machine are refused before anything is made of them.
#[test]
fn absurd_sizes_are_refused() {
    for archive in checkpoints() {
        let config = value(archive, "config").to_string();
        for (from, to) in [
            ("\"hidden\":8", "\"hidden\":99999999999"),
            ("\"chunk\":12", "\"chunk\":0"),
            ("\"members\":3", "\"members\":0"),
            ("\"parallel\":2", "\"parallel\":0"),
        ] {
            let mut absurd = archive.clone();
            let config: Value = serde_json::from_str(&config.replace(from, to)).unwrap();
            absurd.put_value("config", &config).unwrap();
            assert!(Run::load(absurd, Device::flex()).is_err(), "{to}");
        }
    }
}
