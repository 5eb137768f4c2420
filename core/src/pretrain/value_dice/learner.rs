//! The two players of ValueDICE and their updates.

use super::{Nu, Rows, Transitions, ValueDiceConfig, orthogonality};
use crate::data::{Archive, Pairs};
use crate::method::LocalFuture;
use crate::nn::{self, Adam, AdamConfig, params};
use crate::policy::{Policy, PolicyConfig};
use crate::pretrain::{Context, Losses, Pretrainer};
use crate::rng::Rng;
use crate::{Error, Result};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// ValueDICE at work: the policy, and the critic nu against which it plays.
pub struct ValueDice {
    policy: Policy,
    nu: Nu,
    policy_adam: Adam,
    nu_adam: Adam,
    transitions: Transitions,
    rng: Rng,
    step: usize,
    config: ValueDiceConfig,
    device: Device,
}

/// The random part of an update: transitions and noise.
struct Batch {
    demos: Rows,
    replay: Rows,
    /// The policy's noise, row by row at the demonstrations' states and next states, then at the
    /// replay's next states.
    noise: Tensor<2>,
    /// Position of the penalty's point between a demonstration and a replay row, in [0, 1):
    /// `[batch, 1]`.
    mix: Tensor<2>,
}

/// The policy's chunks for a batch.
#[derive(Clone)]
struct Proposals {
    /// At the demonstrations' states, all of which count as initial.
    first: Tensor<2>,
    /// At the demonstrations' next states.
    next: Tensor<2>,
    /// At the replay's next states.
    replay_next: Tensor<2>,
}

impl Proposals {
    fn new(policy: &Policy, batch: &Batch) -> Self {
        let Batch {
            demos,
            replay,
            noise,
            ..
        } = batch;
        // One pass through the network for all of them.
        let states = Tensor::cat(
            vec![demos.state.clone(), demos.next.clone(), replay.next.clone()],
            0,
        );
        let chunks = propose(policy, states, noise.clone());
        let n = chunks.dims()[0] / 3;
        let part = |i: usize| chunks.clone().narrow(0, i * n, n);
        Self {
            first: part(0),
            next: part(1),
            replay_next: part(2),
        }
    }

    /// The same chunks, as constants.
    fn detached(self) -> Self {
        Self {
            first: self.first.detach(),
            next: self.next.detach(),
            replay_next: self.replay_next.detach(),
        }
    }
}

/// The policy's chunks at states, and zeros in the absorbing state, where there is nothing to do.
fn propose(policy: &Policy, state: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
    let obs = state.dims()[1] - 1;
    let absorbing = state.clone().narrow(1, obs, 1);
    policy.sample(state.narrow(1, 0, obs), noise) * (absorbing.neg() + 1.0)
}

impl ValueDice {
    /// Begins with a fresh `policy` on an autodiff `device`.
    ///
    /// # Errors
    /// When the policy does not fit the transitions.
    pub fn new(
        policy: Policy,
        transitions: Transitions,
        config: ValueDiceConfig,
        seed: u64,
        device: Device,
    ) -> Result<Self> {
        let (state, chunk) = transitions.row_sizes();
        if (policy.sizes.obs + 1, policy.sizes.chunk_len()) != (state, chunk) {
            return Err(Error::input(
                "the policy does not fit the demonstrations: use ones of the same task and \
                 policy.chunk",
            ));
        }
        let nu = Nu::new(
            &config,
            state + chunk,
            &mut Rng::new(seed, "nu-weights", 0),
            &device,
        );
        let [policy_adam, nu_adam] = [config.policy_lr, config.nu_lr].map(|lr| {
            Adam::new(AdamConfig {
                lr,
                clip_norm: None,
            })
        });
        Ok(Self {
            policy,
            nu,
            policy_adam,
            nu_adam,
            transitions,
            rng: Rng::new(seed, "value-dice", 0),
            step: 0,
            config,
            device,
        })
    }

    fn draw(&mut self) -> Batch {
        let n = self.config.batch;
        // Nothing is played: the replay is a second draw from the demonstrations.
        let [demos, replay] = [(); 2].map(|()| self.rng.indices(n, self.transitions.len()));
        let width = self.policy.noise_len();
        let noise = nn::matrix(self.rng.normals(3 * n * width), width, &self.device);
        let mix = (0..n).map(|_| self.rng.uniform() as f32).collect();
        Batch {
            demos: self.transitions.gather(&demos, &self.device),
            replay: self.transitions.gather(&replay, &self.device),
            noise,
            mix: nn::matrix(mix, 1, &self.device),
        }
    }

