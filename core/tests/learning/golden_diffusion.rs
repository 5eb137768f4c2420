//! The diffusion policy against numbers of DPPO's own code. All sizes are those of the file.

use crate::fixtures::Fixture;
use crate::{distance, read, trainer};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use protege_core::data::{Archive, Normaliser};
use protege_core::nn::{self, Activation, params};
use protege_core::obs::ObsSpec;
use protege_core::policy::{
    Diffusion, ImageEncoderKind, Net, Policy, PolicyConfig, PolicyKind, Sampler, ServedConfig,
    Sizes,
};
use protege_core::rng::Rng;
use protege_core::run::Preset;
use std::collections::BTreeMap;

const TOLERANCE: f32 = 1e-5;

/// The policy of the file, with one of the samplers, and the file.
struct Golden {
    file: Fixture,
    policy: Policy,
}

impl Golden {
    fn open(sampler: Sampler) -> Self {
        let file = Fixture::open("diffusion_mlp_tiny.safetensors");
        let latents = file.shape("eps/x");
        let observation = file.shape("cond/state");
        let sizes = Sizes {
            obs: observation[1..].iter().product(),
            act: latents[2],
            chunk: latents[1],
        };
        let layer = |name: &str| file.shape(&format!("net/{name}.weight"));
        let config = PolicyConfig {
            kind: PolicyKind::Diffusion,
            served: ServedConfig::preset(Preset::Paper),
            chunk: sizes.chunk,
            hidden: layer("mlp_mean.layers.0")[0],
            layers: 1 + 2 * blocks(&file),
            activation: Activation::Mish,
            residual: true,
            time_dim: layer("time_embedding.1")[1],
            denoising_steps: file.shape("ddpm/noise")[0] - 1,
            sampler,
            inference_steps: file.shape("ddim/t")[0],
            encoder: ImageEncoderKind::None,
        };
        config.check().unwrap();
        let scales = (
            Normaliser::identity(sizes.obs),
            Normaliser::identity(sizes.chunk_len()),
        );
        let mut policy = Policy::new(
            &config,
            &ObsSpec::of_state(sizes.obs),
            sizes.act,
            scales,
            &mut Rng::new(0, "test", 0),
            &trainer(),
        );
        policy.net = params::load(policy.net, "net", &weights(&file)).unwrap();
        Self { file, policy }
    }

    fn net(&self) -> &Diffusion {
        match &self.policy.net {
            Net::Diffusion(net) => net,
            _ => unreachable!("the configuration says diffusion"),
        }
    }

    /// The network's own sample, before it is clipped: DPPO's may be beyond ±1 by rounding.
    fn sample(&self, noise: Tensor<2>) -> Vec<f32> {
        read(self.net().sample(self.obs(), noise).inner())
    }

    fn rows(&self, name: &str, width: usize) -> Tensor<2> {
        nn::matrix(self.file.floats(name), width, &trainer())
    }

    fn obs(&self) -> Tensor<2> {
        self.rows("cond/state", self.policy.sizes.obs)
    }

    /// Rows of chunks.
    fn chunks(&self, name: &str) -> Tensor<2> {
        self.rows(name, self.policy.sizes.chunk_len())
    }

    fn loss(&self) -> Tensor<1> {
        self.net().loss_at(
            self.obs(),
            self.chunks("loss/x0"),
            &self.file.counts("loss/t"),
            self.chunks("loss/noise"),
        )
    }

    fn assert_close(&self, name: &str, found: &[f32]) {
        let error = distance(found, &self.file.floats(name));
        assert!(error < TOLERANCE, "{name} is missed by {error}");
    }
}

/// Residual blocks of the file's network.
fn blocks(file: &Fixture) -> usize {
    file.names("net/")
        .iter()
        .filter(|name| name.ends_with(".l1.weight"))
        .count()
}

/// Our names of the layers and the file's.
fn layers(file: &Fixture) -> Vec<(String, String)> {
    let blocks = blocks(file);
    let block = |i: usize| {
        [("first", "l1"), ("second", "l2")].map(|(ours, theirs)| {
            (
                format!("body.Residual.blocks.{i}.{ours}"),
                format!("mlp_mean.layers.{}.{theirs}", i + 1),
            )
        })
    };
    let ends = [
        ("time_in".into(), "time_embedding.1".into()),
        ("time_out".into(), "time_embedding.3".into()),
        ("body.Residual.input".into(), "mlp_mean.layers.0".into()),
        (
            "body.Residual.output".into(),
            format!("mlp_mean.layers.{}", blocks + 1),
        ),
    ];
    ends.into_iter()
        .chain((0..blocks).flat_map(block))
        .collect()
}

