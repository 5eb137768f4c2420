//! Experts that are networks: a policy from a file, as the demonstrator of a task that has no
//! scripted one.
//!
//! The file is a safetensors file of plain arrays, in the layout of the policies of DAPG
//! (github.com/aravindr93/hand_dapg): `in_shift`, `in_scale` (as long as an observation),
//! `fc_layers.0.weight` (out, in), `fc_layers.0.bias` and so on, `out_shift`, `out_scale` (as long
//! as an action). With x = (observation - in_shift) / (in_scale + 1e-8), tanh after every layer but
//! the last, the action is the last layer's output * out_scale + out_shift, clipped to [-1, 1].
//! Other arrays (`log_std`) are not used: noise is the recorder's to choose.

use crate::files::arrays::{Array, Arrays};
use protege_core::env::{self, Env, Spec, Step};
use protege_core::obs::Observation;
use protege_core::rng::Rng;
use protege_core::tasks::ExpertStyle;
use protege_core::{Result, checksummed};
use serde::{Deserialize, Serialize};

/// What upstream adds to `in_scale`, so that nothing is divided by zero.
const SMALL: f64 = 1e-8;

/// A trained expert.
pub struct Network {
    /// For each observed number: shift and scale.
    input: Vec<(f64, f64)>,
    layers: Vec<Layer>,
    /// For each number of an action: shift and scale.
    output: Vec<(f64, f64)>,
}

/// y = weight x + bias.
struct Layer {
    weight: Array,
    bias: Vec<f64>,
}

impl Layer {
    fn apply(&self, x: &[f64]) -> Vec<f64> {
        let product = |row: &[f64]| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
        self.weight
            .rows()
            .zip(&self.bias)
            .map(|(row, bias)| product(row) + bias)
            .collect()
    }
}

impl Network {
    /// Reads an expert of the task with these sizes; `what` names the file in sentences.
    ///
    /// # Errors
    /// When the file is no expert's, is damaged, or is an expert for something else.
    pub fn from_bytes(bytes: &[u8], what: &str, spec: &Spec) -> Result<Self> {
        let arrays = Arrays::open(bytes, what)?;
        let layers = (0..)
            .map(|i| format!("fc_layers.{i}"))
            .take_while(|name| arrays.has(&format!("{name}.weight")));
        let layers = layers
            .map(|name| layer(&arrays, &name))
            .collect::<Result<Vec<_>>>()?;
        let (Some(first), Some(last)) = (layers.first(), layers.last()) else {
            return Err(
                arrays.fault("is not an expert network: it has no array `fc_layers.0.weight`")
            );
        };
        let sizes = (first.weight.width(), last.bias.len());
        let state = spec.obs.state;
        if sizes != (state, spec.act) {
            let Spec { id, act, .. } = spec;
            let (own_obs, own_act) = sizes;
            let fault = format!(
                "is an expert of another task: it answers {own_obs} numbers with {own_act}, and \
                 {id} has {state} and {act}"
            );
            return Err(arrays.fault(fault));
        }
        if let Some(i) = layers
            .windows(2)
            .position(|pair| pair[0].bias.len() != pair[1].weight.width())
        {
            return Err(arrays.fault(format!(
                "is damaged: layer {} does not take what layer {i} gives",
                i + 1
            )));
        }
        let input = scaling(&arrays, "in", state)?;
        let output = scaling(&arrays, "out", spec.act)?;
        Ok(Self {
            input,
            layers,
            output,
        })
    }

    /// What the expert would do, in [-1, 1].
    pub fn act(&self, obs: &[f32]) -> Vec<f32> {
        let mut x: Vec<f64> = obs
            .iter()
            .zip(&self.input)
            .map(|(x, (shift, scale))| (f64::from(*x) - shift) / (scale + SMALL))
            .collect();
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.apply(&x);
            if i + 1 < self.layers.len() {
                x.iter_mut().for_each(|v| *v = v.tanh());
            }
        }
        x.iter()
            .zip(&self.output)
            .map(|(x, (shift, scale))| (x * scale + shift).clamp(-1.0, 1.0) as f32)
            .collect()
    }
}

