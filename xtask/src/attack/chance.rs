//! Random numbers that a seed, a kind of attack and a case decide: a case can be repeated alone.

/// SplitMix64 (Steele, Lea and Flood 2014).
pub struct Chance(u64);

impl Chance {
    /// The numbers of one case.
    pub fn new(seed: u64, kind: &str, case: u64) -> Self {
        let mut chance = Self(seed);
        for byte in kind.bytes() {
            chance.0 = chance.number() ^ u64::from(byte);
        }
        chance.0 = chance.number() ^ case;
        chance
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when there is none.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end.max(1) as u64) as usize
    }

    /// A number from 0 up to 1.
    pub fn share(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of a list that is not empty.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::Chance;

    /// A case has the same numbers whenever it is tried, and others than its neighbors.
    #[test]
    fn a_case_repeats_its_numbers() {
        let numbers = |seed, kind, case| {
            let mut chance = Chance::new(seed, kind, case);
            [chance.number(), chance.number()]
        };
        assert_eq!(numbers(3, "files", 7), numbers(3, "files", 7));
        for other in [
            numbers(4, "files", 7),
            numbers(3, "kills", 7),
            numbers(3, "files", 8),
        ] {
            assert_ne!(numbers(3, "files", 7), other);
        }
    }
}
