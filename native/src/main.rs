//! The program `protege`; everything is in the library of the same name.

mod memory_end;

use std::io::Write;

/// Keeps the memory of one training step for the next, which the system's would hand back and be
/// given anew, page by page.
#[global_allocator]
static ALLOCATOR: memory_end::Watched = memory_end::Watched;

fn main() {
    memory_end::tell();
    let code = protege::cli::main();
    std::io::stdout().flush().ok();
    // Mesa's software device still has threads of its own now, and crashes now and then when the
    // handlers of a process that ends take away what they use. Everything has been written.
    //
    // SAFETY: `_exit` only ends the process.
    #[allow(
        unsafe_code,
        reason = "the standard library's exit runs these handlers"
    )]
    unsafe {
        libc::_exit(i32::from(code))
    }
}
