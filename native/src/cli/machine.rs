//! The machine: devices, cores, memory, and Ctrl-C.

use super::signals::{self, Sender};
use crate::interrupt;
use crate::terminal::note;
use burn::tensor::{Device, Tensor};
use pollster::block_on;
use protege_core::error::excerpt;
use protege_core::{Error, Result};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The devices that can be asked for.
pub const DEVICES: &str = "`cpu`, `wgpu` or `cuda:N`";

/// The device of this name, found to work.
///
/// # Errors
/// When there is no such device, this program was built without it, or the machine has none.
pub fn device(name: &str) -> Result<Device> {
    let unknown = || {
        Error::input(format!(
            "there is no device `{}`: use {DEVICES}",
            excerpt(name)
        ))
    };
    let device = match name.split_once(':').unwrap_or((name, "0")) {
        ("cpu", "0") => return Ok(Device::flex()),
        ("wgpu", "0") => wgpu()?,
        ("cuda", index) => cuda(index.parse().map_err(|_| unknown())?)?,
        _ => return Err(unknown()),
    };
    let unusable = |e| {
        Error::input(format!(
            "the device `{name}` cannot be used ({e}): see `protege doctor`, or use --device cpu"
        ))
    };
    probe(&device).map(|()| device).map_err(unusable)
}

/// Multiplies two small matrices on a device.
///
/// # Errors
/// When the device is not there, or the product is wrong.
pub fn probe(device: &Device) -> Result<()> {
    // The library panics where a driver is missing; that is an answer here, not a bug to be
    // printed.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let sum = std::panic::catch_unwind(|| {
        let ones = Tensor::<2>::ones([64, 64], device);
        block_on(protege_core::nn::scalar(
            ones.clone().matmul(ones).sum().reshape([1]),
        ))
    });
    std::panic::set_hook(hook);
    match sum.unwrap_or_else(|_| Err(Error::failed("no driver or no adapter answers")))? {
        262_144.0 => Ok(()),
        wrong => Err(Error::failed(format!(
            "a sum that should be 262144 comes out as {wrong}"
        ))),
    }
}

#[cfg(feature = "wgpu")]
fn wgpu() -> Result<Device> {
    Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice))
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
    Error::input(format!(
        "this program was built without {name}: use --device cpu, or build it with `cargo build \
         --release --features {name}`"
    ))
}

/// The most cores that the user allows; 0: all that the system does.
static ALLOWED: AtomicUsize = AtomicUsize::new(0);

/// Has this process use so many cores at most.
pub fn use_cores(most: Option<NonZeroUsize>) {
    ALLOWED.store(most.map_or(0, usize::from), Ordering::Relaxed);
}

/// Cores that this process may use: those that the system gives it (its group of processes and its
/// affinity count), or fewer where the user says so.
pub fn cores() -> usize {
    let given = std::thread::available_parallelism().map_or(1, usize::from);
    match ALLOWED.load(Ordering::Relaxed) {
        0 => given,
        most => given.min(most),
    }
}

/// Makes the calling thread one of `threads` (0: as many as there are cores) that share the work of
/// its networks, until what is given back is dropped. Without, all of it would be handed to threads
/// that everybody shares, and waited for. None when the system has no thread to spare: only time is
/// lost.
pub fn share_work(threads: usize) -> Option<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .use_current_thread()
        .build()
        .ok()
}

/// The processor's name; `unknown processor` where the system does not say.
pub fn processor() -> String {
    proc_field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned())
}

/// The machine's memory in MB (1e6 bytes); none where the system does not say.
pub fn memory_mb() -> Option<f64> {
    megabytes("/proc/meminfo", "MemTotal")
}

/// The most memory that this process has held at once, in MB; none where the system does not say.
pub fn peak_memory_mb() -> Option<f64> {
    megabytes("/proc/self/status", "VmHWM")
}

fn megabytes(file: &str, key: &str) -> Option<f64> {
    let kib: f64 = proc_field(file, key)?
        .trim_end_matches(" kB")
        .parse()
        .ok()?;
    Some((kib * 1024.0 / 1e6).round())
}

fn proc_field(file: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim().to_owned())
}

/// What this machine is, in one line.
pub fn describe() -> String {
    format!(
        "{}, {} cores, {} {}",
        processor(),
        cores(),
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}

/// Signals within this time are one: `timeout` and batch systems send theirs to the program, and
/// then to all that was started with it.
const ONCE: Duration = Duration::from_millis(300);

/// A wish to stop that all threads see.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ctrl-C (or SIGTERM) wishes to stop, and so does a terminal that is closed; a second Ctrl-C
    /// ends the program at once. A second SIGTERM does not: batch systems send one when a job is
    /// to make room and another when its time to do so is over, in the midst of the save.
    ///
    /// # Errors
    /// When the system does not let us listen.
    pub fn on_ctrl_c() -> Result<Self> {
        let stop = Self::default();
        let handler = stop.clone();
        let mut wished: Option<Instant> = None;
        let react = move |sender: Sender| {
            let again = wished.is_some_and(|first| first.elapsed() > ONCE);
            if sender == Sender::Keyboard && again {
                crate::cli::end(1);
            }
            if sender != Sender::System {
                wished.get_or_insert_with(Instant::now);
            }
            if !handler.0.swap(true, Ordering::SeqCst) {
                note("stopping: a checkpoint is being saved (Ctrl-C to stop at once)");
            }
            interrupt::request();
        };
        signals::listen(react)?;
        Ok(stop)
    }

    /// Wishes to stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::SeqCst);
        interrupt::request();
    }

    /// Whether somebody wishes to stop.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
