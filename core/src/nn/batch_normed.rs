//! A stack of K perceptrons with batch normalization and unit weights: the critics of XQC
//! (Palenicek et al. 2025; `danielpalenicek/xqc`), after CrossQ (Bhatt et al. 2024).
//!
//! Input -> batch norm -> [linear without bias -> batch norm -> ReLU] ... -> linear. After every
//! step of an optimizer the weights of each unit are scaled back to length 1
//! ([`BatchNormed::projected`]): the normalization makes their length meaningless, and growing, it
//! would only slow learning down.

use crate::rng::Rng;
use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};

/// Added to variances (XQC).
const EPSILON: f64 = 1e-3;

/// K perceptrons in one module: `[K, batch, input] -> [K, batch, output]`.
#[derive(Module, Debug)]
pub(crate) struct BatchNormed {
    /// Per hidden layer `[K, in, out]`.
    weights: Vec<Param<Tensor<3>>>,
    /// `[K, hidden, output]`.
    output: Param<Tensor<3>>,
    /// `[K, 1, output]`.
    bias: Param<Tensor<3>>,
    /// Of the input, and of each hidden layer.
    norms: Vec<Norm>,
}

/// One batch normalization, all parameters `[K, 1, width]`.
#[derive(Module, Debug)]
struct Norm {
    gain: Param<Tensor<3>>,
    shift: Param<Tensor<3>>,
    /// Slow averages of the batches' means and variances: no gradient reaches them.
    mean: Param<Tensor<3>>,
    variance: Param<Tensor<3>>,
}

/// The statistics by which a forward pass normalizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Statistics {
    /// Means and variances of the batch itself: for learning. Rows that are to be normalized alike
    /// belong into one batch.
    Batch,
    /// The slow averages of earlier batches: a row's output does not depend on its neighbors.
    Running,
}

/// The result of a forward pass.
pub(crate) struct Pass {
    /// `[K, batch, output]`.
    pub(crate) output: Tensor<3>,
    /// Directional derivatives of the output at the first rows: `[K, rows, output]`.
    pub(crate) change: Option<Tensor<3>>,
    /// Batch mean and variance of every layer.
    batch_stats: Vec<[Tensor<3>; 2]>,
}

impl BatchNormed {
    /// `members` networks with layer sizes `sizes` (input, hidden ..., output): random unit
    /// weights, biases 0.
    pub(crate) fn new(members: usize, sizes: &[usize], rng: &mut Rng, device: &Device) -> Self {
        // The scale does not matter: `projected` brings every unit to length 1.
        let mut weight = |w: &[usize]| {
            let shape = [members, w[0], w[1]];
            Param::from_data(
                TensorData::new(rng.normals(shape.iter().product()), shape),
                device,
            )
        };
        let mut weights: Vec<_> = sizes.windows(2).map(&mut weight).collect();
        let output = weights
            .pop()
            .expect("a network has at least an input and an output");
        let constant = |width: usize, value: f32| {
            Param::from_tensor(Tensor::full([members, 1, width], value, device))
        };
        let norm = |&width: &usize| Norm {
            gain: constant(width, 1.0),
            shift: constant(width, 0.0),
            mean: constant(width, 0.0).no_grad(),
            variance: constant(width, 1.0).no_grad(),
        };
        let (hidden, last) = sizes.split_at(sizes.len() - 1);
        Self {
            weights,
            output,
            bias: constant(last[0], 0.0),
            norms: hidden.iter().map(norm).collect(),
        }
        .projected()
    }

    /// K, the number of members.
    pub(crate) fn members(&self) -> usize {
        self.output.dims()[0]
    }

    /// All members on the same input: `[batch, input] -> [K, batch, output]`.
    pub(crate) fn forward(&self, x: Tensor<2>, statistics: Statistics) -> Pass {
        self.forward_along(x, None, statistics)
    }

    /// As [`BatchNormed::forward`], with the directional derivatives of the output along
    /// `directions` `[rows, input]` at the first rows.
    ///
    /// The derivatives are carried through the network beside the values, so that they can
    /// themselves be differentiated in the weights: the tensor library differentiates once only.
    /// They are exact where no ReLU has its kink, for means and variances taken as constants.
    pub(crate) fn forward_along(
        &self,
        x: Tensor<2>,
        directions: Option<Tensor<2>>,
        statistics: Statistics,
    ) -> Pass {
        let spread = |x: Tensor<2>| {
            let [batch, width] = x.dims();
            x.unsqueeze_dim::<3>(0)
                .expand([self.members(), batch, width])
        };
        let mut batch_stats = Vec::new();
        let (mut x, mut change) = self.norms[0].forward(
            spread(x),
            directions.map(spread),
            statistics,
            &mut batch_stats,
        );
        for (weight, norm) in self.weights.iter().zip(&self.norms[1..]) {
            // Forward-mode differentiation: a linear layer maps values and derivatives alike.
            let through = |x: Tensor<3>| x.matmul(weight.val());
            (x, change) = norm.forward(
                through(x),
                change.map(through),
                statistics,
                &mut batch_stats,
            );
            change = change.map(|change| {
                // ReLU's slope, 0 or 1, is a constant: its own derivative is 0 almost everywhere.
                let rows = change.dims()[1];
                change
                    * x.clone()
                        .narrow(1, 0, rows)
                        .detach()
                        .greater_elem(0.0)
                        .float()
            });
            x = relu(x);
        }
        let through = |x: Tensor<3>| x.matmul(self.output.val());
        Pass {
            output: through(x) + self.bias.val(),
            change: change.map(through),
            batch_stats,
        }
    }

