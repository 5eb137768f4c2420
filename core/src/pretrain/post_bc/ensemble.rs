//! The ensemble of PostBC (algorithm 1): K regressors, each fitted to its own bootstrap of the
//! demonstrations, trained as one stacked network.

use super::{PostBcConfig, Posterior};
use crate::Result;
use crate::data::{Archive, Pairs, bootstrap};
use crate::nn::{self, Activation, Adam, AdamConfig, Mlp, params};
use crate::pretrain::Losses;
use crate::rng::Rng;
use crate::threads;
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

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
    /// Gradient steps in all.
    total: usize,
    config: PostBcConfig,
    device: Device,
}

impl Ensemble {
    /// Fresh members, each with its own weights and its own bootstrap, on an autodiff `device`.
    pub fn new(config: PostBcConfig, data: &Pairs, seed: u64, device: Device) -> Self {
        // Weights are drawn for the whole stack, so that they do not depend on the groups.
        let nets = network(&config, data.obs_dim, data.action_dim, seed, &device)
            .split(group_size(&config, &device));
        let groups = nets
            .into_iter()
            .map(|net| Group {
                net,
                adam: Adam::new(adam(&config)),
            })
            .collect();
        let members = bootstraps(&config, &data.episode_pairs, seed);
        Self {
            groups,
            members,
            rng: Rng::new(seed, "ensemble", 0),
            step: 0,
            total: config.in_steps(data.len()),
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
        let work =
            |(group, indices): (Group, &[usize])| group.step(data, indices, batch, &self.device);
        let (groups, errors): (Vec<Group>, Vec<Tensor<1>>) =
            threads::map(groups.collect(), work).into_iter().unzip();
        self.groups = groups;
        self.step += 1;
        vec![(
            "loss/ensemble",
            Tensor::cat(errors, 0).sum().div_scalar(members as f64),
        )]
    }

    /// Gradient steps done, and to do in all.
    pub fn progress(&self) -> (usize, usize) {
        (self.step, self.total)
    }

    /// The predictions of all members at every pair, as deviations from their mean: the posterior
    /// over the demonstrator's action.
    pub async fn posterior(&self, data: &Pairs) -> Result<Posterior> {
        let nets: Vec<Mlp> = self.groups.iter().map(|group| group.net.valid()).collect();
        let inner_device = self.device.clone().without_autodiff();
        let mut deviations = Vec::new();
        for rows in data.obs.chunks(PREDICT_ROWS * data.obs_dim) {
            let obs = nn::matrix(rows.to_vec(), data.obs_dim, &inner_device);
            let predictions = Tensor::cat(
                nets.iter()
                    .map(|net| net.forward_shared(obs.clone()))
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
        let adam = adam(&ensemble.config);
        let load = |(i, group): (usize, Group)| -> Result<Group> {
            let net = params::load(group.net, &format!("ensemble/net/{i}"), archive)?;
            Ok(Group {
                adam: Adam::load(adam, &format!("ensemble/adam/{i}"), archive, &net)?,
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
    adam: Adam,
}

impl Group {
    /// One gradient step on the pairs with these indices, `batch` for every member; gives the sum
    /// of the members' mean squared errors.
    fn step(
        mut self,
        data: &Pairs,
        indices: &[usize],
        batch: usize,
        device: &Device,
    ) -> (Self, Tensor<1>) {
        let members = self.net.members();
        let (obs, chunks) = data.gather(indices);
        let stack = |values, width| {
            Tensor::<3>::from_data(TensorData::new(values, [members, batch, width]), device)
        };
        // The members share no weights: in the sum of their errors each has the gradient that it
        // would have alone.
        let error = error(
            &self.net,
            stack(obs, data.obs_dim),
            stack(chunks, data.action_dim),
        )
        .mul_scalar(members as f64);
        self.net = self.adam.step(self.net, &error);
        (self, error.inner())
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

/// Mean squared error of every member on its own rows.
fn error(net: &Mlp, obs: Tensor<3>, chunks: Tensor<3>) -> Tensor<1> {
    (net.forward(obs) - chunks).square().mean()
}

fn network(config: &PostBcConfig, obs: usize, chunk: usize, seed: u64, device: &Device) -> Mlp {
    let hidden = std::iter::repeat_n(config.hidden, config.layers);
    let sizes: Vec<usize> = std::iter::once(obs)
        .chain(hidden)
        .chain(std::iter::once(chunk))
        .collect();
    Mlp::new(
        config.members,
        &sizes,
        Activation::Relu,
        &mut Rng::new(seed, "ensemble-weights", 0),
        device,
    )
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
    use crate::nn::gradient_check::worst_error;
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
        Tensor::from_data(TensorData::new(values, [members, rows, width]), device)
    }

    /// The gradient of the ensemble's error is right through the stacked network.
    #[test]
    fn the_ensemble_error_has_the_right_gradient() {
        let device = Device::flex().autodiff();
        let mut rng = Rng::new(6, "test", 0);
        let net = network(&config(3), 2, 2, 0, &device);
        let obs = stack(rng.normals(48), 3, 2, &device);
        let chunks = stack(rng.normals(48), 3, 2, &device);
        let worst = worst_error(&net, |net| error(net, obs.clone(), chunks.clone()));
        assert!(worst < 1e-2, "{worst}");
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

    /// Training the stack trains every member as if it were trained alone on its own batches.
    #[test]
    fn members_train_as_if_alone() {
        let data = pairs();
        let config = config(MEMBERS);
        let device = Device::flex().autodiff();
        let mut ensemble = Ensemble::new(config.clone(), &data, 7, device.clone());
        let mut nets: Vec<Mlp> = (0..MEMBERS)
            .map(|k| alone(&ensemble.groups[k / GROUP].net, k % GROUP, &config, &device))
            .collect();
        let mut adams: Vec<Adam> = (0..MEMBERS)
            .map(|_| {
                Adam::new(AdamConfig {
                    lr: config.lr,
                    clip_norm: None,
                })
            })
            .collect();
        let mut rng = ensemble.rng.clone();
        for _ in 0..20 {
            ensemble.step(&data);
            for (k, (net, adam)) in nets.iter_mut().zip(&mut adams).enumerate() {
                let pairs = &ensemble.members[k];
                let indices: Vec<usize> = rng
                    .indices(config.batch, pairs.len())
                    .into_iter()
                    .map(|i| pairs[i] as usize)
                    .collect();
                let (obs, chunks) = data.gather(&indices);
                *net = adam.step(
                    net.clone(),
                    &error(net, stack(obs, 1, 2, &device), stack(chunks, 1, 2, &device)),
                );
            }
        }
        let read = |tensor: Tensor<3>| pollster::block_on(nn::read(tensor)).unwrap();
        let obs = nn::matrix(data.obs.clone(), 2, &device);
        let together: Vec<f32> = (ensemble.groups.iter())
            .flat_map(|group| read(group.net.forward_shared(obs.clone()).inner()))
            .collect();
        let apart: Vec<f32> = nets
            .iter()
            .flat_map(|net| read(net.forward_shared(obs.clone()).inner()))
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
