//! The worker: physics and learning, off the page's thread, on the CPU.
#![cfg_attr(
    not(target_arch = "wasm32"),
    allow(missing_docs, reason = "there is no worker outside of a browser")
)]

fn main() {
    #[cfg(target_arch = "wasm32")]
    protege_web::serve::start(async { Ok(burn::tensor::Device::flex()) });
}

/// Milliseconds of one step of learning; see [`protege_web::speed::adam_ms`].
#[cfg(target_arch = "wasm32")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub async fn bench_adam(hidden: usize, batch: usize, steps: usize) -> f64 {
    let device = burn::tensor::Device::flex();
    protege_web::speed::adam_ms(hidden, batch, steps, &device, protege_web::serve::seconds)
        .await
        .unwrap_or(f64::NAN)
}
