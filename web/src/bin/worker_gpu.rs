//! The worker with learning on the visitor's GPU. It is a program of its own because the compiler of GPU kernels makes it
//! several times as large; the page asks for it only when a visitor does.
#![cfg_attr(not(target_arch = "wasm32"), allow(missing_docs, reason = "there is no worker outside of a browser"))]
#![recursion_limit = "256"]

fn main() {
    #[cfg(target_arch = "wasm32")]
    protege_web::serve::start(gpu());
}

/// The browser's GPU. That its adapter will do is for the page to check beforehand: where it lacks timestamps, the runtime ends the
/// worker.
#[cfg(target_arch = "wasm32")]
async fn gpu() -> protege_core::Result<burn::tensor::Device> {
    let device = burn::tensor::Device::wgpu_options().init_async().await;
    device.map_err(|error| protege_core::Error::failed(format!("the browser's GPU cannot be used ({error}): choose the CPU")))
}
