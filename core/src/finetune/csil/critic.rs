//! The critics: XQC's, which give a distribution over values and are batch-normalized; or plain
//! ones, which give a number.

use super::config::{CsilConfig, Variant};
use crate::nn::batch_normed::Pass;
use crate::nn::{Activation, Atoms, BatchNormed, Keypoints, Mlp, Observed, Statistics};
use crate::obs::ImageSpec;
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

/// Rate at which running statistics follow (XQC: a momentum of 0.99).
const STATISTICS_RATE: f64 = 0.01;
/// Added to the mean square of a gradient, whose root has no derivative at 0.
const EPSILON: f64 = 1e-8;

/// K critics of inputs and actions, which see with the same eyes.
#[derive(Module, Debug)]
pub struct Critic {
    eyes: Vec<Keypoints>,
    head: Head,
}

/// K critics of rows.
#[derive(Module, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "there are two of it per learner, and modules cannot be boxed"
)]
enum Head {
    /// With categorical values.
    Categorical(BatchNormed),
    /// With numbers, under layer normalization (RLPD) or not (SAC).
    Scalar(Mlp),
}

/// What was done, and at which inputs: N of each.
#[derive(Debug, Clone)]
pub(super) struct Acted {
    pub at: Observed,
    /// `[N, act]`.
    pub action: Tensor<2>,
}

impl Acted {
    /// The same with a graph.
    pub fn autodiff(self) -> Self {
        Self {
            at: self.at.autodiff(),
            action: self.action.autodiff(),
        }
    }
}

/// What is to be learned: what was done now, what comes after it, and what that is worth.
pub(super) struct Lesson {
    pub now: Acted,
    /// With the actions that are taken then.
    pub next: Acted,
    /// Earned at once: `[N]`.
    pub added: Tensor<1>,
    /// What the value afterwards counts: the discount, or 0 after the end. `[N]`.
    pub factor: Tensor<1>,
}

impl Critic {
    /// Fresh critics of inputs and actions of `width` numbers together, and of what is seen.
    pub fn new(
        config: &CsilConfig,
        width: usize,
        cameras: &[ImageSpec],
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let eyes = Keypoints::of(cameras, rng, device);
        let width = width + eyes.len() * Keypoints::WIDTH;
        let sizes = |outputs: usize| -> Vec<usize> {
            std::iter::once(width)
                .chain(std::iter::repeat_n(config.hidden, config.layers))
                .chain(std::iter::once(outputs))
                .collect()
        };
        let head = match config.variant {
            Variant::Csil | Variant::Xqc => Head::Categorical(BatchNormed::new(
                config.critics,
                &sizes(config.atoms),
                rng,
                device,
            )),
            Variant::Rlpd => Head::Scalar(Mlp::normed(
                config.critics,
                &sizes(1),
                Activation::Relu,
                rng,
                device,
            )),
            Variant::Sac => Head::Scalar(Mlp::new(
                config.critics,
                &sizes(1),
                Activation::Relu,
                rng,
                device,
            )),
        };
        Self { eyes, head }
    }

    /// Places that are seen, input and action side by side: `[N, places + width]`.
    fn rows(&self, Acted { at, action }: &Acted) -> Tensor<2> {
        let width = at.numbers.dims()[1];
        Tensor::cat(
            vec![at.clone().read_by(&self.eyes, width), action.clone()],
            1,
        )
    }

    /// Values of what was done, each on its own: `[K, N]`.
    pub(super) fn values(&self, atoms: &Atoms, acted: &Acted) -> Tensor<2> {
        let rows = self.rows(acted);
        match &self.head {
            Head::Categorical(net) => atoms.mean(net.forward(rows, Statistics::Running).output),
            Head::Scalar(net) => net.forward_shared(rows).squeeze_dim(2),
        }
    }

    /// What these critics, as slow copies, say that `lesson` should be: distributions `[N, atoms]`,
    /// or numbers `[N, 1]`. The least of the `judges` counts, row by row; of categorical critics
    /// all are judges.
    pub(super) fn targets(&self, atoms: &Atoms, lesson: &Lesson, judges: &[usize]) -> Tensor<2> {
        let Lesson {
            now,
            next,
            added,
            factor,
        } = lesson;
        let next = self.rows(next);
        match &self.head {
            Head::Categorical(net) => {
                // Both halves in one batch: its statistics are those that the learner's own pass
                // has.
                let n = next.dims()[0];
                let logits = net
                    .forward(
                        Tensor::cat(vec![self.rows(now), next], 0),
                        Statistics::Batch,
                    )
                    .output
                    .narrow(1, n, n);
                atoms.project(of_the_least(atoms, logits), added.clone(), factor.clone())
            }
            Head::Scalar(net) => {
                let values: Tensor<2> = net.select(judges).forward_shared(next).squeeze_dim(2);
                (added.clone() + factor.clone() * values.min_dim(0).squeeze_dim::<1>(0))
                    .unsqueeze_dim(1)
            }
        }
    }

