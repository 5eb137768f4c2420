//! The ensemble of PostBC (algorithm 1): K regressors, each fitted to its own bootstrap of the
//! demonstrations, trained as one stacked network.

use super::{PostBcConfig, Posterior};
use crate::Result;
use crate::data::{Archive, Pairs, bootstrap};
use crate::nn::{self, Activation, Adam, AdamConfig, Mlp, params};
use crate::pretrain::Losses;
use crate::pretrain::averaging::Averaging;
use crate::rng::Rng;
use crate::threads;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// Rows of observations that the finished ensemble predicts at a time: bounds the memory of K
/// predictions.
pub(super) const PREDICT_ROWS: usize = 256;

/// Members of a group on the CPU, where a group is one thread's work: what a step of it reads and
/// writes stays in the cache. A GPU is given all members at once.
pub(super) const GROUP: usize = 4;

/// K regressors from observation to action chunk.
pub struct Ensemble {
    groups: Vec<Group>,
    /// Per member: the pairs of its bootstrap, with repetition.
    members: Vec<Vec<u32>>,
    rng: Rng,
    step: usize,
    /// In gradient steps.
    config: PostBcConfig,
    device: Device,
}

impl Ensemble {
    /// Fresh members, each with its own weights and its own bootstrap, on an autodiff `device`.
    pub fn new(config: PostBcConfig, data: &Pairs, seed: u64, device: Device) -> Self {
        let config = config.in_steps(data.len());
        // Weights are drawn for the whole stack, so that they do not depend on the groups.
        let nets = network(&config, data.obs_dim, data.action_dim, seed, &device)
            .split(group_size(&config, &device));
        let groups = nets
            .into_iter()
            .map(|net| Group {
                net,
                average: None,
                adam: Adam::new(adam(&config)).with_weight_decay(config.weight_decay),
            })
            .collect();
        let members = bootstraps(&config, &data.episode_pairs, seed);
        Self {
            groups,
            members,
            rng: Rng::new(seed, "ensemble", 0),
            step: 0,
            config,
            device,
        }
    }

    /// One gradient step of every member on a batch of its own.
    pub fn step(&mut self, data: &Pairs) -> Losses {
        let members = self.members.len();
        let batch = self.config.batch;
        // Every member draws its batch from its own bootstrap.
        let indices: Vec<usize> = (self.members.iter())
            .flat_map(|pairs| {
                self.rng
                    .indices(batch, pairs.len())
                    .into_iter()
                    .map(|i| pairs[i] as usize)
            })
            .collect();
        let rows = group_size(&self.config, &self.device) * batch;
        let groups = std::mem::take(&mut self.groups)
            .into_iter()
            .zip(indices.chunks(rows));
        let lr = self.config.lr_at(self.step);
        let step = self.step + 1;
        let work = |(group, indices): (Group, &[usize])| {
            let (group, error) = group.step(lr, data, indices, &self.config, &self.device);
            (group.averaged(self.config.averaging(), step), error)
        };
        let (groups, errors): (Vec<Group>, Vec<Tensor<1>>) =
            threads::map(groups.collect(), work).into_iter().unzip();
        self.groups = groups;
        self.step = step;
        vec![(
            "loss/ensemble",
            Tensor::cat(errors, 0).sum().div_scalar(members as f64),
        )]
    }

    /// Gradient steps done, and to do in all.
    pub fn progress(&self) -> (usize, usize) {
        (self.step, self.config.updates)
    }

    /// The predictions of all members at every pair, as deviations from their mean: the posterior
    /// over the demonstrator's action.
    pub async fn posterior(&self, data: &Pairs) -> Result<Posterior> {
        let nets: Vec<Mlp> = self.groups.iter().map(Group::result).collect();
        let inner_device = self.device.clone().without_autodiff();
        let mut deviations = Vec::new();
        for rows in data.obs.chunks(PREDICT_ROWS * data.obs_dim) {
            let obs = nn::matrix(rows.to_vec(), data.obs_dim, &inner_device);
            let predictions = Tensor::cat(
                nets.iter()
                    .map(|net| bounded(&self.config, net.forward_shared(obs.clone())))
                    .collect(),
                0,
            );
            // f_l - mean: what algorithm 1 makes the covariance of. The deviations are kept
            // instead, from which it can be sampled without ever being formed.
            let centered = predictions.clone() - predictions.mean_dim(0);
            // [K, rows, width] -> [rows, K, width]: a pair's deviations lie together.
            deviations.extend(nn::read(centered.swap_dims(0, 1)).await?);
        }
        Ok(Posterior::new(
            deviations,
            self.members.len(),
            data.action_dim,
            self.config.alpha as f32,
            self.config.covariance,
        ))
    }

