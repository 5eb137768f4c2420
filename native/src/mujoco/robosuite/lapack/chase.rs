//! The singular values and vectors of a bidiagonal matrix (`dbdsqr`, upper).

use super::MOST;
use super::bidiagonal::Bidiagonal;
use super::kernels::fma;
use super::rotations::{EPSILON, LEAST, Turn, lartg, las2, lasv2};

/// Sweeps for each singular value at most.
const SWEEPS: usize = 6;
/// What counts as zero beside its neighbors: 98.7, which is `EPSILON`^(-1/8), times `EPSILON`.
const TOLERANCE: f64 = 98.701_492_826_108_21 * EPSILON;

/// The iteration that makes a bidiagonal matrix diagonal (`dbdsqr`, upper), and the vectors that go
/// along. Places are counted from 0.
pub struct Chase<const N: usize> {
    /// The diagonal: in the end the singular values, the largest first.
    pub values: [f64; MOST],
    /// The one above: in the end zeros.
    e: [f64; MOST],
    /// Rows of V', where LAPACK has columns: a rotation then reads memory in order.
    pub vt: [[f64; N]; N],
    /// Columns of U.
    pub u: [[f64; N]; N],
}

/// A block in which no number above the diagonal counts as zero, and the direction in which it is
/// swept: LAPACK has the code for either, and one is the other's mirror image.
#[derive(Clone, Copy)]
struct Block {
    first: usize,
    last: usize,
    downwards: bool,
}

impl Block {
    /// Rotations in a sweep.
    fn len(self) -> usize {
        self.last - self.first
    }

    /// The place of the `k`-th number of the diagonal on the way.
    fn d(self, k: usize) -> usize {
        if self.downwards {
            self.first + k
        } else {
            self.last - k
        }
    }

    /// That of the number above between the `k`-th and the next.
    fn e(self, k: usize) -> usize {
        if self.downwards {
            self.first + k
        } else {
            self.last - 1 - k
        }
    }
}

impl<const N: usize> Chase<N> {
    /// The end of the iteration; none where it finds none.
    #[inline(always)]
    pub fn of(parts: &Bidiagonal) -> Option<Self> {
        let mut chase = Self {
            values: parts.diagonal,
            e: parts.above,
            vt: identity(),
            u: identity(),
        };
        chase.run()?;
        Some(chase)
    }

    #[inline(always)]
    fn run(&mut self) -> Option<()> {
        let threshold = self.threshold();
        let mut block = Block {
            first: usize::MAX,
            last: 0,
            downwards: true,
        };
        let mut steps = 0;
        let mut end = N;
        while end > 1 && steps <= SWEEPS * N * N {
            let last = end - 1;
            let mut largest = self.values[last].abs();
            let mut first = last;
            // What is not a number is not small.
            let is_small = |e: f64| e.abs() <= threshold;
            while first > 0 && !is_small(self.e[first - 1]) {
                first -= 1;
                largest = largest
                    .max(self.values[first].abs())
                    .max(self.e[first].abs());
            }
            if first > 0 {
                self.e[first - 1] = 0.0;
            }
            if first == last {
                end -= 1;
                continue;
            }
            if first + 1 == last {
                self.finish_two(first);
                end -= 2;
                continue;
            }
            // Of a new block; what is left of an old one goes on in its direction.
            if first > block.last || last < block.first {
                block.downwards = self.values[first].abs() >= self.values[last].abs();
            }
            let next = Block {
                first,
                last,
                ..block
            };
            let Some(smallest) = self.smallest(next) else {
                continue;
            };
            block = next;
            steps += block.len();
            let ratio = N as f64 * TOLERANCE * (smallest / largest);
            let shift = if ratio <= EPSILON.max(0.01 * TOLERANCE) {
                0.0
            } else {
                self.shift(block)
            };
            self.sweep(block, shift);
            let edge = &mut self.e[block.e(block.len() - 1)];
            if edge.abs() <= threshold {
                *edge = 0.0;
            }
        }
        self.sort();
        (end <= 1).then_some(())
    }

    /// What counts as zero.
    fn threshold(&self) -> f64 {
        let n = N as f64;
        let mut mu = self.values[0].abs();
        let mut least = mu;
        for i in 1..N {
            if least == 0.0 {
                break;
            }
            mu = self.values[i].abs() * (mu / (mu + self.e[i - 1].abs()));
            least = least.min(mu);
        }
        (TOLERANCE * (least / n.sqrt())).max(SWEEPS as f64 * (n * (n * LEAST)))
    }

    /// A lower bound of a block's singular values; none where a number above the diagonal turned
    /// out to be as good as zero, and has been made so.
    fn smallest(&mut self, block: Block) -> Option<f64> {
        let end = block.len();
        let edge = block.e(end - 1);
        if self.e[edge].abs() <= TOLERANCE * self.values[block.d(end)].abs() {
            self.e[edge] = 0.0;
            return None;
        }
        let mut mu = self.values[block.d(0)].abs();
        let mut smallest = mu;
        for k in 0..end {
            let e = &mut self.e[block.e(k)];
            if e.abs() <= TOLERANCE * mu {
                *e = 0.0;
                return None;
            }
            mu = self.values[block.d(k + 1)].abs() * (mu / (mu + e.abs()));
            smallest = smallest.min(mu);
        }
        Some(smallest)
    }

