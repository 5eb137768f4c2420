//! The length of a vector as the oldest part of a processor computes it (kernel/x86_64/nrm2.S):
//! squares, their sum and its root have 64 bits, of which 53 are left in the end.

/// A number above 0: `m` 2^`e`, where the highest bit of `m` is set.
#[derive(Clone, Copy)]
struct Extended {
    m: u64,
    e: i32,
}

/// Half of the last bit that is kept.
const HALF: u64 = 1 << 63;

/// `m` 2^`e` and perhaps a little `more`, rounded to 64 bits: to the nearest number, in the middle
/// between two to the even one.
fn rounded(m: u128, e: i32, more: bool) -> Extended {
    let zeros = m.leading_zeros();
    let m = m << zeros;
    let e = e - zeros as i32 + 64;
    let high = (m >> 64) as u64;
    let low = m as u64;
    let up = low > HALF || low == HALF && (more || high & 1 == 1);
    match high.checked_add(u64::from(up)) {
        Some(m) => Extended { m, e },
        None => Extended { m: HALF, e: e + 1 },
    }
}

impl Extended {
    /// The square of a number that is neither 0 nor tiny.
    fn square(v: f64) -> Self {
        let bits = v.to_bits();
        let m = bits & ((1 << 52) - 1) | 1 << 52;
        let e = (bits >> 52 & 0x7ff) as i32 - 1075;
        rounded(u128::from(m) * u128::from(m), 2 * e, false)
    }

    fn plus(self, other: Self) -> Self {
        let (large, small) = if (self.e, self.m) >= (other.e, other.m) {
            (self, other)
        } else {
            (other, self)
        };
        // 63 bits below the large number's last are kept, and of those below whether there are any.
        let shift = (large.e - small.e) as u32;
        let wide = u128::from(small.m) << 63;
        let moved = wide.checked_shr(shift).unwrap_or_default();
        let more = moved.checked_shl(shift).unwrap_or_default() != wide;
        let sum = (u128::from(large.m) << 63) + moved;
        rounded(sum, large.e - 63, more)
    }

    /// The square root, rounded to 64 bits, then to 53.
    fn root(self) -> f64 {
        // Widened so that the exponent is even and the root has 64 bits before the point.
        let widen = 63 + (self.e - 63).rem_euclid(2);
        let m = u128::from(self.m) << widen;
        let e = (self.e - widen) / 2;
        let root = m.isqrt();
        // (root + 1/2)^2 = root^2 + root + 1/4.
        let up = m - root * root > root;
        rounded(root + u128::from(up), e, false).narrow()
    }

    fn narrow(self) -> f64 {
        let low = self.m & 0x7ff;
        let m = self.m >> 11;
        let up = low > 0x400 || low == 0x400 && m & 1 == 1;
        (m + u64::from(up)) as f64 * 2f64.powi(self.e + 11)
    }
}

/// The length of a vector of at most [`super::MOST`] numbers, each 0 or as large as lengths and
/// masses are.
#[inline(always)]
pub fn nrm2(v: impl Iterator<Item = f64>) -> f64 {
    // Windows starts programs with these registers set to 53 bits.
    #[cfg(all(target_arch = "x86_64", not(windows)))]
    return by_processor(v);
    #[cfg(any(not(target_arch = "x86_64"), windows))]
    emulated(v)
}

/// The same on any processor, in integers.
#[cfg_attr(
    all(target_arch = "x86_64", not(windows)),
    allow(dead_code, reason = "compared by a test")
)]
pub fn emulated(v: impl Iterator<Item = f64>) -> f64 {
    let squares = v.filter(|v| *v != 0.0).map(Extended::square);
    squares.reduce(Extended::plus).map_or(0.0, Extended::root)
}

/// By the processor's own numbers of 64 bits: a pseudoinverse then takes a fifth less time.
#[cfg(all(target_arch = "x86_64", not(windows)))]
#[inline(always)]
fn by_processor(v: impl Iterator<Item = f64>) -> f64 {
    let mut numbers = super::kernels::zeros();
    for (to, number) in numbers.iter_mut().zip(v) {
        *to = number;
    }
    let mut length = 0.0;
    // SAFETY: it reads the MOST numbers of `numbers`, writes one to `length`, and leaves the stack
    // of these registers as empty as Rust keeps it. Zeros at the end add nothing.
    #[allow(unsafe_code, reason = "Rust has no numbers of 64 bits and an exponent")]
    unsafe {
        std::arch::asm!(
            "fldz",
            "2: fld qword ptr [{from}]",
            "fmul st(0), st(0)",
            "faddp",
            "add {from}, 8",
            "dec {count:e}",
            "jnz 2b",
            "fsqrt",
            "fstp qword ptr [{to}]",
            from = inout(reg) numbers.as_ptr() => _,
            count = inout(reg) super::MOST as u32 => _,
            to = in(reg) &raw mut length,
            out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
            out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
        );
    }
    length
}
