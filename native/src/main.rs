//! The program `protege`; everything is in the library of the same name.

/// Keeps the memory of one training step for the next, which the system's would hand back and be
/// given anew, page by page.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let code = protege::cli::main();
    protege::cli::end(code)
}
