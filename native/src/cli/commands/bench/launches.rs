//! What a GPU is asked for: kernels that are launched, arrays that are sent, tensors that are
//! read.

use super::Row;
use protege_core::Result;
use protege_core::nn::Traffic;

/// Counts of one piece of work.
pub(super) struct Counts {
    launches: usize,
    traffic: Traffic,
}

/// Work of which a device is asked, and a wait for the device.
pub(super) struct Work<S> {
    /// The names of its rows: launches, uploads and reads.
    pub(super) names: [&'static str; 3],
    pub(super) size: String,
    pub(super) once: fn(&mut S) -> Result<()>,
    /// What is queued is launched by then; its own read is not counted.
    pub(super) finish: fn(&mut S) -> Result<()>,
}

/// Rows of what `work` asks of the device; none on the CPU, where nothing is launched. It is done
/// three times before, as first kernels are compiled and tried.
pub(super) fn rows<S>(mut subject: S, work: Work<S>) -> Result<Vec<Row>> {
    for _ in 0..3 {
        (work.once)(&mut subject)?;
        (work.finish)(&mut subject)?;
    }
    let Some(Counts { launches, traffic }) = counted(&mut subject, &work)? else {
        return Ok(Vec::new());
    };
    let values = [
        launches as f64,
        traffic.uploads as f64,
        traffic.reads as f64,
    ];
    let named = work.names.into_iter().zip(values);
    let row = |(name, value)| Row {
        name,
        value,
        unit: "",
        size: work.size.clone(),
        higher_is_better: false,
    };
    Ok(named.map(row).collect())
}

#[cfg(not(any(feature = "wgpu", feature = "cuda")))]
fn counted<S>(_: &mut S, _: &Work<S>) -> Result<Option<Counts>> {
    Ok(None)
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn counted<S>(subject: &mut S, work: &Work<S>) -> Result<Option<Counts>> {
    use cubecl_runtime::logging::{LaunchObservation, LaunchObserver};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Launches(AtomicUsize);

    impl LaunchObserver for Launches {
        fn launched(&self, _: &'static str) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    let launches = Arc::new(Launches::default());
    let observation = LaunchObservation::new(launches.clone());
    let before = Traffic::so_far();
    (work.once)(subject)?;
    let traffic = Traffic::so_far().since(before);
    (work.finish)(subject)?;
    drop(observation);
    let launches = launches.0.load(Ordering::Relaxed);
    Ok((launches > 0).then_some(Counts { launches, traffic }))
}