    /// The policy's loss, -J and the orthogonal regularization, and -J alone; gradients flow
    /// through `proposals`.
    fn policy_loss(&self, batch: &Batch, proposals: &Proposals) -> (Tensor<1>, Tensor<1>) {
        // nu is a constant here, as the proposals are in nu's loss: each player moves its own
        // weights.
        let divergence = objective(&self.nu.valid(), batch, proposals, &self.config).neg();
        (
            divergence.clone() + orthogonality(&self.policy.net) * self.config.orthogonality,
            divergence,
        )
    }

    /// nu's loss, J and the gradient penalty, for fixed `proposals`.
    fn nu_loss(&self, batch: &Batch, proposals: &Proposals) -> Tensor<1> {
        let penalty = self.nu.penalty(between(batch, proposals)) * self.config.gradient_penalty;
        objective(&self.nu, batch, proposals, &self.config) + penalty
    }

    /// Begins with a fresh policy, on the run's demonstrations.
    pub(super) fn begin(cx: &Context) -> Result<Self> {
        let config = cx.config.value_dice.clone();
        let policy = cx.fresh_policy()?;
        Self::new(policy, transitions(cx)?, config, cx.seed, cx.device.clone())
    }

    /// Restores what [`Pretrainer::save`] wrote.
    pub(super) fn resume(cx: &Context, archive: &Archive) -> Result<Self> {
        let config = cx.config.value_dice.clone();
        let device = cx.device.clone();
        Self::load(cx.policy, transitions(cx)?, config, archive, device)
    }

    async fn write(&self, archive: &mut Archive) -> Result<()> {
        archive.put("value-dice/state", &(&self.rng, self.step))?;
        self.policy.save("value-dice/policy", archive).await?;
        params::save(&self.nu, "value-dice/nu", archive).await?;
        self.policy_adam
            .save("value-dice/policy-adam", archive)
            .await?;
        self.nu_adam.save("value-dice/nu-adam", archive).await
    }

    /// Restores what [`Pretrainer::save`] wrote with the same settings and demonstrations.
    pub(crate) fn load(
        policy: &PolicyConfig,
        transitions: Transitions,
        config: ValueDiceConfig,
        archive: &Archive,
        device: Device,
    ) -> Result<Self> {
        let policy = Policy::load(policy, "value-dice/policy", archive, &device)?;
        let mut learner = Self::new(policy, transitions, config, 0, device)?;
        (learner.rng, learner.step) = archive.get("value-dice/state")?;
        learner.nu = params::load(learner.nu, "value-dice/nu", archive)?;
        let adam = |lr| AdamConfig {
            lr,
            clip_norm: None,
        };
        learner.policy_adam = Adam::load(
            adam(learner.config.policy_lr),
            "value-dice/policy-adam",
            archive,
            &learner.policy.net,
        )?;
        learner.nu_adam = Adam::load(
            adam(learner.config.nu_lr),
            "value-dice/nu-adam",
            archive,
            &learner.nu,
        )?;
        Ok(learner)
    }
}

/// The demonstrations as transitions between decisions.
fn transitions(cx: &Context) -> Result<Transitions> {
    let terminated: Vec<bool> = cx
        .demos
        .episodes
        .iter()
        .map(|episode| episode.terminated)
        .collect();
    Transitions::new(cx.pairs, &terminated, cx.policy.chunk)
}

impl Pretrainer for ValueDice {
    /// One update of both players, each against the other as it was before. The transitions are the
    /// learner's own: pairs lack what came after them.
    fn step(&mut self, _: &Pairs) -> Losses {
        let batch = self.draw();
        let proposals = Proposals::new(&self.policy, &batch);
        let (policy_loss, divergence) = self.policy_loss(&batch, &proposals);
        let nu_loss = self.nu_loss(&batch, &proposals.detached());
        self.policy.net = self.policy_adam.step(self.policy.net.clone(), &policy_loss);
        self.nu = self.nu_adam.step(self.nu.clone(), &nu_loss);
        self.step += 1;
        vec![
            ("loss/nu", nu_loss.inner()),
            ("loss/policy", policy_loss.inner()),
            ("policy/divergence", divergence.inner()),
        ]
    }

    fn progress(&self) -> (usize, usize) {
        (self.step, self.config.updates)
    }

    fn policy(&self) -> Option<Policy> {
        Some(self.policy.frozen())
    }

    fn save<'a>(&'a self, archive: &'a mut Archive) -> LocalFuture<'a, ()> {
        Box::pin(self.write(archive))
    }
}

