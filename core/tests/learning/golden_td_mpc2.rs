//! TD-MPC2 against numbers of its own code: one plan, one update. All sizes are those of the file.

use crate::fixtures::Fixture;
use crate::{read, trainer};
use burn::module::Module;
use pollster::block_on;
use protege_core::data::{Archive, SequenceBatch};
use protege_core::finetune::td_mpc::{
    Learner, Noise, Planner, Round, TdMpcConfig, UpdateNoise, shifted_plan,
};
use protege_core::nn::{self, Traffic};
use protege_core::obs::ObsBatch;
use protege_core::policy::Sizes;
use protege_core::rng::Rng;
use protege_core::run::Preset;

/// Largest relative error.
const TOLERANCE: f32 = 1e-4;

struct Golden {
    file: Fixture,
    config: TdMpcConfig,
    sizes: Sizes,
}

impl Golden {
    fn open() -> Self {
        let file = Fixture::open("tdmpc2_tiny.safetensors");
        let obs = file.shape("batch/obs");
        let actions = file.shape("batch/action");
        let layer = |name: &str| file.shape(&format!("before/{name}.weight"));
        let proposals = file
            .names("noise/")
            .iter()
            .filter(|name| number(name) < actions[0])
            .count();
        assert_eq!(proposals, actions[0], "the first draws are the proposals'");
        let noise = noises(&file);
        let policy_samples = file.shape(&noise[0])[0];
        let plan = file.counts("plan/noise_count")[0];
        let config = TdMpcConfig {
            batch: obs[1],
            horizon: actions[0],
            latent: layer("dynamics.2")[0],
            hidden: layer("dynamics.0")[0],
            encoder_hidden: layer("encoder.state.0")[0],
            critics: layer("q.0")[0],
            samples: file.shape(&noise[actions[0] + 1])[0],
            policy_samples,
            elites: file.shape("plan/score")[0],
            iterations: (plan - actions[0]) / 3,
            gamma: 0.95,
            lr: 3e-4,
            ..TdMpcConfig::preset(Preset::Paper)
        };
        config.check().unwrap();
        let sizes = Sizes {
            obs: obs[2],
            act: actions[2],
            chunk: 1,
        };
        Self {
            file,
            config,
            sizes,
        }
    }

    /// A learner with the file's weights before the update.
    fn learner(&self) -> Learner {
        let fresh = Learner::new(
            self.config.clone(),
            self.sizes,
            &[],
            &mut Rng::new(0, "test", 0),
            trainer(),
        );
        let mut archive = Archive::new();
        block_on(fresh.save(&mut archive)).unwrap();
        for (ours, theirs) in networks() {
            put(&mut archive, &self.file, ours, &format!("before/{theirs}"));
        }
        Learner::load(self.config.clone(), self.sizes, &[], &archive, trainer()).unwrap()
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        self.file.floats(name)
    }

    fn batch(&self) -> SequenceBatch {
        let rewards = self.floats("batch/reward");
        // The last number of an observation stands where ours has the mark of an end.
        let obs = self.floats("batch/obs");
        let (state, ended): (Vec<&[f32]>, Vec<&[f32]>) = obs
            .chunks(self.sizes.obs)
            .map(|row| row.split_at(self.sizes.obs - 1))
            .unzip();
        SequenceBatch {
            obs: ObsBatch::of_states(state.concat(), self.sizes.obs - 1),
            ended: ended.concat(),
            actions: self.floats("batch/action"),
            done: vec![0.0; rewards.len()],
            rewards,
            weights: vec![1.0; self.config.batch],
            ..SequenceBatch::default()
        }
    }

    /// The first two of a permutation.
    fn pair(&self, name: &str) -> [usize; 2] {
        let order = self.file.counts(name);
        [order[0], order[1]]
    }

    fn assert_close(&self, name: &str, found: &[f32]) {
        assert_near(name, found, &self.floats(name));
    }
}

fn assert_near(name: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let length = |values: &mut dyn Iterator<Item = f32>| {
        values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
    };
    let error = length(&mut found.iter().zip(expected).map(|(a, b)| a - b))
        / length(&mut expected.iter().copied()).max(1e-6);
    assert!(
        error < f64::from(TOLERANCE),
        "{name} is missed by {error}: {:?} {:?}",
        &found[..found.len().min(6)],
        &expected[..expected.len().min(6)]
    );
}

/// Names of the random draws, in their order.
fn noises(file: &Fixture) -> Vec<String> {
    let mut names = file.names("noise/");
    names.sort_by_key(|name| number(name));
    names
}

/// The number in `noise/NNN_kind`.
fn number(name: &str) -> usize {
    name["noise/".len()..][..3].parse().unwrap()
}

/// Our networks and the file's.
fn networks() -> [(&'static str, &'static str); 6] {
    [
        ("td_mpc/world/encoder", "encoder.state"),
        ("td_mpc/world/dynamics", "dynamics"),
        ("td_mpc/world/reward", "reward"),
        ("td_mpc/world/critics", "q"),
        ("td_mpc/target/critics", "q_target"),
        ("td_mpc/prior/net", "pi"),
    ]
}

/// PyTorch keeps weights as (out, in), we as (in, out).
fn transposed(values: &[f32], rows: usize) -> Vec<f32> {
    let columns = values.len() / rows;
    (0..columns)
        .flat_map(|column| (0..rows).map(move |row| values[row * columns + column]))
        .collect()
}

/// A network of the file under our names.
fn put(archive: &mut Archive, file: &Fixture, ours: &str, theirs: &str) {
    for (name, shape, values) in parameters(file, theirs) {
        archive.put_f32(format!("{ours}.{name}"), &shape, values);
    }
}