/// PyTorch keeps weights as (out, in), we as (in, out).
fn transposed(values: &[f32], rows: usize) -> Vec<f32> {
    let columns = values.len() / rows;
    (0..columns)
        .flat_map(|column| (0..rows).map(move |row| values[row * columns + column]))
        .collect()
}

/// The file's weights under our names.
fn weights(file: &Fixture) -> Archive {
    let mut archive = Archive::new();
    for (ours, theirs) in layers(file) {
        let shape = file.shape(&format!("net/{theirs}.weight"));
        let weight = file.floats(&format!("net/{theirs}.weight"));
        let bias = file.floats(&format!("net/{theirs}.bias"));
        archive.put_f32(
            format!("net/Diffusion.{ours}.weight"),
            &[shape[1], shape[0]],
            transposed(&weight, shape[0]),
        );
        archive.put_f32(format!("net/Diffusion.{ours}.bias"), &[1, shape[0]], bias);
    }
    archive
}

/// The network predicts the noise that DPPO's does.
#[test]
fn golden_diffusion_forward_pass() {
    let golden = Golden::open(Sampler::Ddim);
    let eps = golden.net().noise(
        golden.obs(),
        golden.chunks("eps/x"),
        &golden.file.counts("eps/t"),
    );
    golden.assert_close("eps/out", &read(eps.inner()));
}

/// DDIM goes from the same first latent to the same chunk.
#[test]
fn golden_diffusion_ddim_sample() {
    let golden = Golden::open(Sampler::Ddim);
    golden.assert_close("ddim/out", &golden.sample(golden.chunks("ddim/start")));
}

/// DDPM goes with the same draws to the same chunk.
#[test]
fn golden_diffusion_ddpm_sample() {
    let golden = Golden::open(Sampler::Ddpm);
    let policy = &golden.policy;
    let draws = golden.file.floats("ddpm/noise");
    let width = policy.sizes.chunk_len();
    let batch = golden.file.shape("ddpm/noise")[1];
    // [draws, batch, chunk * act] -> [batch, draws * chunk * act]
    let noise = (0..batch).flat_map(|row| {
        draws
            .chunks(batch * width)
            .flat_map(move |draw| &draw[row * width..(row + 1) * width])
    });
    golden.assert_close(
        "ddpm/out",
        &golden.sample(nn::matrix(
            noise.copied().collect(),
            policy.noise_len(),
            &trainer(),
        )),
    );
}

/// The denoising loss is the same for the same times and noise.
#[test]
fn golden_diffusion_loss() {
    let golden = Golden::open(Sampler::Ddim);
    golden.assert_close("loss/value", &read(golden.loss().inner()));
}

/// So is its gradient, in every weight and bias.
#[test]
fn golden_diffusion_gradients() {
    let golden = Golden::open(Sampler::Ddim);
    let grads = GradientsParams::from_grads(golden.loss().backward(), golden.net());
    let mut reader = Reader {
        path: Vec::new(),
        grads,
        found: BTreeMap::new(),
    };
    golden.net().visit(&mut reader);
    let layers = layers(&golden.file);
    assert_eq!(
        golden.file.names("grad/").len(),
        2 * layers.len(),
        "every gradient of the file is compared"
    );
    for (ours, theirs) in layers {
        let weight = &reader.found[&format!("{ours}.weight")];
        let inputs = golden.file.shape(&format!("grad/{theirs}.weight"))[1];
        golden.assert_close(
            &format!("grad/{theirs}.weight"),
            &transposed(weight, inputs),
        );
        golden.assert_close(
            &format!("grad/{theirs}.bias"),
            &reader.found[&format!("{ours}.bias")],
        );
    }
}

/// Collects gradients by the parameter's path.
struct Reader {
    path: Vec<String>,
    grads: GradientsParams,
    found: BTreeMap<String, Vec<f32>>,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.insert(
            self.path.join("."),
            read(self.grads.get::<D>(param.id).unwrap()),
        );
    }
}