fn layer(arrays: &Arrays, name: &str) -> Result<Layer> {
    let weight = arrays.get(&format!("{name}.weight"))?;
    let bias = arrays.get(&format!("{name}.bias"))?.numbers;
    if weight.shape.len() != 2 || weight.shape[0] != bias.len() || weight.numbers.is_empty() {
        return Err(arrays.fault(format!(
            "is damaged: `{name}` has weights of shape {:?} and {} biases",
            weight.shape,
            bias.len()
        )));
    }
    Ok(Layer { weight, bias })
}

/// Shifts and scales of one side of the network.
fn scaling(arrays: &Arrays, side: &str, length: usize) -> Result<Vec<(f64, f64)>> {
    let read = |name: String| {
        let numbers = arrays.get(&name)?.numbers;
        let fault = || {
            arrays.fault(format!(
                "is damaged: `{name}` has {} numbers instead of {length}",
                numbers.len()
            ))
        };
        if numbers.len() == length {
            Ok(numbers)
        } else {
            Err(fault())
        }
    };
    let shifts = read(format!("{side}_shift"))?;
    let scales = read(format!("{side}_scale"))?;
    Ok(shifts.into_iter().zip(scales).collect())
}

/// A task whose expert is a network. Of a style it takes the noise only.
pub struct ExpertEnv {
    env: Box<dyn Env>,
    network: Network,
    memory: Memory,
}

/// What the demonstrator itself remembers.
#[derive(Clone, Serialize, Deserialize)]
struct Memory {
    /// The newest observation.
    obs: Observation,
    /// Standard deviation of the noise on every action.
    trembling: f64,
    noise: Rng,
}

impl ExpertEnv {
    /// The environment, started from seed 0.
    pub fn new(mut env: Box<dyn Env>, network: Network) -> Self {
        let obs = env.reset(0);
        Self {
            env,
            network,
            memory: Memory {
                obs,
                trembling: 0.0,
                noise: Rng::new(0, "expert", 0),
            },
        }
    }
}

impl env::Wrapper for ExpertEnv {
    fn inner(&self) -> &dyn Env {
        &*self.env
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.env
    }

    fn reset(&mut self, seed: u64) -> Observation {
        self.memory = Memory {
            obs: self.env.reset(seed),
            noise: Rng::new(seed, "expert", 0),
            ..self.memory
        };
        self.memory.obs.clone()
    }

    fn step(&mut self, action: &[f32]) -> Result<Step> {
        let step = self.env.step(action)?;
        self.memory.obs.clone_from(&step.obs);
        Ok(step)
    }

    fn set_style(&mut self, style: ExpertStyle) -> Result<()> {
        self.memory.trembling = style.checked()?.noise;
        Ok(())
    }

    fn expert(&mut self) -> Option<Vec<f32>> {
        let Memory {
            obs,
            trembling,
            noise,
        } = &mut self.memory;
        let mut action = self.network.act(&obs.state);
        if *trembling > 0.0 {
            action
                .iter_mut()
                .for_each(|a| *a = (*a + (*trembling * noise.normal()) as f32).clamp(-1.0, 1.0));
        }
        Some(action)
    }