    /// Writes the whole state into the archive.
    pub async fn save(&self, archive: &mut Archive) -> Result<()> {
        archive.put("ensemble/state", &(&self.rng, self.step))?;
        for (i, group) in self.groups.iter().enumerate() {
            params::save(&group.net, &format!("ensemble/net/{i}"), archive).await?;
            if let Some(average) = &group.average {
                params::save(average, &format!("ensemble/average/{i}"), archive).await?;
            }
            group
                .adam
                .save(&format!("ensemble/adam/{i}"), archive)
                .await?;
        }
        Ok(())
    }

    /// Restores what [`Ensemble::save`] wrote with the same settings, data and seed (which
    /// determine the bootstraps).
    pub(crate) fn load(
        config: PostBcConfig,
        data: &Pairs,
        seed: u64,
        archive: &Archive,
        device: Device,
    ) -> Result<Self> {
        let (rng, step) = archive.get("ensemble/state")?;
        let mut ensemble = Self::new(config, data, seed, device);
        let averages = ensemble.config.averaging().has_begun(step);
        let load = |(i, group): (usize, Group)| -> Result<Group> {
            let net = params::load(group.net, &format!("ensemble/net/{i}"), archive)?;
            let average = averages
                .then(|| params::load(net.valid(), &format!("ensemble/average/{i}"), archive));
            let adam = format!("ensemble/adam/{i}");
            Ok(Group {
                average: average.transpose()?,
                adam: group.adam.restored(&adam, archive, &net)?,
                net,
            })
        };
        ensemble.groups = ensemble
            .groups
            .into_iter()
            .enumerate()
            .map(load)
            .collect::<Result<_>>()?;
        Ok(Self {
            rng,
            step,
            ..ensemble
        })
    }
}

/// Members that are trained together.
struct Group {
    net: Mlp,
    /// The moving average of its weights, once there is one.
    average: Option<Mlp>,
    adam: Adam,
}

impl Group {
    /// One gradient step on the pairs with these indices, `batch` for every member; gives the sum
    /// of the members' mean squared errors.
    fn step(
        mut self,
        lr: f64,
        data: &Pairs,
        indices: &[usize],
        config: &PostBcConfig,
        device: &Device,
    ) -> (Self, Tensor<1>) {
        let members = self.net.members();
        let batch = config.batch;
        let (obs, chunks) = data.gather(indices);
        let stack = |values, width| nn::upload(values, [members, batch, width], device);
        // The members share no weights: in the sum of their errors each has the gradient that it
        // would have alone.
        let error = error(
            config,
            &self.net,
            stack(obs, data.obs_dim),
            stack(chunks, data.action_dim),
        )
        .mul_scalar(members as f64);
        self.net = self.adam.step_at(lr, self.net, &error);
        (self, error.inner())
    }

    /// The same, and the average of its weights after gradient step `step`.
    fn averaged(mut self, averaging: Averaging, step: usize) -> Self {
        let average = self.average.take();
        self.average = averaging.after(step, average, &self.net);
        self
    }

    /// What predicts once training is over.
    fn result(&self) -> Mlp {
        self.average.clone().unwrap_or_else(|| self.net.valid())
    }
}

fn group_size(config: &PostBcConfig, device: &Device) -> usize {
    if *device == Device::flex() {
        GROUP
    } else {
        config.members
    }
}

fn adam(config: &PostBcConfig) -> AdamConfig {
    AdamConfig {
        lr: config.lr,
        clip_norm: None,
    }
}