    /// Moves the running averages towards the statistics of a pass, by `rate`.
    #[must_use]
    pub(crate) fn update_running_stats(mut self, pass: &Pass, rate: f64) -> Self {
        let towards = |average: Param<Tensor<3>>, now: &Tensor<3>| {
            // Averaged outside of the graph: no gradient reaches the statistics.
            let attached = average.device().is_autodiff();
            let detached = |x: Tensor<3>| if attached { x.inner() } else { x };
            let next = detached(average.val()) * (1.0 - rate) + detached(now.clone()) * rate;
            average.map(|_| if attached { next.autodiff() } else { next })
        };
        for (norm, [mean, variance]) in self.norms.iter_mut().zip(&pass.batch_stats) {
            norm.mean = towards(norm.mean.clone(), mean);
            norm.variance = towards(norm.variance.clone(), variance);
        }
        self
    }

    /// For tests of gradients, which every parameter must have there: a number that depends on
    /// those alone that have none in a batch, the slow averages, and the input's shift, which the
    /// next normalization takes out.
    #[cfg(test)]
    pub(crate) fn idle_sum(&self) -> Tensor<1> {
        let averages = self
            .norms
            .iter()
            .map(|norm| norm.mean.val().mean() + norm.variance.val().mean());
        averages.fold(self.norms[0].shift.val().mean(), |sum, part| sum + part)
    }

    /// Scales the weights of every unit, with its bias if it has one, to length 1.
    #[must_use]
    pub(crate) fn projected(self) -> Self {
        let weights = self.weights.into_iter().map(|weight| {
            let length = detached(&weight).square().sum_dim(1).sqrt();
            divided(weight, length)
        });
        // The last layer is scaled together with its bias; the reference leaves that bias out
        // (`networks/common.py`, `norm_network`).
        let length =
            (detached(&self.output).square().sum_dim(1) + detached(&self.bias).square()).sqrt();
        Self {
            weights: weights.collect(),
            output: divided(self.output, length.clone()),
            bias: divided(self.bias, length),
            norms: self.norms,
        }
    }
}

/// A parameter's value, as a constant.
fn detached(param: &Param<Tensor<3>>) -> Tensor<3> {
    if param.device().is_autodiff() {
        param.val().inner()
    } else {
        param.val()
    }
}

/// A parameter divided by numbers of its units.
fn divided(param: Param<Tensor<3>>, by: Tensor<3>) -> Param<Tensor<3>> {
    let attached = param.device().is_autodiff();
    let value = detached(&param) / by;
    param.map(|_| {
        if attached {
            value.autodiff().require_grad()
        } else {
            value
        }
    })
}

