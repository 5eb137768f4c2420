//! `protege bench`: the speed of this machine, each figure with its size.

mod environments;
mod launches;
mod networks;
mod pictures;
mod td_mpc;
mod upstream;

use crate::cli::answer::{Answer, Output};
use crate::cli::{machine, names};
use crate::terminal::note;
use burn::tensor::Device;
use protege_core::Result;
use protege_core::run::Preset;
use serde::Serialize;
use serde_json::json;
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  protege bench
  protege bench --only env_steps_per_s --json

Each figure is the median of several repeats after a warm-up. Measure on a machine that \
does nothing else.";

/// Arguments of `bench`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Measure only the figure of this name; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Repeats, of which the median counts
    #[arg(long, value_name = "N", default_value_t = 5)]
    repeats: usize,
    /// `cpu`, `wgpu` or `cuda:N`, for the networks
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// One figure.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    value: f64,
    unit: &'static str,
    /// What was measured.
    size: String,
    higher_is_better: bool,
}

/// Something to measure.
struct Bench {
    name: &'static str,
    run: fn(&Setup) -> Result<Vec<Row>>,
}

/// How to measure.
struct Setup {
    /// The figure's name.
    name: &'static str,
    repeats: usize,
    device: Device,
}

const BENCHES: [Bench; 23] = [
    Bench {
        name: "env_steps_per_s",
        run: environments::steps,
    },
    Bench {
        name: "env_resets_per_s",
        run: environments::resets,
    },
    Bench {
        name: "env_step_parts_us",
        run: environments::parts,
    },
    Bench {
        name: "render_frames_per_s",
        run: environments::render,
    },
    Bench {
        name: "upstream_steps_per_s",
        run: upstream::steps,
    },
    Bench {
        name: "upstream_resets_per_s",
        run: upstream::resets,
    },
    Bench {
        name: "upstream_frames_per_s",
        run: upstream::frames,
    },
    Bench {
        name: "ensemble_ms_per_step",
        run: |setup| networks::ensemble(setup, 256),
    },
    Bench {
        name: "ensemble_paper_ms_per_step",
        run: |setup| networks::ensemble(setup, 512),
    },
    Bench {
        name: "policy_train_ms_per_step",
        run: |setup| networks::policy_train(setup, Preset::Cpu),
    },
    Bench {
        name: "policy_act_ms",
        run: |setup| networks::policy_act(setup, Preset::Cpu),
    },
    Bench {
        name: "policy_paper_train_ms_per_step",
        run: |setup| networks::policy_train(setup, Preset::Paper),
    },
    Bench {
        name: "policy_paper_act_ms",
        run: |setup| networks::policy_act(setup, Preset::Paper),
    },
    Bench {
        name: "iql_ms_per_step",
        run: networks::iql,
    },
    Bench {
        name: "dsrl_ms_per_update",
        run: |setup| networks::dsrl(setup, Preset::Cpu),
    },
    Bench {
        name: "dsrl_paper_ms_per_update",
        run: |setup| networks::dsrl(setup, Preset::Paper),
    },
    Bench {
        name: "td_mpc_ms_per_update",
        run: td_mpc::update,
    },
    Bench {
        name: "td_mpc_ms_per_plan",
        run: td_mpc::plan,
    },
    Bench {
        name: "td_mpc_launches_per_update",
        run: td_mpc::update_launches,
    },
    Bench {
        name: "td_mpc_launches_per_plan",
        run: td_mpc::plan_launches,
    },
    Bench {
        name: "encoder_ms_per_step",
        run: |setup| pictures::encoder(setup, 128),
    },
    Bench {
        name: "encoder_large_ms_per_step",
        run: |setup| pictures::encoder(setup, 256),
    },
    Bench {
        name: "td_mpc_pictures_ms_per_update",
        run: pictures::update,
    },
];

/// Measures.
///
/// # Errors
/// When a name is unknown or a measurement fails.
pub fn answer(args: &Args, output: Output) -> Result<Answer> {
    protege_core::error::within("--repeats", args.repeats, 1, 10_000)?;
    let names: Vec<String> = BENCHES.iter().map(|bench| bench.name.to_owned()).collect();
    args.only
        .iter()
        .try_for_each(|name| names::known("figure", name, names.clone()))?;
    let device = machine::device(&args.device)?;
    let mut rows = Vec::new();
    for bench in BENCHES
        .iter()
        .filter(|bench| args.only.is_empty() || args.only.iter().any(|name| name == bench.name))
    {
        if !output.quiet {
            note(&format!("measuring {} ...", bench.name));
        }
        let setup = Setup {
            name: bench.name,
            repeats: args.repeats,
            device: device.clone(),
        };
        rows.extend((bench.run)(&setup)?);
    }
    let machine = machine::describe();
    let text = rows
        .iter()
        .fold(format!("{machine}\n"), |text, row| text + &line(row));
    Ok(Answer {
        json: json!({ "machine": machine, "device": args.device, "rows": rows }),
        text,
    })
}

fn line(row: &Row) -> String {
    format!(
        "  {:32}{:>12}  {:10}{}\n",
        row.name,
        format!("{:.*}", if row.value < 100.0 { 2 } else { 0 }, row.value),
        row.unit,
        row.size
    )
}

/// The median of what `measure` gives, after one call that does not count.
fn median(setup: &Setup, mut measure: impl FnMut() -> Result<f64>) -> Result<f64> {
    measure()?;
    let mut values = (0..setup.repeats)
        .map(|_| measure())
        .collect::<Result<Vec<_>>>()?;
    values.sort_by(f64::total_cmp);
    Ok((values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0)
}

/// Seconds per call of `work` over `count` calls.
fn seconds_each(count: usize, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    (0..count).try_for_each(|_| work())?;
    Ok(start.elapsed().as_secs_f64() / count as f64)
}

/// A figure of so many things a second.
fn rate_row(setup: &Setup, value: f64, unit: &'static str, size: String) -> Row {
    Row {
        name: setup.name,
        value,
        unit,
        size,
        higher_is_better: true,
    }
}

/// A figure of so long for one thing, by itself.
fn ms_row(setup: &Setup, seconds: f64, size: String) -> Result<Vec<Row>> {
    Ok(vec![Row {
        name: setup.name,
        value: 1e3 * seconds,
        unit: "ms",
        size,
        higher_is_better: false,
    }])
}
