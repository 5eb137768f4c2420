//! About how long a cell takes on one core, from the sizes of its networks and the lengths of its
//! training. Held against finished runs of every method it is right within a factor of three;
//! once cells are done, [`status`](super::status) knows better.

use super::plan::{Given, Kind, Plan, PlannedCell};
use crate::engines::CATALOG;
use protege_core::Result;
use protege_core::run::Config;
use serde_json::Value;
use std::collections::BTreeMap;

/// Operations a second of a core in training, products and all that stands between them.
const RATE: f64 = 30e9;
/// Seconds that an update or a decision takes whatever its sizes.
const OVERHEAD: f64 = 0.5e-3;
/// Operations for each weight and row: forward alone, and with the way back.
const FORWARD: f64 = 2.0;
const LEARNING: f64 = 6.0;
/// Target networks and second passes, as a share of learning.
const TARGETS: f64 = 1.5;
/// Seconds of a picture of 84 pixels in the small encoder, forward and backward; of drawing it.
const SEEING: f64 = 1.5e-3;
const DRAWING: f64 = 2.5e-3;
/// The share of an episode's time limit that is played, about.
const PLAYED: f64 = 0.6;
/// Seconds of a control step of each suite; of others as of the first.
const STEPS: [(&str, f64); 4] = [
    ("lab/", 50e-6),
    ("metaworld/", 350e-6),
    ("adroit/", 500e-6),
    ("robosuite/", 1300e-6),
];

/// Core seconds of every cell of a plan together.
///
/// # Errors
/// When a task is not there any more.
pub fn core_seconds(plan: &Plan) -> Result<f64> {
    let mut known: BTreeMap<(usize, Kind, usize), f64> = BTreeMap::new();
    let mut sum = 0.0;
    for cell in &plan.cells {
        let key = (cell.config, cell.kind, cell.given.len());
        let seconds = match known.get(&key) {
            Some(seconds) => *seconds,
            None => {
                let seconds = Work::of(&plan.config(cell)?)?.cell(cell);
                known.insert(key, seconds);
                seconds
            }
        };
        sum += seconds;
    }
    Ok(sum)
}

/// What an estimate begins with.
struct Work {
    settings: Value,
    /// Numbers of an observation and of a chunk.
    obs: f64,
    chunk_len: f64,
    /// Decisions of an episode, and seconds of the control steps of one.
    decisions: f64,
    playing: f64,
    /// Seconds of the pictures of an observation in learning; 0 for states.
    seeing: f64,
    /// Weights of the policy.
    policy: f64,
}

impl Work {
    fn of(config: &Config) -> Result<Self> {
        let task = config.played(&CATALOG)?;
        let settings = config.to_value();
        let repeat = config.env.action_repeat as f64;
        let chunk = config.policy.chunk as f64;
        let horizon = PLAYED * task.spec.horizon as f64;
        let act = task.spec.act as f64;
        let images = config.env.images();
        let area: f64 = images
            .iter()
            .map(|image| (image.size as f64 / 84.0).powi(2))
            .sum();
        let encoder = match settings["policy"]["encoder"].as_str() {
            Some("resnet") => 20.0,
            Some("vit") => 3.0,
            _ => 1.0,
        };
        let suite = STEPS
            .iter()
            .find(|(suite, _)| config.task.starts_with(suite));
        let step = suite.map_or(STEPS[0].1, |(_, seconds)| *seconds);
        let obs = task.spec.obs.state as f64;
        let chunk_len = act * chunk;
        let shape = (
            number(&settings, "policy.hidden"),
            number(&settings, "policy.layers"),
        );
        Ok(Self {
            obs,
            chunk_len,
            decisions: (horizon / repeat / chunk).ceil(),
            playing: step * repeat * chunk + DRAWING * area,
            seeing: SEEING * encoder * area,
            policy: stack(obs + chunk_len, chunk_len, shape),
            settings,
        })
    }

    fn get(&self, key: &str) -> f64 {
        number(&self.settings, key)
    }

    fn name(&self, key: &str) -> &str {
        let value = key
            .split('.')
            .fold(&self.settings, |group, name| &group[name]);
        value.as_str().unwrap_or_default()
    }

