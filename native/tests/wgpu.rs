//! Learning on a GPU device against learning on the CPU. `cargo xtask test` runs it on a GPU in software.
#![cfg(feature = "wgpu")]

use burn::module::{Module, Param};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::activation::relu;
use burn::tensor::{Device, DeviceKind, Tensor, TensorData};
use protege_core::rng::Rng;

/// The promise: the GPU learns what the CPU learns; after five steps of Adam every weight agrees to 1e-4.
#[test]
fn five_steps_of_adam_agree_with_the_cpu() {
    let cpu = learn(&Device::flex().autodiff());
    let gpu = learn(&Device::wgpu(DeviceKind::DefaultDevice).autodiff());
    assert_eq!(cpu.len(), gpu.len());
    let worst = cpu.iter().zip(&gpu).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-4, "weights differ by up to {worst}");
}

/// A perceptron with one hidden layer.
#[derive(Module, Debug)]
struct Net {
    hidden: Param<Tensor<2>>,
    output: Param<Tensor<2>>,
}

/// All weights after five steps of Adam on a fixed small regression.
fn learn(device: &Device) -> Vec<f32> {
    let mut rng = Rng::new(0, "learning", 0);
    let mut net = Net {
        hidden: Param::from_tensor(normal(&mut rng, [8, 64], device)),
        output: Param::from_tensor(normal(&mut rng, [64, 4], device)),
    };
    let (x, y) = (normal(&mut rng, [32, 8], device), normal(&mut rng, [32, 4], device));
    let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
    for _ in 0..5 {
        let error = relu(x.clone().matmul(net.hidden.val())).matmul(net.output.val()) - y.clone();
        let gradients = GradientsParams::from_grads((error.clone() * error).mean().backward(), &net);
        net = adam.step(0.01, net, gradients);
    }
    let values = |tensor: Tensor<2>| tensor.into_data().into_vec::<f32>().unwrap_or_default();
    [values(net.hidden.val()), values(net.output.val())].concat()
}

/// Standard normal values over the square root of the fan-in.
fn normal(rng: &mut Rng, shape: [usize; 2], device: &Device) -> Tensor<2> {
    let values = rng.normals(shape[0] * shape[1]);
    Tensor::from_data(TensorData::new(values, shape), device) / (shape[0] as f32).sqrt()
}
