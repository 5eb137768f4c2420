//! Critics that learn by temporal differences: an ensemble, its slow copy and its optimizer.

use super::critic_ensemble::{CriticConfig, CriticEnsemble, Errors, StateAction, TdBatch};
use crate::Result;
use crate::data::Archive;
use crate::nn::{Adam, AdamConfig, params};
use crate::obs::ImageSpec;
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// A penalty on how steep categorical critics are.
pub(crate) struct Penalty {
    /// At each of the first rows, a direction of inputs and actions, `[rows, width]`.
    pub(crate) directions: Tensor<2>,
    /// What it counts in the loss.
    pub(crate) weight: f64,
}

/// The figures of one update, without gradients.
pub(crate) struct TdErrors {
    /// The error against the targets, summed over the critics: a cross entropy, or a square.
    pub(crate) td_error: Tensor<1>,
    /// The root of the mean square of the value's slope along the penalty's directions, summed over
    /// the critics, before its weight; 0 without penalty.
    pub(crate) gradient_norm: Tensor<1>,
}

/// K critics that learn, and their slow copy.
pub(crate) struct Critics {
    online: CriticEnsemble,
    target: CriticEnsemble,
    adam: Adam,
    config: CriticConfig,
}

impl Critics {
    /// Fresh critics, on an autodiff `device`, of states and actions of `width` numbers together,
    /// and of what these cameras see.
    pub(crate) fn new(
        config: CriticConfig,
        width: usize,
        cameras: &[ImageSpec],
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let online = CriticEnsemble::new(&config, width, cameras, rng, device);
        Self {
            target: online.valid(),
            online,
            adam: Adam::new(AdamConfig {
                lr: config.lr,
                clip_norm: None,
            }),
            config,
        }
    }

    /// One step of the critics, and their slow copy's after them.
    pub(crate) fn step(
        &mut self,
        batch: TdBatch,
        penalty: Option<Penalty>,
        rng: &mut Rng,
    ) -> TdErrors {
        let CriticConfig {
            critics,
            target_critics,
            target_rate,
            ..
        } = self.config;
        let counting = if self.config.all_count() {
            (0..critics).collect()
        } else {
            draw_subset(critics, target_critics, rng)
        };
        let targets = self.target.targets(&batch, &counting);
        let TdBatch { now, next, .. } = batch;
        let weight = penalty.as_ref().map_or(0.0, |penalty| penalty.weight);
        let directions = penalty.map(|penalty| penalty.directions.autodiff());
        let now = now.autodiff();
        let next = next.autodiff();
        let Errors {
            td_error,
            gradient_norm,
            pass,
        } = self
            .online
            .errors([&now, &next], targets.autodiff(), directions);
        let loss = td_error.clone() + gradient_norm.clone() * weight;
        let online = self.adam.step(self.online.clone(), &loss);
        self.online = online.after_update(pass.as_ref());
        self.target = params::polyak(self.target.clone(), &self.online, target_rate);
        TdErrors {
            td_error: td_error.inner(),
            gradient_norm: gradient_norm.inner(),
        }
    }

    /// Values, each on its own, without gradients: `[K, N]`.
    pub(crate) fn values(&self, at: &StateAction) -> Tensor<2> {
        self.online.valid().values(at)
    }

    /// What the critics, as constants, make of an actor's actions, through which gradients pass:
    /// the least of them, or the mean where only some count in a target (RLPD, REDQ). `[N]`.
    pub(crate) fn q_of_actor_actions(&self, at: &StateAction) -> Tensor<1> {
        let constant = self.online.clone().no_grad();
        let values = constant.values(at);
        let value = if self.config.all_count() {
            values.min_dim(0)
        } else {
            values.mean_dim(0)
        };
        value.squeeze_dim(0)
    }

    /// Writes all of it into the archive, under `prefix/`.
    pub(crate) async fn save(&self, prefix: &str, archive: &mut Archive) -> Result<()> {
        params::save(&self.online, &format!("{prefix}/critic"), archive).await?;
        params::save(&self.target, &format!("{prefix}/target"), archive).await?;
        let name = format!("{prefix}/critic-adam");
        self.adam.save(&name, archive).await
    }

