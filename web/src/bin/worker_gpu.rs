//! The worker with learning on the visitor's GPU. It is a program of its own because the compiler
//! of GPU kernels makes it several times as large; the page asks for it only when a visitor does.
#![cfg_attr(
    not(target_arch = "wasm32"),
    allow(missing_docs, reason = "there is no worker outside of a browser")
)]
#![recursion_limit = "256"]

fn main() {
    #[cfg(target_arch = "wasm32")]
    {
        construct();
        listen();
        protege_web::serve::start(gpu());
    }
}

/// Runs the static constructors, with which the compiler of GPU kernels registers its thousands of
/// operators.
///
/// They must be run by name: the linker would else run them at the beginning of every call from
/// JavaScript, and what takes microseconds then takes ten milliseconds.
#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code, reason = "the function is the linker's")]
fn construct() {
    // SAFETY: the linker defines the function like this.
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: the linker defines it, without arguments, and this is the one call, before anything
    // else.
    unsafe { __wasm_call_ctors() }
}

/// What the GPU's runtime complains of, into the browser's console: of a kernel that does not
/// compile nobody else hears.
#[cfg(target_arch = "wasm32")]
fn listen() {
    struct Console;

    #[wasm_bindgen::prelude::wasm_bindgen]
    extern "C" {
        #[wasm_bindgen(js_namespace = console)]
        fn error(text: &str);
    }

    impl log::Log for Console {
        fn enabled(&self, metadata: &log::Metadata) -> bool {
            metadata.level() == log::Level::Error
        }

        fn log(&self, record: &log::Record) {
            if self.enabled(record.metadata()) {
                error(&record.args().to_string());
            }
        }

        fn flush(&self) {}
    }

    // A second logger would be refused; there is one.
    let _ = log::set_logger(&Console).map(|()| log::set_max_level(log::LevelFilter::Error));
}

/// The browser's GPU. That its adapter will do is for the page to check beforehand: where it lacks
/// timestamps, the runtime ends the worker.
#[cfg(target_arch = "wasm32")]
async fn gpu() -> protege_core::Result<burn::tensor::Device> {
    let device = burn::tensor::Device::wgpu_options().init_async().await;
    device.map_err(|error| {
        protege_core::Error::failed(format!(
            "the browser's GPU cannot be used ({error}): choose the CPU"
        ))
    })
}