    /// The error of `lesson` against `targets`, summed over the critics; how steep the first rows
    /// are along `directions` of inputs and actions, as the root of the mean square, summed too (0
    /// without directions); and what the pass has seen.
    pub(super) fn errors(
        &self,
        atoms: &Atoms,
        lesson: &Lesson,
        targets: Tensor<2>,
        directions: Option<Tensor<2>>,
    ) -> Errors {
        let now = self.rows(&lesson.now);
        let (n, device) = (now.dims()[0], now.device());
        match &self.head {
            Head::Categorical(net) => {
                let rows = Tensor::cat(vec![now, self.rows(&lesson.next)], 0);
                let pass = net.forward_along(
                    rows,
                    directions.map(|along| self.blindly(along)),
                    Statistics::Batch,
                );
                let logits = pass.output.clone().narrow(1, 0, n);
                let steepness = match &pass.change {
                    Some(change) => {
                        let first = logits.clone().narrow(1, 0, change.dims()[1]);
                        let slopes = atoms.mean_change(first, change.clone());
                        (slopes.square().mean_dim(1) + EPSILON).sqrt().sum()
                    }
                    None => Tensor::zeros([1], &device),
                };
                let error = Atoms::cross_entropy(logits, targets).mean_dim(1).sum();
                Errors {
                    error,
                    steepness,
                    pass: Some(pass),
                }
            }
            Head::Scalar(net) => {
                let values: Tensor<2> = net.forward_shared(now).squeeze_dim(2);
                let error = (values - targets.transpose()).square().mean_dim(1).sum();
                Errors {
                    error,
                    steepness: Tensor::zeros([1], &device),
                    pass: None,
                }
            }
        }
    }

    /// Directions of inputs and actions as those of rows: what is seen stays as it is.
    fn blindly(&self, along: Tensor<2>) -> Tensor<2> {
        let places = self.eyes.len() * Keypoints::WIDTH;
        if places == 0 {
            return along;
        }
        let still = Tensor::zeros([along.dims()[0], places], &along.device());
        Tensor::cat(vec![still, along], 1)
    }

    /// After a step of the optimizer: unit weights, and running statistics that follow.
    #[must_use]
    pub(super) fn settled(self, pass: Option<&Pass>) -> Self {
        let head = match (self.head, pass) {
            (Head::Categorical(net), Some(pass)) => {
                Head::Categorical(net.projected().having_seen(pass, STATISTICS_RATE))
            }
            (other, _) => other,
        };
        Self { head, ..self }
    }
}

/// What [`Critic::errors`] gives.
pub(super) struct Errors {
    pub error: Tensor<1>,
    pub steepness: Tensor<1>,
    pub pass: Option<Pass>,
}

