//! Parameters of a module by name: saving, loading, and moving averages.

use super::fused;
use crate::data::Archive;
use crate::{Error, Result};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use std::collections::BTreeMap;

/// Path of the parameter being visited, `weights.0` and the like.
#[derive(Default)]
pub(crate) struct Path(Vec<String>);

impl Path {
    pub(crate) fn enter(&mut self, name: &str) {
        self.0.push(name_in_files(name).to_owned());
    }

    pub(crate) fn exit(&mut self) {
        self.0.pop();
    }

    pub(crate) fn name(&self) -> String {
        let parts = self.0.iter().map(String::as_str);
        let named: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        named.join(".")
    }
}

/// A part's name in files, which it keeps where the code has another one; none where it once was
/// the whole module, or the only one of its kind.
fn name_in_files(name: &str) -> &str {
    match name {
        "image_encoder" => "eyes",
        "bare" | "Keypoints" => "",
        _ => name,
    }
}

/// Writes every parameter of `module` into the archive as `prefix/path`.
pub async fn save<M: Module>(module: &M, prefix: &str, archive: &mut Archive) -> Result<()> {
    let mut collector = Collector::default();
    module.visit(&mut collector);
    for (name, read) in collector.reads {
        let (shape, values) = read.await?;
        archive.put_f32(format!("{prefix}/{name}"), &shape, values);
    }
    Ok(())
}

/// A read-back under way: shape and values.
type Read = std::pin::Pin<Box<dyn Future<Output = Result<(Vec<usize>, Vec<f32>)>>>>;

#[derive(Default)]
struct Collector {
    path: Path,
    reads: Vec<(String, Read)>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        self.reads.push((
            self.path.name(),
            Box::pin(async move { Ok((value.dims().to_vec(), crate::nn::read(value).await?)) }),
        ));
    }
}

/// Size of each parameter of `module`, by its path.
pub fn sizes<M: Module>(module: &M) -> BTreeMap<String, usize> {
    let mut counter = Counter::default();
    module.visit(&mut counter);
    counter.sizes
}

#[derive(Default)]
struct Counter {
    path: Path,
    sizes: BTreeMap<String, usize>,
}

impl ModuleVisitor for Counter {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.sizes
            .insert(self.path.name(), param.dims().iter().product());
    }
}

/// Replaces every parameter of `module` by what [`save`] wrote under `prefix`.
///
/// # Errors
/// When a parameter is missing or has another shape; the sentence names it.
pub fn load<M: Module>(module: M, prefix: &str, archive: &Archive) -> Result<M> {
    let mut loader = Loader {
        path: Path::default(),
        prefix,
        archive,
        error: None,
    };
    let module = module.map(&mut loader);
    loader.error.map_or(Ok(module), Err)
}

struct Loader<'a> {
    path: Path,
    prefix: &'a str,
    archive: &'a Archive,
    error: Option<Error>,
}

impl Loader<'_> {
    fn data<const D: usize>(&self, expected: [usize; D]) -> Result<TensorData> {
        let mut name = format!("{}/{}", self.prefix, self.path.name());
        // Before version 3 there was one camera, and no number in the names of its encoder.
        if self.archive.version() < 3 && !self.archive.contains(&name) {
            name = name.replacen(".0.", ".", 1);
        }
        let (shape, values) = self.archive.get_f32(&name)?;
        if shape != expected {
            let sentence = format!(
                "the checkpoint's {name} has shape {shape:?} but this configuration needs \
                 {expected:?}: use the configuration that the checkpoint was made with"
            );
            return Err(Error::input(sentence));
        }
        Ok(TensorData::new(values.to_vec(), expected))
    }
}

impl ModuleMapper for Loader<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let data = self.data(param.dims());
        match data {
            Ok(data) => {
                let device = param.device();
                // Gradients are wanted only where the device can have them: a frozen critic is
                // loaded without.
                param.map(|_| {
                    Tensor::from_data(data, &device).set_require_grad(device.is_autodiff())
                })
            }
            Err(error) => {
                self.error.get_or_insert(error);
                param
            }
        }
    }
}

/// Polyak averaging: target <- (1 - tau) target + tau source, parameter by parameter.
pub fn polyak<M: Module>(target: M, source: &M, tau: f64) -> M {
    let mut values = Values::default();
    source.visit(&mut values);
    target.map(&mut Average {
        path: Path::default(),
        values,
        tau,
    })
}

#[derive(Default)]
struct Values {
    path: Path,
    tensors: BTreeMap<String, TensorBox>,
}

/// A tensor of any rank, flattened.
type TensorBox = Tensor<1>;

impl ModuleVisitor for Values {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.tensors
            .insert(self.path.name(), param.val().inner().flatten(0, -1));
    }
}

struct Average {
    path: Path,
    values: Values,
    tau: f64,
}

impl ModuleMapper for Average {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let source = self.values.tensors[&self.path.name()].clone();
        param.map(|target| {
            let shape = target.dims();
            fused::average(target, source.reshape(shape), self.tau)
        })
    }
}