    /// The same with what [`Critics::save`] wrote under the same settings.
    ///
    /// # Errors
    /// When the archive lacks it.
    pub(crate) fn loaded(self, prefix: &str, archive: &Archive) -> Result<Self> {
        let online = params::load(self.online, &format!("{prefix}/critic"), archive)?;
        let target = params::load(self.target, &format!("{prefix}/target"), archive)?;
        let name = format!("{prefix}/critic-adam");
        Ok(Self {
            adam: self.adam.restored(&name, archive, &online)?,
            online,
            target,
            config: self.config,
        })
    }
}

/// `count` different ones of `all` critics (at most that many), each as likely as any other.
pub(crate) fn draw_subset(all: usize, count: usize, rng: &mut Rng) -> Vec<usize> {
    let mut sample_shifted: Vec<usize> = Vec::new();
    for already in 0..count {
        // Among those that are left: the ones before it are counted past.
        let mut pick = rng.below(all - already);
        let mut taken = sample_shifted.clone();
        taken.sort_unstable();
        for other in taken {
            pick += usize::from(pick >= other);
        }
        sample_shifted.push(pick);
    }
    sample_shifted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rl::critic_ensemble::tests::{KINDS, ROWS, batch, config, read};
    use pollster::block_on;
    use std::collections::BTreeSet;

    /// Every update lowers the error on one batch, the slow copy follows, and critics from an
    /// archive go on as if nothing had been.
    #[test]
    fn critics_learn_a_batch_and_go_on_from_an_archive() {
        for kind in KINDS {
            let mut rng = Rng::new(5, "test", 0);
            let device = Device::flex().autodiff();
            let fresh = |rng: &mut Rng| Critics::new(config(kind), 3, &[], rng, &device);
            let mut critics = fresh(&mut rng);
            let learned = batch(&mut rng.clone());
            let mut step = |critics: &mut Critics| {
                let batch = TdBatch {
                    now: learned.now.clone(),
                    next: learned.next.clone(),
                    reward: learned.reward.clone(),
                    discount: learned.discount.clone() * 0.0,
                };
                read(critics.step(batch, None, &mut rng).td_error)[0]
            };
            let first = step(&mut critics);
            for _ in 0..40 {
                step(&mut critics);
            }
            let mut archive = Archive::new();
            block_on(critics.save("c", &mut archive)).unwrap();
            let other = fresh(&mut Rng::new(9, "test", 0));
            let mut loaded = other.loaded("c", &archive).unwrap();
            let last = step(&mut critics);
            assert!(last < first, "{kind:?}: {first} {last}");
            assert_eq!(last, step(&mut loaded), "{kind:?}");
            assert_eq!(
                read(critics.values(&learned.now)),
                read(loaded.values(&learned.now))
            );
        }
    }

    /// An actor is taught by the least of the critics, or by their mean where only some count in a
    /// target.
    #[test]
    fn a_subset_of_critics_teaches_by_its_mean() {
        let mut rng = Rng::new(6, "test", 0);
        let device = Device::flex().autodiff();
        for target_critics in [2, 3] {
            let config = CriticConfig {
                critics: 3,
                target_critics,
                ..config(KINDS[1])
            };
            let critics = Critics::new(config, 3, &[], &mut rng, &device);
            let at = batch(&mut rng).now;
            let values = read(critics.values(&at));
            let found = read(critics.q_of_actor_actions(&at.autodiff()).inner());
            for row in 0..ROWS {
                let own = [0, 1, 2].map(|k| values[k * ROWS + row]);
                let expected = match target_critics {
                    2 => own.iter().sum::<f32>() / 3.0,
                    _ => own.into_iter().fold(f32::MAX, f32::min),
                };
                assert!((found[row] - expected).abs() < 1e-5, "{own:?}");
            }
        }
    }

    /// A subset has different members, and every member comes up.
    #[test]
    fn a_subset_has_different_members() {
        let mut rng = Rng::new(7, "test", 0);
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let sample_shifted = draw_subset(5, 2, &mut rng);
            assert!(sample_shifted.len() == 2 && sample_shifted[0] != sample_shifted[1]);
            seen.extend(sample_shifted);
        }
        assert_eq!(seen, (0..5).collect());
        let mut all = draw_subset(4, 4, &mut rng);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3]);
    }
}
