//! Adam and AdamW over a module's parameters, their state kept by name.
//!
//! Ours instead of burn's, because moments are keyed by a parameter's path, so that they can be
//! saved beside the weights and read back on any device (burn 0.22's own record restores them
//! through the process-wide default device, which may be a GPU that is not there); because
//! gradients are clipped by their global norm over the whole module, as PyTorch's `clip_grad_norm_`
//! does (burn clips parameter by parameter); and because on the CPU one pass over memory does the
//! whole update.

use super::fused::{self, Update};
use super::params::{self, Path};
use crate::data::Archive;
use crate::{Error, Result};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use std::collections::BTreeMap;

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Adam's settings.
#[derive(Debug, Clone, Copy)]
pub struct AdamConfig {
    /// Learning rate.
    pub lr: f64,
    /// Largest global gradient norm; none: no clipping.
    pub clip_norm: Option<f64>,
}

/// Adam (betas 0.9 and 0.999, epsilon 1e-8 as in PyTorch).
pub struct Adam {
    config: AdamConfig,
    weight_decay: f64,
    epsilon: f64,
    /// Prefix of a path, and factor of the learning rate of the parameters under it.
    slower: Option<(&'static str, f64)>,
    /// Norm of all gradients together before they were clipped, at the last step that clipped.
    norm: Option<Tensor<1>>,
    moments: BTreeMap<String, Moments>,
}

/// The moments of a parameter's gradients, flattened.
struct Moments {
    /// Updates so far.
    time: usize,
    first: Tensor<1>,
    second: Tensor<1>,
}

impl Adam {
    /// An optimizer that has seen no gradient yet.
    pub fn new(config: AdamConfig) -> Self {
        Self {
            config,
            weight_decay: 0.0,
            epsilon: EPSILON,
            slower: None,
            norm: None,
            moments: BTreeMap::new(),
        }
    }

    /// Replaces epsilon, which keeps the quotient finite: 1e-8.
    #[must_use]
    pub(crate) fn with_epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// Parameters whose path begins with `name` learn at `factor` times the rate.
    #[must_use]
    pub(crate) fn with_rate(self, name: &'static str, factor: f64) -> Self {
        Self {
            slower: Some((name, factor)),
            ..self
        }
    }

    /// Norm of all gradients together before they were clipped, at the last step; none where
    /// nothing is clipped.
    pub(crate) fn gradient_norm(&self) -> Option<Tensor<1>> {
        self.norm.clone()
    }

    /// Makes it AdamW (Loshchilov and Hutter 2019): before every step, all parameters shrink by the
    /// factor 1 - lr * `decay`.
    #[must_use]
    pub fn with_weight_decay(mut self, decay: f64) -> Self {
        self.weight_decay = decay;
        self
    }

    /// One step down the gradient of `loss`, with the configured learning rate.
    pub fn step<M: Module>(&mut self, module: M, loss: &Tensor<1>) -> M {
        self.step_at(self.config.lr, module, loss)
    }

    /// One step down the gradient of `loss`, with this learning rate.
    pub(crate) fn step_at<M: Module>(&mut self, lr: f64, module: M, loss: &Tensor<1>) -> M {
        let mut grads = GradientsParams::from_grads(loss.backward(), &module);
        // The norm stays on the device: clipping reads nothing back.
        self.norm = self
            .config
            .clip_norm
            .map(|_| gradient_norm(&module, &mut grads));
        let scale = self
            .config
            .clip_norm
            .zip(self.norm.clone())
            .map(|(limit, norm)| shrinking(norm, limit));
        module.map(&mut Stepper {
            path: Path::default(),
            adam: self,
            grads,
            scale,
            lr,
        })
    }

    /// Update number `time`, from 1: the moments are divided by 1 - beta^time, because they started
    /// at zero.
    fn update(&self, lr: f64, time: usize) -> Update {
        let missing = |beta: f64| 1.0 - libm::pow(beta, time as f64);
        // Bias correction as a rate and an epsilon (Kingma and Ba 2015, end of sec. 2): the moments
        // themselves stay as they are, and one pass over the weights does it all.
        let spread = libm::sqrt(missing(BETA_2));
        Update {
            keep: (1.0 - lr * self.weight_decay) as f32,
            rate: (lr * spread / missing(BETA_1)) as f32,
            beta_1: BETA_1 as f32,
            beta_2: BETA_2 as f32,
            epsilon: (self.epsilon * spread) as f32,
        }
    }

    /// Writes the moments into the archive under `prefix`.
    pub async fn save(&self, prefix: &str, archive: &mut Archive) -> Result<()> {
        let times: BTreeMap<&String, usize> = self
            .moments
            .iter()
            .map(|(name, moments)| (name, moments.time))
            .collect();
        archive.put(format!("{prefix}/times"), &times)?;
        for (name, Moments { first, second, .. }) in &self.moments {
            for (moment, tensor) in [("m", first), ("v", second)] {
                let values = super::read(tensor.clone()).await?;
                archive.put_f32(format!("{prefix}/{moment}/{name}"), &[values.len()], values);
            }
        }
        Ok(())
    }