/// Per row the distribution of the critic that expects least: `[K, N, atoms] -> [N, atoms]`.
fn of_the_least(atoms: &Atoms, logits: Tensor<3>) -> Tensor<2> {
    let values = atoms.mean(logits.clone());
    let least = values.clone().min_dim(0);
    let chosen = values
        .equal(least.expand([logits.dims()[0], logits.dims()[1]]))
        .float();
    let shares = chosen.clone() / chosen.sum_dim(0);
    (softmax(logits, 2) * shares.unsqueeze_dim(2))
        .sum_dim(0)
        .squeeze_dim(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Archive;
    use crate::nn::{self, gradient_check::worst_error_of_smooth, params};
    use crate::settings::Preset;
    use pollster::block_on;

    const ATOMS: Atoms = Atoms {
        low: -2.0,
        high: 2.0,
        count: 7,
    };
    const ROWS: usize = 12;

    fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        block_on(nn::read(tensor)).unwrap()
    }

    fn critic(variant: Variant, rng: &mut Rng) -> Critic {
        let config = CsilConfig {
            variant,
            critics: 2,
            hidden: 6,
            layers: 2,
            atoms: 7,
            ..CsilConfig::preset(Preset::Tiny)
        };
        let critic = Critic::new(&config, 3, &[], rng, &Device::flex().autodiff());
        // As loaded: running statistics have a gradient, too, where something asks for one.
        let mut archive = Archive::new();
        block_on(params::save(&critic, "c", &mut archive)).unwrap();
        params::load(critic, "c", &archive).unwrap()
    }

    fn lesson(rng: &mut Rng, device: &Device) -> Lesson {
        let factor = Tensor::from_floats([0.9f32, 0.0].repeat(ROWS / 2).as_slice(), device);
        let mut rows = |width: usize| nn::matrix(rng.normals(ROWS * width), width, device);
        let mut acted = || Acted {
            at: rows(2).into(),
            action: rows(1),
        };
        let (now, next) = (acted(), acted());
        Lesson {
            now,
            next,
            added: rows(1).squeeze_dim(1),
            factor,
        }
    }

    /// The loss of the critics, penalty on the action's gradient included, has the right gradient
    /// in every parameter, through the statistics of the crossed batch.
    #[test]
    fn the_critic_loss_has_the_right_gradient() {
        let device = Device::flex().autodiff();
        for variant in [Variant::Csil, Variant::Rlpd, Variant::Sac] {
            let mut rng = Rng::new(1, "test", 0);
            let critic = critic(variant, &mut rng);
            let targets =
                critic
                    .valid()
                    .targets(&ATOMS, &lesson(&mut rng.clone(), &Device::flex()), &[0, 1]);
            let lesson = lesson(&mut rng, &device);
            let directions = nn::matrix([0.0, 0.0, 1.0, 0.0, 0.0, -1.0].repeat(2), 3, &device);
            let error = worst_error_of_smooth(&critic, 4e-4, |critic| {
                let Errors {
                    error, steepness, ..
                } = critic.errors(
                    &ATOMS,
                    &lesson,
                    targets.clone().autodiff(),
                    Some(directions.clone()),
                );
                // What has no part in it is given something to find.
                let rest = match &critic.head {
                    Head::Categorical(net) => net.idle_sum() * 0.1,
                    Head::Scalar(_) => Tensor::zeros([1], &device),
                };
                error + steepness * 0.7 + rest
            });
            assert!(error < 2e-2, "{variant:?}: {error}");
        }
    }

    /// A target is r + the discounted value of the lesser critic, and r alone after the end;
    /// distributions have that mean.
    #[test]
    fn a_target_is_what_the_lesser_critic_expects() {
        for variant in [Variant::Csil, Variant::Rlpd] {
            let mut rng = Rng::new(2, "test", 0);
            let critic = critic(variant, &mut rng).valid();
            let mut lesson = lesson(&mut rng, &Device::flex());
            lesson.added = lesson.added.clone() * 0.1;
            let targets = critic.targets(&ATOMS, &lesson, &[0, 1]);
            let (added, factor) = (read(lesson.added.clone()), read(lesson.factor.clone()));
            let both = Tensor::cat(vec![critic.rows(&lesson.now), critic.rows(&lesson.next)], 0);
            let (values, found) = match &critic.head {
                Head::Categorical(net) => {
                    let values = read(ATOMS.mean(net.forward(both, Statistics::Batch).output));
                    let atoms: Vec<f32> = (0..7).map(|i| -2.0 + i as f32 * 4.0 / 6.0).collect();
                    let mean =
                        |row: &[f32]| row.iter().zip(&atoms).map(|(p, z)| p * z).sum::<f32>();
                    (
                        values,
                        read(targets).chunks(7).map(mean).collect::<Vec<_>>(),
                    )
                }
                Head::Scalar(net) => (read(net.forward_shared(both)), read(targets)),
            };
            for row in 0..ROWS {
                let least = values[ROWS + row].min(values[3 * ROWS + row]);
                let expected = added[row] + factor[row] * least;
                assert!(
                    (found[row] - expected).abs() < 1e-4,
                    "{variant:?} row {row}: {} {expected}",
                    found[row]
                );
            }
        }
    }

    /// The steepness is the root of the mean square of the value's slope along the directions, as
    /// differences find it.
    #[test]
    fn the_steepness_is_that_of_differences() {
        let mut rng = Rng::new(3, "test", 0);
        let Head::Categorical(net) = critic(Variant::Csil, &mut rng).valid().head else {
            panic!("csil has categorical critics")
        };
        let x = nn::matrix(rng.normals(3 * ROWS), 3, &Device::flex());
        let v = nn::matrix([0.0, 0.0, 1.0].repeat(ROWS), 3, &Device::flex());
        let pass = net.forward_along(x.clone(), Some(v.clone()), Statistics::Running);
        let found = read(ATOMS.mean_change(pass.output, pass.change.unwrap()));
        let at = |step: f64| {
            read(
                ATOMS.mean(
                    net.forward(x.clone() + v.clone() * step, Statistics::Running)
                        .output,
                ),
            )
        };
        let expected: Vec<f32> = at(1e-3)
            .into_iter()
            .zip(at(-1e-3))
            .map(|(a, b)| (a - b) / 2e-3)
            .collect();
        let close = found
            .iter()
            .zip(&expected)
            .filter(|(f, e)| (*f - *e).abs() < 5e-3)
            .count();
        // Where a ReLU bends between the two points, a difference is neither slope.
        assert!(close >= found.len() - 1, "{found:?} {expected:?}");
    }
}
