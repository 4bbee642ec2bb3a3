//! The binary: everything is in the library.

use std::process::ExitCode;

/// A request makes many small things that live shortly, which the C library's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(throughline::cli::run())
}