    fn save(&self) -> Vec<u8> {
        let body = postcard::to_allocvec(&(&self.memory, self.env.save()))
            .expect("plain data can be serialised into memory");
        checksummed::pack(&checksummed::digest(self.env.spec().id.as_bytes()), &body)
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let id = &self.env.spec().id;
        let body = checksummed::unpack(&checksummed::digest(id.as_bytes()), state, id)?;
        let (memory, env): (Memory, Vec<u8>) =
            postcard::from_bytes(body).map_err(|_| checksummed::damaged(id))?;
        self.env.restore(&env)?;
        self.memory = memory;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::arrays::written as file;
    use protege_core::obs::ObsSpec;

    fn spec() -> Spec {
        Spec {
            id: "lab/lift".into(),
            obs: ObsSpec::of_state(39),
            act: 4,
            horizon: 120,
        }
    }

    /// The arrays of a small expert for a task with these sizes; every number is `value`.
    fn parts(obs: usize, act: usize, value: f32) -> Vec<(String, Vec<usize>, Vec<f32>)> {
        let shapes = [
            ("in_shift", vec![obs]),
            ("in_scale", vec![obs]),
            ("fc_layers.0.weight", vec![3, obs]),
            ("fc_layers.0.bias", vec![3]),
            ("fc_layers.1.weight", vec![act, 3]),
            ("fc_layers.1.bias", vec![act]),
            ("out_shift", vec![act]),
            ("out_scale", vec![act]),
        ];
        shapes
            .into_iter()
            .map(|(name, shape)| {
                (
                    name.into(),
                    shape.clone(),
                    vec![value; shape.iter().product()],
                )
            })
            .collect()
    }

    fn refusal(bytes: &[u8]) -> String {
        Network::from_bytes(bytes, "expert.safetensors", &spec())
            .err()
            .unwrap()
            .to_string()
    }

    /// An expert's action is what the published formula gives.
    #[test]
    fn an_expert_follows_the_published_formula() {
        let network = Network::from_bytes(&file(&parts(39, 4, 0.5)), "expert", &spec()).unwrap();
        let x = (0.6f64 - 0.5) / (0.5 + 1e-8);
        let hidden = (39.0 * 0.5 * x + 0.5).tanh();
        let expected = (3.0 * 0.5 * hidden + 0.5) * 0.5 + 0.5;
        assert!(expected > 1.0, "so that clipping is seen below");
        assert_eq!(network.act(&[0.6; 39]), [1.0; 4]);
        let expected = ((3.0 * 0.5 * (39.0 * 0.5 * -0.2 / (0.5 + 1e-8) + 0.5f64).tanh() + 0.5)
            * 0.5
            + 0.5) as f32;
        assert!(
            network
                .act(&[0.3; 39])
                .iter()
                .all(|a| expected.abs() < 1.0 && (a - expected).abs() < 1e-6)
        );
    }

    /// A file that is no expert of the task is refused in one sentence that names it and its fault.
    #[test]
    fn a_file_that_is_no_expert_of_the_task_is_refused() {
        let good = file(&parts(39, 4, 0.5));
        let without = |name: &str| {
            file(
                &parts(39, 4, 0.5)
                    .into_iter()
                    .filter(|part| part.0 != name)
                    .collect::<Vec<_>>(),
            )
        };
        let mut crooked = parts(39, 4, 0.5);
        crooked[4].1 = vec![4, 5];
        crooked[4].2 = vec![0.5; 20];
        let table = [
            (file(&parts(46, 26, 0.5)), "another task"),
            (file(&parts(39, 30, 0.5)), "another task"),
            (file(&parts(39, 4, f32::NAN)), "NaN"),
            (file(&crooked), "layer 1 does not take"),
            (without("fc_layers.0.weight"), "not an expert network"),
            (without("fc_layers.1.bias"), "fc_layers.1.bias"),
            (without("out_scale"), "out_scale"),
            (good[..good.len() - 4].to_vec(), "cut short"),
            (
                b"\x89HDF\r\n\x1a\n and more".to_vec(),
                "not a safetensors file",
            ),
            (Vec::new(), "not a safetensors file"),
        ];
        for (bytes, fault) in table {
            let sentence = refusal(&bytes);
            assert!(
                sentence.starts_with("expert.safetensors ")
                    && sentence.contains(fault)
                    && !sentence.contains('\n'),
                "{sentence}"
            );
        }
    }

    /// A guided environment, saved and restored, goes on bit for bit, trembling included.
    #[test]
    fn a_restored_demonstrator_goes_on_bit_for_bit() {
        let make = || {
            let network =
                Network::from_bytes(&file(&parts(39, 4, 0.02)), "expert", &spec()).unwrap();
            let mut env = ExpertEnv::new(protege_core::env::make("lab/lift").unwrap(), network);
            env.set_style(ExpertStyle {
                noise: 0.3,
                ..ExpertStyle::default()
            })
            .unwrap();
            env
        };
        let play = |env: &mut ExpertEnv| {
            let action = env.expert().unwrap();
            (action.clone(), env.step(&action).unwrap())
        };
        let mut env = make();
        let mut other = make();
        env.reset(3);
        (0..10).for_each(|_| drop(play(&mut env)));
        let saved = env.save();
        other.restore(&saved).unwrap();
        assert!(other.restore(&saved[..saved.len() - 1]).is_err());
        for _ in 0..20 {
            assert_eq!(play(&mut env), play(&mut other));
        }
    }
}
