//! What is to be known of a run that is given files: that they were made elsewhere.

use super::demos::Demonstrator;
use super::{Config, Inputs, saved_config};
use crate::Result;
use crate::data::{Archive, CODE_VERSION, Meta};
use crate::env::catalogue::{MUJOCO, RAPIER};
use crate::error::excerpt;

/// What is to be known of the files that a run with this configuration is given: that they are of
/// another engine or version. Sentences without a full stop.
///
/// # Errors
/// When the policy says nothing of its configuration.
pub fn notes(config: &Config, inputs: &Inputs) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    if let Some(policy) = &inputs.policy {
        let trained = saved_config(policy, &inputs.services.catalog)?;
        notes.extend(of_policy(config, &trained, policy));
        let what = "the policy was trained";
        notes.extend(another_controller(
            config,
            inputs,
            what,
            &trained.env.controller,
        )?);
    }
    if let Some(demos) = &inputs.demos {
        notes.extend(of_demos(config, &demos.meta));
        // Where nothing else is asked for, theirs is taken.
        if !config.env.controller.is_empty() || inputs.policy.is_some() {
            let what = "the demonstrations were recorded";
            let recorded = &demos.meta.controller;
            notes.extend(another_controller(config, inputs, what, recorded)?);
        }
    }
    Ok(notes)
}

/// Of demonstrations from a file.
fn of_demos(config: &Config, meta: &Meta) -> Vec<String> {
    let what = "the demonstrations were recorded";
    let engine = another_engine(what, &meta.engine, &config.engine);
    let version = another_version(what, &meta.code_version);
    let unknown = Demonstrator::of(&meta.demonstrator).noise.is_none();
    let unknown = unknown.then(|| {
        "the demonstrations do not say how noisy their demonstrator was: demos.noise and \
         demos.varied say nothing about them"
            .to_owned()
    });
    engine.into_iter().chain(version).chain(unknown).collect()
}

/// That something was done (`what`) under another controller than the one that plays here; none
/// where they are the same.
fn another_controller(
    config: &Config,
    inputs: &Inputs,
    what: &str,
    there: &str,
) -> Result<Option<String>> {
    let shortest = |words: &str| inputs.services.catalog.controller(&config.task, words);
    let here = shortest(&config.env.controller)?;
    let there = shortest(there)?;
    let shown = |words: &str| match words {
        "" => "the usual controller".to_owned(),
        words => format!("the controller `{}`", excerpt(words)),
    };
    Ok((here != there).then(|| {
        format!(
            "{what} under {}, but this plays under {} (env.controller), under which actions lead \
             elsewhere",
            shown(&there),
            shown(&here)
        )
    }))
}

/// Of a policy that another run trained.
fn of_policy(config: &Config, trained: &Config, policy: &Archive) -> Vec<String> {
    let what = "the policy was trained";
    let engine = another_engine(what, &trained.engine, &config.engine);
    let version = another_version(what, policy.code_version());
    engine.into_iter().chain(version).collect()
}

/// That something was done (`what`) on another engine than the one that plays here; none where
/// they are the same.
pub fn another_engine(what: &str, engine: &str, here: &str) -> Option<String> {
    // A file can name an engine as it likes.
    let known = [RAPIER, MUJOCO].contains(&engine);
    let shown = if known {
        format!("the engine {engine}")
    } else {
        "an unknown engine".to_owned()
    };
    (engine != here).then(|| {
        format!("{what} on {shown}, but this plays on {here}, on which bodies move otherwise")
    })
}

/// That something was done (`what`) by another version of this program; none where it was this one.
fn another_version(what: &str, version: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".+-".contains(c);
    let known = (1..=40).contains(&version.len()) && version.chars().all(plain);
    let shown = if known {
        format!("version {version}")
    } else {
        "an unknown version".to_owned()
    };
    (version != CODE_VERSION).then(|| format!("{what} by {shown} of protege, not {CODE_VERSION}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only what differs is remarked on, and what a file says cannot break a line or a terminal.
    #[test]
    fn what_differs_is_remarked_on_in_one_line() {
        assert_eq!(another_engine("it was made", RAPIER, RAPIER), None);
        assert_eq!(another_version("it was made", CODE_VERSION), None);
        let long = "9".repeat(1000);
        for foreign in ["", "\u{1b}[31m\n", &long] {
            let engine = another_engine("it was made", foreign, MUJOCO).unwrap();
            let version = another_version("it was made", foreign).unwrap();
            assert!(engine.contains("an unknown engine"), "{engine}");
            assert!(version.contains("an unknown version"), "{version}");
        }
        let engine = another_engine("it was made", MUJOCO, RAPIER).unwrap();
        assert!(engine.contains("mujoco") && engine.contains("rapier"));
        assert!(
            another_version("it was made", "0.0.7")
                .unwrap()
                .contains("0.0.7")
        );
    }
}
