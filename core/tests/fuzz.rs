//! Parsers of ours, fed with damaged input: they say what is wrong, they do not panic, and they take no memory on the
//! word of a length field.
//!
//! An ordinary test that draws 1000 random inputs (at most a second) each time. Longer: `BOLERO_RANDOM_ITERATIONS=1000000 cargo test
//! --release --test fuzz`; guided by coverage, with a nightly toolchain and `cargo install cargo-bolero`: `cargo bolero test NAME`.
#![cfg(not(target_arch = "wasm32"))]

use protege_core::rng::Rng;

/// Where and how a file is damaged: bytes to overwrite, and the share of the file that is left (of 256).
type Damage = (Vec<(u16, u8)>, u8);

/// A valid file with some bytes overwritten and, in half of the cases, its end cut off. Gets further into a parser than noise does.
fn damaged(valid: &[u8], (bytes, left): &Damage) -> Vec<u8> {
    let mut file = valid.to_vec();
    for &(place, byte) in bytes {
        let place = usize::from(place) % file.len();
        file[place] = byte;
    }
    if *left < 128 {
        file.truncate(file.len() * usize::from(*left) / 128);
    }
    file
}

/// The promise: no bytes, however damaged, make a saved random stream panic.
#[test]
fn a_damaged_random_stream_is_an_error_or_a_stream() {
    let valid = postcard::to_allocvec(&Rng::new(1, "fuzz", 0)).unwrap_or_default();
    bolero::check!().with_type::<Damage>().for_each(|damage| {
        if let Ok(mut rng) = postcard::from_bytes::<Rng>(&damaged(&valid, damage)) {
            rng.normals(3);
        }
    });
}