/// Name within a network, shape and values of every parameter, as we keep them.
fn parameters(file: &Fixture, theirs: &str) -> Vec<(String, [usize; 3], Vec<f32>)> {
    let mut out = Vec::new();
    for layer in 0.. {
        let name = format!("{theirs}.{layer}.weight");
        if !file.names(&name).contains(&name) {
            return out;
        }
        let shape = file.shape(&name);
        let (members, [outputs, inputs]) = if shape.len() == 3 {
            (shape[0], [shape[1], shape[2]])
        } else {
            (1, [shape[0], shape[1]])
        };
        let weights = file
            .floats(&name)
            .chunks(outputs * inputs)
            .flat_map(|one| transposed(one, outputs))
            .collect();
        out.push((
            format!("weights.{layer}"),
            [members, inputs, outputs],
            weights,
        ));
        for (ours, part) in [
            ("biases", "bias"),
            ("gains", "ln.weight"),
            ("shifts", "ln.bias"),
        ] {
            let name = format!("{theirs}.{layer}.{part}");
            if file.names(&name).contains(&name) {
                out.push((
                    format!("{ours}.{layer}"),
                    [members, 1, outputs],
                    file.floats(&name),
                ));
            }
        }
    }
    out
}

/// Given the same weights, observation, previous plan and random draws, the plan is TD-MPC2's: its
/// mean, and its first action where the best elite acts.
#[test]
fn golden_td_mpc2_plans_as_the_reference() {
    let golden = Golden::open();
    let Golden {
        file,
        config,
        sizes,
    } = &golden;
    let learner = golden.learner();
    let names = noises(file);
    let horizon = config.horizon;
    let sampled = config.samples - config.policy_samples;
    let round = |i: usize| {
        let at = horizon + 3 * i;
        // (horizon, samples, act) there, (samples, horizon, act) here.
        let values = golden.floats(&names[at]);
        let samples = (0..sampled)
            .flat_map(|n| (0..horizon).map(move |t| (t * sampled + n) * sizes.act))
            .flat_map(|from| &values[from..from + sizes.act]);
        Round {
            samples: samples.copied().collect(),
            last: golden.floats(&names[at + 1]),
            critics: vec![golden.pair(&names[at + 2])],
        }
    };
    let noise = Noise {
        proposals: names[..horizon]
            .iter()
            .map(|name| golden.floats(name))
            .collect(),
        rounds: (0..config.iterations).map(round).collect(),
        draw: None,
        exploration: None,
    };
    let world = learner.world.valid();
    let prior = learner.prior.valid();
    let device = trainer().without_autodiff();
    let z = world.encode(nn::matrix(golden.floats("plan/obs"), sizes.obs, &device).into());
    let width = horizon * sizes.act;
    let start = nn::matrix(
        shifted_plan(&golden.floats("plan/prev_mean"), width, sizes.act),
        width,
        &device,
    );
    let before = Traffic::so_far();
    let plan = Planner {
        world: &world,
        prior: &prior,
        config,
        horizon,
    }
    .plan(z, start, None, &noise);
    let within = Traffic::so_far().since(before);
    assert_eq!(within.reads, 0, "no plan waits for its device");
    golden.assert_close("plan/mean", &read(plan.mean));
    golden.assert_close("plan/action", &read(plan.action));
}

/// Given the same weights, batch and random draws, every loss, both gradient norms and every weight
/// after the update, the targets' included, are TD-MPC2's.
#[test]
fn golden_td_mpc2_learns_as_the_reference() {
    let golden = Golden::open();
    let mut learner = golden.learner();
    let names = noises(&golden.file);
    let rest = &names[golden.file.counts("plan/noise_count")[0]..];
    let draws: Vec<&String> = rest
        .iter()
        .filter(|name| name.contains("randn_like"))
        .collect();
    let orders: Vec<&String> = rest
        .iter()
        .filter(|name| name.contains("randperm"))
        .collect();
    let noise = UpdateNoise {
        targets: golden.floats(draws[draws.len() - 2]),
        target_critics: golden.pair(orders[orders.len() - 2]),
        prior: golden.floats(draws[draws.len() - 1]),
        prior_critics: golden.pair(orders[orders.len() - 1]),
        dropout_mask: Vec::new(),
        prior_dropout_mask: Vec::new(),
    };
    let before = Traffic::so_far();
    let losses = learner.step(&golden.batch(), None, &noise);
    let within = Traffic::so_far().since(before);
    assert_eq!(within.reads, 0, "no update waits for its device");
    let found = [
        ("info/consistency_loss", losses.consistency),
        ("info/reward_loss", losses.reward),
        ("info/value_loss", losses.value),
        ("info/total_loss", losses.total),
        ("info/grad_norm", losses.gradient),
        ("info/pi_loss", losses.prior),
        ("info/pi_grad_norm", losses.prior_gradient),
        ("info/pi_entropy", losses.entropy),
        ("info/pi_scaled_entropy", losses.scaled_entropy),
        ("info/pi_scale", losses.range),
    ];
    for (name, value) in found {
        golden.assert_close(name, &read(value));
    }
    let mut archive = Archive::new();
    block_on(learner.save(&mut archive)).unwrap();
    for (ours, theirs) in networks() {
        for (name, _, expected) in parameters(&golden.file, &format!("after/{theirs}")) {
            let (_, found) = archive.get_f32(&format!("{ours}.{name}")).unwrap();
            assert_near(&format!("after/{theirs} {name}"), found, &expected);
        }
    }
}