/// J(nu, pi): the Donsker-Varadhan form of minus the divergence, mixed with the replay as in the
/// paper's equation 17.
///
/// With d = nu(s, a) - gamma nu(s', pi(s')) on demonstrations and replay, and beta the share of the
/// replay: log((1 - beta) mean exp d_demos + beta mean exp d_replay) - (1 - beta) (1 - gamma) mean
/// nu(s, pi(s)) - beta mean d_replay.
fn objective(nu: &Nu, batch: &Batch, proposals: &Proposals, config: &ValueDiceConfig) -> Tensor<1> {
    let gamma = config.gamma;
    let beta = config.replay;
    let Batch { demos, replay, .. } = batch;
    let rows = [
        (&demos.state, &demos.chunk),
        (&replay.state, &replay.chunk),
        (&demos.next, &proposals.next),
        (&replay.next, &proposals.replay_next),
        (&demos.state, &proposals.first),
    ];
    // One pass through the network for all of them.
    let values = nu.values(Tensor::cat(
        rows.map(|(state, chunk)| join(state, chunk)).to_vec(),
        0,
    ));
    let n = demos.state.dims()[0];
    // d = nu(s, a) - gamma nu(s', a'), of the demonstrations, then of the replay.
    let differences =
        values.clone().narrow(0, 0, 2 * n) - values.clone().narrow(0, 2 * n, 2 * n) * gamma;
    let replay_difference = differences.clone().narrow(0, n, n).mean();
    // Every demonstrated state counts as an initial one (`value_dice.py`, `update`).
    let first = values.narrow(0, 4 * n, n).mean();
    // Inside the logarithm both distributions are mixed: 1 - beta of the one, beta of the other.
    let weights = Tensor::cat(
        vec![
            Tensor::full([n], 1.0 - beta, &differences.device()),
            Tensor::full([n], beta, &differences.device()),
        ],
        0,
    );
    // log mean exp, with the largest exponent taken out: as it cancels, it needs no gradient.
    let largest = differences.clone().detach().max();
    let exponentials = (differences - largest.clone()).exp() * weights;
    let log_mean = (exponentials.sum() / n as f64).log() + largest;
    log_mean - first * ((1.0 - beta) * (1.0 - gamma)) - replay_difference * beta
}

/// Inputs at which the gradient of nu is held to length 1: random points between demonstrations and
/// replay, and between the policy's proposals after both.
fn between(batch: &Batch, proposals: &Proposals) -> Tensor<2> {
    let Batch {
        demos, replay, mix, ..
    } = batch;
    let blend = |a: Tensor<2>, b: Tensor<2>| a * mix.clone() + b * (mix.clone().neg() + 1.0);
    let now = blend(
        join(&demos.state, &demos.chunk),
        join(&replay.state, &replay.chunk),
    );
    let next = blend(
        join(&demos.next, &proposals.next),
        join(&replay.next, &proposals.replay_next),
    );
    Tensor::cat(vec![now, next], 0)
}