impl Norm {
    fn forward(
        &self,
        x: Tensor<3>,
        change: Option<Tensor<3>>,
        statistics: Statistics,
        batch_stats: &mut Vec<[Tensor<3>; 2]>,
    ) -> (Tensor<3>, Option<Tensor<3>>) {
        let [mean, variance] = match statistics {
            Statistics::Batch => {
                let mean = x.clone().mean_dim(1);
                let variance = (x.clone() - mean.clone()).square().mean_dim(1);
                batch_stats.push([mean.clone(), variance.clone()]);
                [mean, variance]
            }
            Statistics::Running => [self.mean.val().detach(), self.variance.val().detach()],
        };
        // Values are centered and scaled; derivatives are scaled only.
        let slope = self.gain.val() / (variance + EPSILON).sqrt();
        (
            (x - mean) * slope.clone() + self.shift.val(),
            change.map(|change| change * slope),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Archive;
    use crate::nn::{self, gradient_check::worst_error, params};
    use pollster::block_on;

    const SIZES: [usize; 4] = [3, 6, 5, 2];

    fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        block_on(nn::read(tensor)).unwrap()
    }

    fn net(device: &Device) -> (BatchNormed, Rng) {
        let mut rng = Rng::new(0, "test", 0);
        (BatchNormed::new(2, &SIZES, &mut rng, device), rng)
    }

    /// Every unit's weights have length 1 at the start and after projection, the bias counted with
    /// the last layer's.
    #[test]
    fn weights_have_unit_length() {
        let (net, _) = net(&Device::flex());
        let grown = BatchNormed {
            weights: net
                .weights
                .iter()
                .map(|w| Param::from_tensor(w.val() * 3.0))
                .collect(),
            ..net.clone()
        };
        let projected = grown.projected();
        for (weight, original) in projected
            .weights
            .iter()
            .chain([&projected.output])
            .zip(net.weights.iter().chain([&net.output]))
        {
            assert!(
                read(weight.val().square().sum_dim(1))
                    .iter()
                    .all(|l| (l - 1.0).abs() < 1e-5)
            );
            assert!(
                read((weight.val() - original.val()).abs())
                    .iter()
                    .all(|&d| d < 1e-6)
            );
        }
        let bias = Param::from_tensor(Tensor::ones([2, 1, 2], &Device::flex()));
        let output = read(BatchNormed { bias, ..net }.projected().bias.val());
        assert!(
            output.iter().all(|b| (b - 0.5f32.sqrt()).abs() < 1e-5),
            "{output:?}"
        );
    }

    /// With the batch's statistics each hidden unit is standardized over the batch, so its scale
    /// does not matter.
    #[test]
    fn a_batch_is_standardized() {
        let (net, mut rng) = net(&Device::flex());
        let x = nn::matrix(rng.normals(60), 3, &Device::flex());
        let one = net.forward(x.clone(), Statistics::Batch).output;
        let scaled = net.forward(x * 50.0 - 7.0, Statistics::Batch).output;
        let worst = read((one - scaled).abs()).into_iter().fold(0.0, f32::max);
        assert!(worst < 2e-2, "{worst}");
    }

    /// The running statistics go to those of the batches seen, they are saved with the weights, and
    /// with them a row does not depend on its neighbors.
    #[test]
    fn running_statistics_are_those_of_the_batches() {
        let device = Device::flex().autodiff();
        let (mut net, mut rng) = net(&device);
        let x = nn::matrix(rng.normals(60), 3, &device) * 2.0 + 1.0;
        for _ in 0..400 {
            let pass = net.forward(x.clone(), Statistics::Batch);
            net = net.update_running_stats(&pass, 0.05);
        }
        let batch = net.forward(x.clone(), Statistics::Batch).output;
        let running = net.forward(x.clone(), Statistics::Running).output;
        let worst = read((batch - running.clone()).abs().inner())
            .into_iter()
            .fold(0.0, f32::max);
        assert!(worst < 1e-3, "{worst}");
        let alone = net
            .forward(x.clone().narrow(0, 4, 1), Statistics::Running)
            .output;
        assert!(
            read((alone - running.clone().narrow(1, 4, 1)).abs().inner())
                .iter()
                .all(|&d| d < 1e-5)
        );
        let mut archive = Archive::new();
        block_on(params::save(&net, "net", &mut archive)).unwrap();
        let loaded = params::load(
            BatchNormed::new(2, &SIZES, &mut rng, &device),
            "net",
            &archive,
        )
        .unwrap();
        assert_eq!(
            read(loaded.forward(x, Statistics::Running).output.inner()),
            read(running.inner())
        );
    }

    /// The gradient is right in every parameter, through the statistics of the batch.
    #[test]
    fn the_gradient_is_right_through_the_batchs_statistics() {
        let device = Device::flex().autodiff();
        let (net, mut rng) = net(&device);
        let x = nn::matrix(rng.normals(60), 3, &device);
        let weight = nn::matrix(rng.normals(40), 2, &device);
        // As loaded, running statistics have a gradient, too, where something asks for one.
        let mut archive = Archive::new();
        block_on(params::save(&net, "net", &mut archive)).unwrap();
        let net = params::load(net, "net", &archive).unwrap();
        let error = worst_error(&net, |net| {
            let output = net.forward(x.clone(), Statistics::Batch).output;
            (output * weight.clone().unsqueeze_dim(0)).square().mean() + net.idle_sum()
        });
        assert!(error < 1e-2, "{error}");
    }

    /// The change along a direction is that of a backward pass with either statistics' values held,
    /// row by row.
    #[test]
    fn the_change_along_a_direction_is_that_of_a_backward_pass() {
        let device = Device::flex().autodiff();
        let (net, mut rng) = net(&device);
        let x = nn::matrix(rng.normals(30), 3, &device).require_grad();
        let directions = nn::matrix(rng.normals(12), 3, &device);
        let pass = net.forward_along(x.clone(), Some(directions.clone()), Statistics::Running);
        let change = read(pass.change.unwrap().inner());
        // The first member's first output.
        let gradient = x
            .grad(&pass.output.narrow(0, 0, 1).narrow(2, 0, 1).sum().backward())
            .unwrap();
        let expected = read((gradient.narrow(0, 0, 4) * directions.inner()).sum_dim(1));
        assert!(expected.iter().any(|e| e.abs() > 1e-2));
        assert!(
            (0..4).all(|row| (change[row * 2] - expected[row]).abs() < 1e-5),
            "{change:?} {expected:?}"
        );
    }
}
