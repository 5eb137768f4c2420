//! The program `protege`; everything is in the library of the same name.

mod memory_end;

/// Keeps the memory of one training step for the next, which the system's would hand back and be
/// given anew, page by page.
#[global_allocator]
static ALLOCATOR: memory_end::Watched = memory_end::Watched;

fn main() {
    memory_end::tell();
    let code = protege::cli::main();
    protege::cli::end(code)
}