fn join(state: &Tensor<2>, chunk: &Tensor<2>) -> Tensor<2> {
    Tensor::cat(vec![state.clone(), chunk.clone()], 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Normaliser;
    use crate::nn::{Activation, gradient_check::worst_error};
    use crate::obs::ObsSpec;
    use crate::policy::{Net, PolicyKind};
    use crate::run::Config;
    use crate::settings::Preset;

    fn learner(config: ValueDiceConfig) -> ValueDice {
        let device = Device::flex().autodiff();
        let mut rng = Rng::new(3, "test", 0);
        let actions = rng.normals(20).into_iter().map(f32::tanh).collect();
        let pairs = Pairs {
            obs: rng.normals(20),
            actions,
            episode_pairs: vec![6, 4],
            obs_dim: 2,
            action_dim: 2,
            ..Pairs::default()
        };
        let transitions = Transitions::new(&pairs, &[true, true], 2).unwrap();
        let tiny = Config::preset(Preset::Tiny).policy;
        let policy = PolicyConfig {
            kind: PolicyKind::Squashed,
            chunk: 2,
            hidden: 6,
            layers: 2,
            activation: Activation::Mish,
            ..tiny
        };
        let scales = (Normaliser::identity(2), Normaliser::identity(2));
        let policy = Policy::new(&policy, &ObsSpec::of_state(2), 1, scales, &mut rng, &device);
        let mut learner = ValueDice::new(policy, transitions, config, 0, device).unwrap();
        learner.nu = scaled(&learner.nu, 4.0);
        learner
    }

    /// A critic with all weights `factor` times as large: that of a fresh one is so flat that
    /// rounding hides its gradient.
    fn scaled(nu: &Nu, factor: f32) -> Nu {
        let mut archive = Archive::new();
        let mut larger = Archive::new();
        pollster::block_on(params::save(nu, "nu", &mut archive)).unwrap();
        for name in archive.names() {
            let (shape, values) = archive.get_f32(name).unwrap();
            larger.put_f32(name, shape, values.iter().map(|w| w * factor).collect());
        }
        params::load(nu.clone(), "nu", &larger).unwrap()
    }

    fn config() -> ValueDiceConfig {
        // A short horizon and strong penalties: every part of a loss has a part in its gradient.
        ValueDiceConfig {
            batch: 12,
            gamma: 0.7,
            replay: 0.3,
            gradient_penalty: 0.5,
            orthogonality: 0.1,
            hidden: 6,
            layers: 2,
            ..ValueDiceConfig::preset(Preset::Tiny)
        }
    }

    fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
        pollster::block_on(nn::read(tensor.inner()))
            .unwrap()
            .into_iter()
            .map(f64::from)
            .collect()
    }

    /// The gradient of nu's loss is right, gradient penalty included.
    #[test]
    fn the_nu_loss_has_the_right_gradient() {
        let mut learner = learner(config());
        let batch = learner.draw();
        let proposals = Proposals::new(&learner.policy, &batch).detached();
        let inputs = join(&batch.demos.state, &batch.demos.chunk);
        let error = worst_error(&learner.nu.clone(), |nu| {
            learner.nu = nu.clone();
            // The objective does not see a constant: the bias of the output is given something to
            // find.
            learner.nu_loss(&batch, &proposals) + nu.values(inputs.clone()).mean() * 0.1
        });
        assert!(error < 1e-2, "{error}");
    }

    /// The gradient of the policy's loss is right, through nu, the sampler and the regularization.
    #[test]
    fn the_policy_loss_has_the_right_gradient() {
        let mut learner = learner(config());
        let batch = learner.draw();
        let error = worst_error(&learner.policy.net.clone(), |net: &Net| {
            learner.policy.net = net.clone();
            learner
                .policy_loss(&batch, &Proposals::new(&learner.policy, &batch))
                .0
        });
        assert!(error < 1e-2, "{error}");
    }

    /// The objective is the formula of the paper, computed here row by row.
    #[test]
    fn the_objective_is_that_of_the_paper() {
        let mut learner = learner(config());
        let batch = learner.draw();
        let proposals = Proposals::new(&learner.policy, &batch);
        let values =
            |state: &Tensor<2>, chunk: &Tensor<2>| read(learner.nu.values(join(state, chunk)));
        let gamma = 0.7;
        let beta = 0.3;
        let difference = |rows: &Rows, next: &Tensor<2>| -> Vec<f64> {
            let pairs = values(&rows.state, &rows.chunk)
                .into_iter()
                .zip(values(&rows.next, next));
            pairs.map(|(now, next)| now - gamma * next).collect()
        };
        let demos = difference(&batch.demos, &proposals.next);
        let replay = difference(&batch.replay, &proposals.replay_next);
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / 12.0;
        let exp = |values: &[f64]| mean(&mut values.iter().map(|d| d.exp()));
        let first = mean(&mut values(&batch.demos.state, &proposals.first).into_iter());
        let linear =
            (1.0 - beta) * (1.0 - gamma) * first + beta * mean(&mut replay.iter().copied());
        let expected = ((1.0 - beta) * exp(&demos) + beta * exp(&replay)).ln() - linear;
        let found = read(objective(&learner.nu, &batch, &proposals, &learner.config))[0];
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }

    /// Values far beyond what f32 can exponentiate give a finite objective, and a constant added to
    /// nu changes nothing.
    #[test]
    fn large_values_do_not_overflow() {
        let mut learner = learner(config());
        let batch = learner.draw();
        let proposals = Proposals::new(&learner.policy, &batch);
        let before = read(objective(&learner.nu, &batch, &proposals, &learner.config))[0];
        let mut archive = Archive::new();
        pollster::block_on(params::save(&learner.nu, "nu", &mut archive)).unwrap();
        archive.put_f32("nu/net.biases.2", &[1, 1, 1], vec![1000.0]);
        learner.nu = params::load(learner.nu, "nu", &archive).unwrap();
        let after = read(objective(&learner.nu, &batch, &proposals, &learner.config))[0];
        assert!((after - before).abs() < 1e-2, "{before} {after}");
    }

    /// In the absorbing state the policy is not asked: the chunk is zero whatever it would do.
    #[test]
    fn nothing_is_done_in_the_absorbing_state() {
        let learner = learner(config());
        let state = nn::matrix(vec![0.3, -0.2, 0.0, 0.0, 0.0, 1.0], 3, &learner.device);
        let chunks = read(propose(
            &learner.policy,
            state,
            nn::matrix(vec![0.5; 4], 2, &learner.device),
        ));
        assert!(chunks[..2].iter().all(|a| *a != 0.0) && chunks[2..] == [0.0; 2]);
    }
}
