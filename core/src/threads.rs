//! Work on several threads, where there are threads. Results never depend on how many there are.

/// What `work` makes of every item, in order.
pub(crate) fn map<T: Send, U: Send>(items: Vec<T>, work: impl Fn(T) -> U + Send + Sync) -> Vec<U> {
    // One item stays on the calling thread: a GPU's work is ordered by thread.
    #[cfg(not(target_arch = "wasm32"))]
    if items.len() > 1 {
        use rayon::prelude::*;
        return items.into_par_iter().map(work).collect();
    }
    items.into_iter().map(work).collect()
}
