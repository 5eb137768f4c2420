//! The machine: devices, cores, memory, and Ctrl-C.

use protege_core::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;

/// The devices that can be asked for.
pub const DEVICES: &str = "`cpu`, `wgpu` or `cuda:N`";

/// The device of this name.
///
/// # Errors
/// When there is no such device, or this program was built without it.
pub fn device(name: &str) -> Result<Device> {
    match name.split_once(':').unwrap_or((name, "0")) {
        ("cpu", "0") => Ok(Device::flex()),
        ("wgpu", "0") => wgpu(),
        ("cuda", index) => cuda(index.parse().map_err(|_| unknown(name))?),
        _ => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> Error {
    Error::input(format!("there is no device `{name}`: use {DEVICES}"))
}

#[cfg(feature = "wgpu")]
fn wgpu() -> Result<Device> {
    Ok(Device::vulkan(burn::tensor::DeviceKind::DefaultDevice))
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> Result<Device> {
    Err(not_built_in("wgpu"))
}

#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<Device> {
    Ok(Device::cuda(index))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: usize) -> Result<Device> {
    Err(not_built_in("cuda"))
}

#[cfg(not(all(feature = "wgpu", feature = "cuda")))]
fn not_built_in(name: &str) -> Error {
    Error::input(format!("this program was built without {name}: use --device cpu, or build it with `cargo build --release --features {name}`"))
}

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The processor's name; `unknown processor` where the system does not say.
pub fn processor() -> String {
    proc_field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned())
}

/// Memory in MiB: all of the machine's, and the most that this process has held at once. None where the system does not say.
pub fn memory_mib() -> (Option<f64>, Option<f64>) {
    let mib = |file, key| proc_field(file, key)?.trim_end_matches(" kB").parse::<f64>().ok().map(|kib| (kib / 1024.0).round());
    (mib("/proc/meminfo", "MemTotal"), mib("/proc/self/status", "VmHWM"))
}

fn proc_field(file: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
}

/// What this machine is, in one line.
pub fn describe() -> String {
    format!("{}, {} cores, {} {}", processor(), cores(), std::env::consts::OS, std::env::consts::ARCH)
}

/// A wish to stop that all threads see.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ctrl-C (or SIGTERM) wishes to stop; a second one ends the program at once.
    ///
    /// # Errors
    /// When the system does not let us listen.
    pub fn on_ctrl_c() -> Result<Self> {
        let stop = Self::default();
        let handler = stop.clone();
        let react = move || {
            if handler.0.swap(true, Ordering::SeqCst) {
                std::process::exit(1);
            }
            eprintln!("stopping: a checkpoint is being saved (once more to stop at once)");
        };
        ctrlc::set_handler(react).map_err(|e| Error::failed(format!("Ctrl-C cannot be caught: {e}")))?;
        Ok(stop)
    }

    /// Wishes to stop.
    pub fn wish(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether somebody wishes to stop.
    pub fn wished(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