    /// Restores what [`Adam::save`] wrote while training a module like `module`. Weight decay,
    /// epsilon and rates are settings and not part of it.
    ///
    /// # Errors
    /// When the archive lacks it, or a moment does not fit its parameter; the sentence names it.
    pub fn load<M: Module>(
        config: AdamConfig,
        prefix: &str,
        archive: &Archive,
        module: &M,
    ) -> Result<Self> {
        let mut adam = Self::new(config);
        let sizes = params::sizes(module);
        let inner_device = module.devices().remove(0).without_autodiff();
        let times: BTreeMap<String, usize> = archive.get(&format!("{prefix}/times"))?;
        for (name, time) in times {
            let size = sizes.get(&name).copied().unwrap_or(0);
            let moment = |which: &str| {
                read_moment(
                    &format!("{prefix}/{which}/{name}"),
                    size,
                    archive,
                    &inner_device,
                )
            };
            let moments = Moments {
                time,
                first: moment("m")?,
                second: moment("v")?,
            };
            adam.moments.insert(name, moments);
        }
        Ok(adam)
    }

    /// The same settings with the moments that [`Adam::save`] wrote while training a module like
    /// `module`.
    ///
    /// # Errors
    /// As [`Adam::load`].
    pub(crate) fn restored<M: Module>(
        self,
        prefix: &str,
        archive: &Archive,
        module: &M,
    ) -> Result<Self> {
        let Self { moments, .. } = Self::load(self.config, prefix, archive, module)?;
        Ok(Self { moments, ..self })
    }
}

/// The moment called `name` of a parameter of `size` numbers.
fn read_moment(name: &str, size: usize, archive: &Archive, device: &Device) -> Result<Tensor<1>> {
    let (_, values) = archive.get_f32(name)?;
    if values.len() != size {
        return Err(Error::input(format!(
            "the checkpoint's {name} has {} numbers for a parameter of {size}: use an undamaged \
             checkpoint",
            values.len()
        )));
    }
    Ok(Tensor::from_data(
        TensorData::new(values.to_vec(), [size]),
        device,
    ))
}

/// Walks a module and updates each parameter that has a gradient.
struct Stepper<'a> {
    path: Path,
    adam: &'a mut Adam,
    grads: GradientsParams,
    scale: Option<Tensor<1>>,
    lr: f64,
}

impl ModuleMapper for Stepper<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(grad) = self.grads.remove::<D>(param.id) else {
            return param;
        };
        let grad: Tensor<1> = grad.flatten(0, -1);
        let name = self.path.name();
        param.map(|value| {
            let shape = value.dims();
            let zeros = || Moments {
                time: 0,
                first: grad.zeros_like(),
                second: grad.zeros_like(),
            };
            let Moments {
                time,
                first,
                second,
            } = self.adam.moments.remove(&name).unwrap_or_else(zeros);
            let factor = self
                .adam
                .slower
                .filter(|(slow, _)| name.starts_with(slow))
                .map_or(1.0, |(_, factor)| factor);
            let update = self.adam.update(self.lr * factor, time + 1);
            let state = [value.inner().flatten(0, -1), first, second];
            let [value, first, second] = fused::adam(update, state, grad, self.scale.as_ref());
            self.adam.moments.insert(
                name,
                Moments {
                    time: time + 1,
                    first,
                    second,
                },
            );
            // A new leaf: the graph of one step ends with it.
            value.reshape(shape).autodiff().require_grad()
        })
    }
}

/// The factor that brings gradients of this norm down to `limit`; 1 for smaller ones.
pub(super) fn shrinking(norm: Tensor<1>, limit: f64) -> Tensor<1> {
    // PyTorch's `clip_grad_norm_`, its 1e-6 included.
    (norm + 1e-6).recip().mul_scalar(limit).clamp_max(1.0)
}

/// The norm of all gradients together; on the device, without reading back.
pub(super) fn gradient_norm<M: Module>(module: &M, grads: &mut GradientsParams) -> Tensor<1> {
    let mut norm = SquaredNorm {
        grads,
        squares: fused::Squares::default(),
    };
    module.visit(&mut norm);
    norm.squares
        .root()
        .expect("a module that is trained has at least one gradient")
}

/// Sums the squares of all gradients.
struct SquaredNorm<'a> {
    grads: &'a mut GradientsParams,
    squares: fused::Squares,
}

impl ModuleVisitor for SquaredNorm<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.get::<D>(param.id) {
            self.squares.add(grad);
        }
    }
}