    fn cell(&self, cell: &PlannedCell) -> f64 {
        let has = |wanted: fn(&Given) -> bool| cell.given.iter().any(wanted);
        let demos = match has(|given| matches!(given, Given::Demos(_))) {
            true => 0.0,
            false => self.demonstrations(),
        };
        let pretraining = match has(|given| matches!(given, Given::Policy(_))) {
            true => 0.0,
            false => self.pretraining(),
        };
        match cell.kind {
            Kind::Demos => demos,
            Kind::Pretrain => demos + pretraining,
            Kind::Run => demos + pretraining + self.finetuning() + self.evaluation(),
        }
    }

    fn demonstrations(&self) -> f64 {
        self.get("demos.count") * self.decisions * self.playing
    }

    /// Seconds of so many updates of so many weights from so many rows.
    fn learning(&self, updates: f64, weights: f64, rows: f64) -> f64 {
        updates * (OVERHEAD + rows * LEARNING * weights / RATE)
    }

    /// Updates of cloning: counted as they are, or in passes over the demonstrations.
    fn updates(&self, group: &str) -> f64 {
        let updates = self.get(&format!("{group}.updates"));
        let batch = self.get(&format!("{group}.batch"));
        let pairs = self.get("demos.count") * self.decisions * self.get("policy.chunk");
        match self.name(&format!("{group}.unit")) {
            "epoch" => updates * (pairs / batch).ceil(),
            _ => updates,
        }
    }

    fn pretraining(&self) -> f64 {
        let method = self.name("pretrain.method");
        let batch = self.get("pretrain.bc.batch");
        let updates = self.updates("pretrain.bc");
        let cloning = self.learning(updates, self.policy, batch) + updates * batch * self.seeing;
        let shape = |group: &str| {
            let hidden = self.get(&format!("pretrain.{group}.hidden"));
            (hidden, self.get(&format!("pretrain.{group}.layers")))
        };
        match method {
            "post-bc" => {
                let members = self.get("pretrain.post_bc.members");
                let own = stack(self.obs, self.chunk_len, shape("post_bc"));
                let rows = members * self.get("pretrain.post_bc.batch");
                cloning + self.learning(self.updates("pretrain.post_bc"), own, rows)
            }
            "value-dice" => {
                let own = stack(self.obs + self.chunk_len, 1.0, shape("value_dice"));
                let rows = 3.0 * self.get("pretrain.value_dice.batch");
                self.learning(self.get("pretrain.value_dice.updates"), 2.0 * own, rows)
            }
            _ => cloning,
        }
    }

    /// Seconds of a decision of the policy, played and all.
    fn acting(&self) -> f64 {
        let steps = self.get("policy.inference_steps").max(1.0);
        OVERHEAD / 10.0 + FORWARD * self.policy * steps / RATE + self.seeing / 3.0 + self.playing
    }

    /// Seconds of a decision of what finetuning makes.
    fn deciding(&self) -> f64 {
        match self.name("finetune.method") {
            "best-of-n" => {
                self.playing
                    + self.get("finetune.best_of_n.samples") * (self.acting() - self.playing)
            }
            "td-mpc" => self.playing + self.planning() + self.seeing / 3.0,
            _ => self.acting(),
        }
    }

    /// Seconds of a plan of TD-MPC.
    fn planning(&self) -> f64 {
        let get = |name: &str| self.get(&format!("finetune.td_mpc.{name}"));
        let rows = (get("samples") + get("policy_samples")) * get("iterations") * get("horizon");
        OVERHEAD + rows * FORWARD * 3.0 * self.model() / RATE
    }

    /// Weights of one of TD-MPC's networks.
    fn model(&self) -> f64 {
        let get = |name: &str| self.get(&format!("finetune.td_mpc.{name}"));
        stack(
            get("latent") + self.chunk_len,
            get("latent"),
            (get("hidden"), 2.0),
        )
    }

    fn evaluation(&self) -> f64 {
        let episodes = self.get("eval.episodes");
        // Those of the curve are few beside these.
        let curve = 3.0 * self.get("eval.curve_episodes");
        episodes * self.decisions * self.acting()
            + (episodes + curve) * self.decisions * self.deciding()
    }

