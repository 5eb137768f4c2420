//! Random numbers from counter-based generators keyed by (seed, stream, index).
//!
//! Nothing in the crate draws from a global generator or from a clock. A stream is named by what it
//! is for (`"env"`, `"bootstrap"`, `"policy-noise"`), so that adding a draw to one place never
//! shifts the draws of another, and its whole state is a key and a position: it can be saved, and
//! it continues bit for bit.

use rand::{Rng as _, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// One stream of random numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// The stream called `stream` of the run with this `seed`; `index` tells apart many of a kind
    /// (environments, ensemble members).
    pub fn new(seed: u64, stream: &str, index: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&fnv1a(stream.as_bytes()).to_le_bytes());
        key[16..24].copy_from_slice(&index.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in [0, 1), with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in [low, high).
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Uniform in 0..n (n > 0). The bias of the multiply-shift is below 2^-32 for every n that fits
    /// in memory.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.bits() as u128 * n as u128) >> 64) as usize
    }

    /// Standard normal (Box-Muller). `libm` rather than the platform's functions: the same bits
    /// everywhere, browser included.
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform()));
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }

    /// `n` standard normal values.
    pub fn normals(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.normal() as f32).collect()
    }

    /// `n` draws from 0..bound, with replacement.
    pub(crate) fn indices(&mut self, n: usize, bound: usize) -> Vec<usize> {
        (0..n).map(|_| self.below(bound)).collect()
    }

    /// Shuffles in place (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// What a stream is, written down: its key and its position.
#[derive(Serialize, Deserialize)]
struct State {
    key: [u8; 32],
    position: u128,
}

impl Serialize for Rng {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        State {
            key: self.0.get_seed(),
            position: self.0.get_word_pos(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Rng {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let state = State::deserialize(deserializer)?;
        let mut inner = ChaCha8Rng::from_seed(state.key);
        inner.set_word_pos(state.position);
        Ok(Self(inner))
    }
}

/// FNV-1a: spreads a stream's name over 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &b| {
        (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A saved stream goes on where it was, bit for bit, at any position.
    #[test]
    fn a_saved_stream_continues_bit_for_bit() {
        for drawn in [0, 1, 7, 1000] {
            let mut rng = Rng::new(3, "env", 5);
            rng.normals(drawn);
            let mut restored: Rng =
                postcard::from_bytes(&postcard::to_allocvec(&rng).unwrap()).unwrap();
            assert_eq!(
                (0..50).map(|_| rng.bits()).collect::<Vec<_>>(),
                (0..50).map(|_| restored.bits()).collect::<Vec<_>>()
            );
        }
    }

    /// Seed, stream and index each change the numbers.
    #[test]
    fn streams_are_distinct() {
        let first = |seed, stream, index| Rng::new(seed, stream, index).bits();
        let draws = [
            first(0, "env", 0),
            first(1, "env", 0),
            first(0, "demo", 0),
            first(0, "env", 1),
        ];
        for (i, a) in draws.iter().enumerate() {
            assert!(draws[i + 1..].iter().all(|b| a != b));
        }
    }

    /// Normal draws have mean 0, variance 1 and fourth moment 3.
    #[test]
    fn normal_draws_have_normal_moments() {
        let draws = Rng::new(0, "moments", 0).normals(200_000);
        let moment =
            |p| draws.iter().map(|&x| f64::from(x).powi(p)).sum::<f64>() / draws.len() as f64;
        assert!(moment(1).abs() < 0.01, "mean {}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.02, "variance {}", moment(2));
        assert!(
            (moment(4) - 3.0).abs() < 0.15,
            "fourth moment {}",
            moment(4)
        );
    }
}
