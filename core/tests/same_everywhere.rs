//! What must come out the same natively and in the browser. One file, two targets: `cargo xtask test` runs it on both.

use burn::module::{Module, Param};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use protege_core::rng::Rng;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test;

/// The promise: a seed means the same numbers on every machine, to the last bit; so do normal draws, which go through
/// logarithm and cosine.
#[cfg_attr(not(target_arch = "wasm32"), test)]
#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
fn random_streams_are_the_same_bits() {
    let mut rng = Rng::new(7, "same-everywhere", 3);
    let bits: Vec<u64> = (0..4).map(|_| rng.bits()).collect();
    assert_eq!(bits, BITS);
    let normals: Vec<u64> = (0..4).map(|_| rng.normal().to_bits()).collect();
    assert_eq!(normals, NORMALS);
}

const BITS: [u64; 4] = [0xa1b3_fe3c_dbdc_0e38, 0x6859_20d1_19db_2f46, 0xbaa5_aafb_eae3_d5a7, 0xa4eb_4f67_aac9_d270];
const NORMALS: [u64; 4] = [0x3fb6_640c_a4a8_085a, 0x3fe1_3708_ffde_88e7, 0xbfd5_7c6c_047c_fdb9, 0xbff0_6563_928f_3641];

/// The promise: learning on the CPU device goes the same way natively and in the browser. Sums are ordered differently
/// by the two instruction sets, hence a tolerance; the losses are those of x86-64.
#[cfg_attr(not(target_arch = "wasm32"), test)]
#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
fn learning_goes_the_same_way() {
    let losses = learn(&Device::flex().autodiff());
    for (step, (got, want)) in losses.iter().step_by(10).zip(LOSSES).enumerate() {
        assert!((got - want).abs() < 1e-4 * want, "loss after {} steps: {got}, not {want}", 10 * step);
    }
}

const LOSSES: [f32; 4] = [0.031_947_09, 0.016_603_59, 0.016_167_952, 0.015_068_496];

/// A perceptron with one hidden layer.
#[derive(Module, Debug)]
struct Net {
    hidden: Param<Tensor<2>>,
    output: Param<Tensor<2>>,
}

impl Net {
    fn new(rng: &mut Rng, device: &Device) -> Self {
        Self { hidden: Param::from_tensor(normal(rng, [3, 32], device)), output: Param::from_tensor(normal(rng, [32, 1], device)) }
    }

    fn loss(&self, x: Tensor<2>, y: Tensor<2>) -> Tensor<1> {
        let error = relu(x.matmul(self.hidden.val())).matmul(self.output.val()) - y;
        (error.clone() * error).mean()
    }
}

/// The mean squared error before each of 31 steps of Adam on a fixed small regression.
fn learn(device: &Device) -> Vec<f32> {
    let mut rng = Rng::new(0, "learning", 0);
    let mut net = Net::new(&mut rng, device);
    let (x, y) = (normal(&mut rng, [64, 3], device), normal(&mut rng, [64, 1], device));
    let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
    let mut losses = Vec::new();
    for _ in 0..31 {
        let loss = net.loss(x.clone(), y.clone());
        losses.push(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &net);
        net = adam.step(0.01, net, gradients);
    }
    losses
}

/// Standard normal values over the square root of the fan-in.
fn normal(rng: &mut Rng, shape: [usize; 2], device: &Device) -> Tensor<2> {
    let values = rng.normals(shape[0] * shape[1]);
    Tensor::from_data(TensorData::new(values, shape), device) / (shape[0] as f32).sqrt()
}