    fn finetuning(&self) -> f64 {
        let group = self.name("finetune.method").replace('-', "_");
        let get = |name: &str| self.get(&format!("finetune.{group}.{name}"));
        let critics = get("critics").max(1.0);
        let shape = (get("hidden"), get("layers").max(2.0));
        let own = stack(self.obs + self.chunk_len, 1.0, shape);
        match &group[..] {
            "none" => 0.0,
            "best_of_n" => {
                let practice = get("rollouts") * self.decisions * self.acting();
                let updates = get("rounds") * get("updates");
                practice + self.learning(updates, TARGETS * (critics + 1.0) * own, get("batch"))
            }
            "dppo" => {
                let decisions = get("episodes") * self.decisions;
                let rows = get("epochs") * decisions * get("finetuned_steps");
                let iteration = decisions * self.acting()
                    + rows * (LEARNING * (self.policy + own) / RATE + self.seeing);
                get("iterations") * iteration
            }
            "td_mpc" => {
                let rows = get("batch") * get("horizon");
                let weights = TARGETS * (critics + 4.0) * self.model();
                let update = self.learning(1.0, weights, rows) + rows * self.seeing;
                let alone = match self.name("finetune.td_mpc.arm") {
                    "bc-only" => 0.0,
                    _ => get("total_steps"),
                };
                alone * (self.deciding() + get("utd_ratio") * update)
                    + get("clone_updates") * update / 4.0
            }
            _ => {
                // An actor beside the critics; DSRL has two kinds of critics, and asks the policy.
                let kinds = if group == "dsrl" { 2.0 } else { 1.0 };
                let asked = if group == "dsrl" {
                    let steps = self.get("policy.inference_steps").max(1.0);
                    get("batch") * FORWARD * self.policy * steps / RATE
                } else {
                    0.0
                };
                let weights = TARGETS * (kinds * critics + 1.0) * own;
                let update = self.learning(1.0, weights, get("batch")) + asked;
                get("total_steps") * (self.acting() + get("utd_ratio") * update)
                    + get("critic_updates") * update
            }
        }
    }
}

/// Weights of a perceptron with hidden layers of one width.
fn stack(inputs: f64, outputs: f64, (hidden, layers): (f64, f64)) -> f64 {
    inputs * hidden + (layers - 1.0).max(0.0) * hidden * hidden + hidden * outputs
}

/// The number at a key; 0 where there is none.
fn number(settings: &Value, key: &str) -> f64 {
    let value = key.split('.').fold(settings, |group, name| &group[name]);
    value.as_f64().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use protege_core::run::Preset;

    fn run_of(changes: &[(&str, &str)]) -> f64 {
        let config = Config::preset(Preset::Cpu);
        let changes = changes
            .iter()
            .map(|(key, text)| (key.to_string(), text.to_string()));
        let changes: Vec<_> = changes.collect();
        let config = config.set_all(&changes, &CATALOG).unwrap();
        let work = Work::of(&config).unwrap();
        work.demonstrations() + work.pretraining() + work.finetuning() + work.evaluation()
    }

    /// Estimates are within a factor of three of what the results' runs of one seed took on a core
    /// of an AMD EPYC.
    #[test]
    fn estimates_are_near_what_runs_took() {
        let task = ("task", "lab/pick-place");
        for (method, seconds) in [
            ("best-of-n", 90.0),
            ("dppo", 105.0),
            ("csil", 120.0),
            ("rlpd", 360.0),
            ("td-mpc", 1320.0),
        ] {
            let estimate = run_of(&[task, ("finetune.method", method)]);
            let ratio = estimate / seconds;
            assert!(
                (1.0 / 3.0..3.0).contains(&ratio),
                "{method}: {estimate:.0} s"
            );
        }
    }

    /// More of anything takes longer.
    #[test]
    fn more_work_takes_longer() {
        let base = run_of(&[]);
        for change in [
            ("demos.count", "100"),
            ("pretrain.post_bc.members", "100"),
            ("pretrain.bc.updates", "100000"),
            ("policy.hidden", "1024"),
            ("finetune.best_of_n.rollouts", "5000"),
            ("finetune.best_of_n.updates", "30000"),
            ("eval.episodes", "2000"),
        ] {
            assert!(run_of(&[change]) > base, "{change:?}");
        }
    }
}