    /// By how much a sweep is shifted.
    fn shift(&self, block: Block) -> f64 {
        let end = block.len();
        let f = self.values[block.d(end - 1)];
        let shift = las2(f, self.e[block.e(end - 1)], self.values[block.d(end)]);
        let start = self.values[block.d(0)].abs();
        let ratio = shift / start;
        if start > 0.0 && ratio * ratio < EPSILON {
            0.0
        } else {
            shift
        }
    }

    /// Chases what a rotation at one end of a block leaves to the other end.
    #[inline(always)]
    fn sweep(&mut self, block: Block, shift: f64) {
        let mut turns = [((1.0, 0.0), (1.0, 0.0)); MOST];
        let turns = &mut turns[..block.len()];
        if shift == 0.0 {
            self.sweep_unshifted(block, turns);
        } else {
            self.sweep_shifted(block, shift, turns);
        }
        for (k, &(right, left)) in turns.iter().enumerate() {
            let at = block.e(k);
            if block.downwards {
                self.turn(at, right, left);
            } else {
                self.turn(at, (left.0, -left.1), (right.0, -right.1));
            }
        }
    }

    fn sweep_unshifted(&mut self, block: Block, turns: &mut [(Turn, Turn)]) {
        let Self { values: d, e, .. } = self;
        let mut cos = 1.0;
        let mut old = (1.0, 0.0);
        for (k, turn) in turns.iter_mut().enumerate() {
            let (right, r) = lartg(d[block.d(k)] * cos, e[block.e(k)]);
            cos = right.0;
            if k > 0 {
                e[block.e(k - 1)] = old.1 * r;
            }
            let (left, length) = lartg(old.0 * r, d[block.d(k + 1)] * right.1);
            old = left;
            d[block.d(k)] = length;
            *turn = (right, left);
        }
        let end = turns.len();
        let h = d[block.d(end)] * cos;
        d[block.d(end)] = h * old.0;
        e[block.e(end - 1)] = h * old.1;
    }

    fn sweep_shifted(&mut self, block: Block, shift: f64, turns: &mut [(Turn, Turn)]) {
        let Self { values: d, e, .. } = self;
        let end = turns.len();
        let start = d[block.d(0)];
        let mut f = (start.abs() - shift) * (1f64.copysign(start) + shift / start);
        let mut g = e[block.e(0)];
        for (k, turn) in turns.iter_mut().enumerate() {
            let [this, next] = [block.d(k), block.d(k + 1)];
            let above = block.e(k);
            let (right, r) = lartg(f, g);
            if k > 0 {
                e[block.e(k - 1)] = r;
            }
            f = right.0 * d[this] + right.1 * e[above];
            e[above] = right.0 * e[above] - right.1 * d[this];
            g = right.1 * d[next];
            d[next] *= right.0;
            let (left, r) = lartg(f, g);
            d[this] = r;
            f = left.0 * e[above] + left.1 * d[next];
            d[next] = left.0 * d[next] - left.1 * e[above];
            if k + 1 < end {
                g = left.1 * e[block.e(k + 1)];
                e[block.e(k + 1)] *= left.0;
            }
            *turn = (right, left);
        }
        e[block.e(end - 1)] = f;
    }

    /// Turns two rows of V' and two columns of U, from the place `at` on (`dlasr`).
    #[inline(always)]
    fn turn(&mut self, at: usize, right: Turn, left: Turn) {
        turn_two(&mut self.vt, at, right);
        turn_two(&mut self.u, at, left);
    }

    /// Makes a block of two rows diagonal (`drot`).
    #[inline(always)]
    fn finish_two(&mut self, at: usize) {
        let (values, right, left) = lasv2(self.values[at], self.e[at], self.values[at + 1]);
        self.values[at] = values[1];
        self.e[at] = 0.0;
        self.values[at + 1] = values[0];
        let rotate = |m: &mut [[f64; N]; N], (cos, sin): Turn| {
            for (first, second) in two(m, at) {
                let (x, y) = (*first, *second);
                *first = fma(cos, x, sin * y);
                *second = fma(cos, y, -(sin * x));
            }
        };
        rotate(&mut self.vt, right);
        rotate(&mut self.u, left);
    }

    /// Makes singular values positive, and the largest the first.
    fn sort(&mut self) {
        for (d, row) in self.values.iter_mut().zip(&mut self.vt) {
            if *d < 0.0 {
                *d = -*d;
                row.iter_mut().for_each(|v| *v = -*v);
            }
        }
        for last in (1..N).rev() {
            let mut least = 0;
            for j in 1..=last {
                if self.values[j] <= self.values[least] {
                    least = j;
                }
            }
            self.values.swap(least, last);
            self.vt.swap(least, last);
            self.u.swap(least, last);
        }
    }
}

fn identity<const N: usize>() -> [[f64; N]; N] {
    std::array::from_fn(|i| std::array::from_fn(|j| f64::from(i == j)))
}

/// Pairs of numbers of the list at `at` and of the next.
#[inline(always)]
fn two<const N: usize>(
    m: &mut [[f64; N]; N],
    at: usize,
) -> impl Iterator<Item = (&mut f64, &mut f64)> {
    let (left, right) = m.split_at_mut(at + 1);
    left[at].iter_mut().zip(&mut right[0])
}

/// Turns the list at `at` and the next (`dlasr`).
#[inline(always)]
fn turn_two<const N: usize>(m: &mut [[f64; N]; N], at: usize, (cos, sin): Turn) {
    if (cos, sin) == (1.0, 0.0) {
        return;
    }
    for (first, second) in two(m, at) {
        let temp = *second;
        *second = cos * temp - sin * *first;
        *first = sin * temp + cos * *first;
    }
}
