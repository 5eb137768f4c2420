//! Episodes that other machines play: a worker (`protege worker`), and its client, which a run has
//! for its `--workers`.
//!
//! A worker is told once by whom and how episodes are played, under a SHA-256; then it is given
//! shares, the seeds of a few episodes each, and sends back every episode as it ends. Whatever
//! becomes of a worker, each episode is played by somebody, at last at home.

mod address;
mod board;
mod client;
mod protocol;
mod secret;
mod server;

pub use client::Client;
use pollster::block_on;
use protege_core::Result;
use protocol::Machine;
pub use secret::Secret;
pub use server::Server;

/// Shares that a worker plays at a time, at most.
const MOST_LANES: usize = 256;

/// What this machine is.
fn machine(lanes: usize) -> Result<Machine> {
    Ok(Machine {
        cpu: instructions(),
        fingerprint: block_on(protege_core::play::fingerprint())?,
        lanes: lanes as u32,
    })
}

/// The processor's kind, and those of its instructions that products of matrices make use of.
fn instructions() -> String {
    #[cfg(target_arch = "x86_64")]
    let found = [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let found: [(&str, bool); 0] = [];
    let names = found.into_iter().filter(|(_, there)| *there);
    let names = names.map(|(name, _)| name);
    let all: Vec<&str> = std::iter::once(std::env::consts::ARCH)
        .chain(names)
        .collect();
    all.join(" ")
}