/// Mean squared error of every member on its own rows. It is the loss of a Gaussian with a fixed
/// standard deviation (DPPO's 0.1), up to a factor and a constant, by neither of which Adam's steps
/// change.
fn error(config: &PostBcConfig, net: &Mlp, obs: Tensor<3>, chunks: Tensor<3>) -> Tensor<1> {
    let predictions = bounded(config, net.forward(obs));
    (predictions - chunks).square().mean()
}

/// What networks give as predictions.
fn bounded(config: &PostBcConfig, outputs: Tensor<3>) -> Tensor<3> {
    if config.tanh_output {
        Activation::Tanh.forward(outputs)
    } else {
        outputs
    }
}

fn network(config: &PostBcConfig, obs: usize, chunk: usize, seed: u64, device: &Device) -> Mlp {
    let hidden = std::iter::repeat_n(config.hidden, config.layers);
    let sizes: Vec<usize> = std::iter::once(obs)
        .chain(hidden)
        .chain(std::iter::once(chunk))
        .collect();
    let net = Mlp::new(
        config.members,
        &sizes,
        config.activation,
        &mut Rng::new(seed, "ensemble-weights", 0),
        device,
    );
    if config.residual {
        net.with_residuals()
    } else {
        net
    }
}

fn bootstraps(config: &PostBcConfig, episode_pairs: &[usize], seed: u64) -> Vec<Vec<u32>> {
    (0..config.members as u64)
        .map(|member| {
            // A stream of its own: a member does not depend on how many others there are.
            bootstrap::member_indices(
                config.bootstrap,
                episode_pairs,
                &mut Rng::new(seed, "bootstrap", member),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gradient_check::{worst_error, worst_error_of_smooth};
    use crate::pretrain::post_bc::LearningRate;
    use crate::settings::Preset;

    fn config(members: usize) -> PostBcConfig {
        PostBcConfig {
            members,
            hidden: 6,
            layers: 2,
            batch: 4,
            lr: 1e-2,
            ..PostBcConfig::preset(Preset::Tiny)
        }
    }

    fn pairs() -> Pairs {
        let mut rng = Rng::new(5, "test", 0);
        Pairs {
            obs: rng.normals(24),
            actions: rng.normals(24),
            episode_pairs: vec![3, 4, 5],
            obs_dim: 2,
            action_dim: 2,
            ..Pairs::default()
        }
    }

    fn stack(values: Vec<f32>, members: usize, width: usize, device: &Device) -> Tensor<3> {
        let rows = values.len() / members / width;
        nn::upload(values, [members, rows, width], device)
    }

    /// DPPO's Gaussian policy as a regressor, small.
    fn gaussian(members: usize) -> PostBcConfig {
        PostBcConfig {
            layers: 3,
            activation: Activation::Mish,
            residual: true,
            tanh_output: true,
            updates: 20,
            schedule: LearningRate::Cosine,
            warmup: 4,
            weight_decay: 0.1,
            ema_decay: 0.75,
            ema_every: 3,
            ema_start: 7,
            ..config(members)
        }
    }

    /// The gradient of the ensemble's error is right through the stacked network, plain and
    /// residual.
    #[test]
    fn the_ensemble_error_has_the_right_gradient() {
        let device = Device::flex().autodiff();
        let mut rng = Rng::new(6, "test", 0);
        for config in [config(3), gaussian(3)] {
            let net = network(&config, 2, 2, 0, &device);
            let obs = stack(rng.normals(48), 3, 2, &device);
            let chunks = stack(rng.normals(48), 3, 2, &device);
            let loss = |net: &Mlp| error(&config, net, obs.clone(), chunks.clone());
            let worst = match config.activation {
                Activation::Relu => worst_error(&net, loss),
                _ => worst_error_of_smooth(&net, 1e-2, loss),
            };
            assert!(worst < 1e-2, "{worst}");
        }
    }

    /// Where predictions are a hyperbolic tangent, none is beyond the demonstrated actions, and
    /// they are that of what the network gives.
    #[test]
    fn predictions_stay_within_the_demonstrated_actions() {
        let device = Device::flex();
        let config = gaussian(3);
        let net = network(&config, 2, 2, 0, &device);
        let obs = stack(Rng::new(6, "test", 0).normals(48), 3, 2, &device) * 100.0;
        let read = |tensor: Tensor<3>| pollster::block_on(nn::read(tensor)).unwrap();
        let outputs = read(net.forward(obs.clone()));
        assert!(outputs.iter().any(|y| y.abs() > 1.0));
        let plain = read(bounded(&super::tests::config(3), net.forward(obs.clone())));
        assert_eq!(plain, outputs);
        for (y, x) in read(bounded(&config, net.forward(obs))).iter().zip(outputs) {
            assert!((y - x.tanh()).abs() < 1e-6, "{y} {x}");
        }
    }

    /// Two groups, one of them not full.
    const MEMBERS: usize = GROUP + 2;

    /// Member `k` of a stack as a stack of one.
    fn alone(net: &Mlp, k: usize, config: &PostBcConfig, device: &Device) -> Mlp {
        let mut all = Archive::new();
        let mut one = Archive::new();
        pollster::block_on(params::save(net, "net", &mut all)).unwrap();
        for name in all.names() {
            let (shape, values) = all.get_f32(name).unwrap();
            let size = shape[1] * shape[2];
            one.put_f32(
                name,
                &[1, shape[1], shape[2]],
                values[k * size..(k + 1) * size].to_vec(),
            );
        }
        params::load(
            network(
                &PostBcConfig {
                    members: 1,
                    ..config.clone()
                },
                2,
                2,
                0,
                device,
            ),
            "net",
            &one,
        )
        .unwrap()
    }

    /// Training the stack trains every member as if it were trained alone on its own batches, with
    /// the learning rates of its schedule, and averaged as DPPO averages.
    #[test]
    fn members_train_as_if_alone() {
        for config in [config(MEMBERS), gaussian(MEMBERS)] {
            train_as_if_alone(config);
        }
    }

    fn train_as_if_alone(config: PostBcConfig) {
        let data = pairs();
        let device = Device::flex().autodiff();
        let mut ensemble = Ensemble::new(config.clone(), &data, 7, device.clone());
        let mut nets: Vec<Mlp> = (0..MEMBERS)
            .map(|k| alone(&ensemble.groups[k / GROUP].net, k % GROUP, &config, &device))
            .collect();
        let fresh = |_| Adam::new(adam(&config)).with_weight_decay(config.weight_decay);
        let mut adams: Vec<Adam> = (0..MEMBERS).map(fresh).collect();
        let mut averages = nets.clone();
        let mut rng = ensemble.rng.clone();
        for step in 0..20 {
            ensemble.step(&data);
            let lr = config.lr_at(step);
            for (k, (net, adam)) in nets.iter_mut().zip(&mut adams).enumerate() {
                let pairs = &ensemble.members[k];
                let indices: Vec<usize> = rng
                    .indices(config.batch, pairs.len())
                    .into_iter()
                    .map(|i| pairs[i] as usize)
                    .collect();
                let (obs, chunks) = data.gather(&indices);
                let rows = (stack(obs, 1, 2, &device), stack(chunks, 1, 2, &device));
                let error = error(&config, net, rows.0, rows.1);
                *net = adam.step_at(lr, net.clone(), &error);
                // Steps 3 and 6 copy, 9, 12, 15 and 18 average.
                averages[k] = match step + 1 {
                    _ if config.ema_decay == 0.0 => net.clone(),
                    3 | 6 => net.clone(),
                    9 | 12 | 15 | 18 => params::polyak(averages[k].clone(), net, 0.25),
                    _ => averages[k].clone(),
                };
            }
        }
        let read = |tensor: Tensor<3>| pollster::block_on(nn::read(tensor)).unwrap();
        let obs = nn::matrix(data.obs.clone(), 2, &device);
        let together: Vec<f32> = (ensemble.groups.iter())
            .flat_map(|group| read(group.result().forward_shared(obs.clone().inner())))
            .collect();
        let apart: Vec<f32> = averages
            .iter()
            .flat_map(|net| read(net.valid().forward_shared(obs.clone().inner())))
            .collect();
        let error = together
            .iter()
            .zip(&apart)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(error < 1e-4, "{error}");
        assert_ne!(apart[..24], apart[24..48], "members differ");
    }
}
