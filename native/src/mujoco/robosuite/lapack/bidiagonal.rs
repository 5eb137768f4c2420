//! A matrix between two orthogonal ones, with all but its diagonal and the one above it zero
//! (`dgebd2`), by reflections (`dlarfg`, `dlarf`).

use super::MOST;
use super::kernels::{gemv_n, gemv_t, ger, zeros};
use super::norm::nrm2;

/// The square root of x² + y² (`dlapy2`).
fn lapy2(x: f64, y: f64) -> f64 {
    let large = x.abs().max(y.abs());
    let small = x.abs().min(y.abs());
    if small == 0.0 {
        return large;
    }
    let ratio = small / large;
    large * (1.0 + ratio * ratio).sqrt()
}

/// A reflection that brings the vector of `alpha` and `count` numbers, `step` apart, onto the first
/// axis (`dlarfg`): the factor tau; `alpha` becomes the vector's length, the others the
/// reflection's direction, which begins with 1. Numbers so small that LAPACK would scale them do
/// not come up.
fn larfg(alpha: &mut f64, x: &mut [f64], count: usize, step: usize) -> f64 {
    let norm = nrm2((0..count).map(|i| x[i * step]));
    if norm == 0.0 {
        return 0.0;
    }
    let beta = -lapy2(*alpha, norm).copysign(*alpha);
    let tau = (beta - *alpha) / beta;
    let scale = 1.0 / (*alpha - beta);
    for i in 0..count {
        x[i * step] *= scale;
    }
    *alpha = beta;
    tau
}

/// A reflection's direction: its numbers and their distance from each other, on which the order of
/// sums depends.
pub struct Direction {
    numbers: [f64; MOST * MOST],
    step: usize,
}

impl Direction {
    /// 1, then `count` numbers of `from`, `step` apart.
    #[inline(always)]
    fn of(from: &[f64], count: usize, step: usize) -> Self {
        let mut numbers = [0.0; MOST * MOST];
        numbers[0] = 1.0;
        for i in 0..count {
            numbers[(i + 1) * step] = from[i * step];
        }
        Self { numbers, step }
    }

    /// How many of the first `most` numbers there are up to the last that is not 0.
    fn length(&self, most: usize) -> usize {
        let last = (0..most).rev().find(|i| self.numbers[i * self.step] != 0.0);
        last.map_or(0, |last| last + 1)
    }

    /// Reflects the columns of C, of `m` rows and `n` columns (`dlarf`, from the left).
    #[inline(always)]
    fn reflect_columns(&self, (m, n): (usize, usize), tau: f64, c: &mut [f64], ldc: usize) {
        let rows = self.length(m);
        let is_zero = |column: usize| (0..rows).all(|row| c[row + column * ldc] == 0.0);
        let columns = (0..n).rev().find(|&column| !is_zero(column));
        let Some(last) = columns.filter(|_| tau != 0.0) else {
            return;
        };
        let size = (rows, last + 1);
        let v = (&self.numbers[..], self.step);
        let mut work = zeros();
        gemv_t(size, c, ldc, v, &mut work);
        ger(size, -tau, v, (&work, 1), c, ldc);
    }

    /// Reflects the rows of C (`dlarf`, from the right).
    #[inline(always)]
    fn reflect_rows(&self, (m, n): (usize, usize), tau: f64, c: &mut [f64], ldc: usize) {
        let columns = self.length(n);
        let is_zero = |row: usize| (0..columns).all(|column| c[row + column * ldc] == 0.0);
        let rows = (0..m).rev().find(|&row| !is_zero(row));
        let Some(last) = rows.filter(|_| tau != 0.0) else {
            return;
        };
        let size = (last + 1, columns);
        let v = (&self.numbers[..], self.step);
        let mut work = zeros();
        gemv_n(size, 1.0, c, ldc, v, &mut work);
        ger(size, -tau, (&work, 1), v, c, ldc);
    }
}

/// A = Q B P'.
pub struct Bidiagonal {
    /// The diagonal of B.
    pub diagonal: [f64; MOST],
    /// The one above.
    pub above: [f64; MOST],
    /// Factors of the reflections that make Q, and of those that make P; their directions lie in
    /// the matrix.
    tau_q: [f64; MOST],
    tau_p: [f64; MOST],
}

impl Bidiagonal {
    /// That of a matrix of `n` rows and columns, which is overwritten (`dgebd2`).
    #[inline(always)]
    pub fn of(n: usize, a: &mut [f64]) -> Self {
        let mut found = Self {
            diagonal: zeros(),
            above: zeros(),
            tau_q: zeros(),
            tau_p: zeros(),
        };
        for i in 0..n {
            let rest = n - i - 1;
            let (head, tail) = a.split_at_mut(i + i * n + 1);
            let alpha = &mut head[i + i * n];
            let tau = larfg(alpha, tail, rest, 1);
            found.tau_q[i] = tau;
            found.diagonal[i] = *alpha;
            if rest == 0 {
                continue;
            }
            let column = Direction::of(tail, rest, 1);
            column.reflect_columns((rest + 1, rest), tau, &mut a[i + (i + 1) * n..], n);
            let from = i + (i + 1) * n;
            let mut alpha = a[from];
            // In the last round there is nothing right of it.
            let right = (from + n).min(a.len());
            let tau = larfg(&mut alpha, &mut a[right..], rest - 1, n);
            found.tau_p[i] = tau;
            found.above[i] = alpha;
            a[from] = alpha;
            let row = Direction::of(&a[right..], rest - 1, n);
            row.reflect_rows((rest, rest), tau, &mut a[from + 1..], n);
        }
        found
    }

    /// Q U, of the matrix that [`Bidiagonal::of`] has overwritten (`dorm2r`).
    #[inline(always)]
    pub fn times_q(&self, n: usize, a: &[f64], u: &mut [f64]) {
        for i in (0..n).rev() {
            let rest = n - i - 1;
            let column = Direction::of(&a[i + i * n + 1..], rest, 1);
            column.reflect_columns((rest + 1, n), self.tau_q[i], &mut u[i..], n);
        }
    }

    /// V' P' (`dorml2`).
    #[inline(always)]
    pub fn times_p(&self, n: usize, a: &[f64], vt: &mut [f64]) {
        for i in (0..n - 1).rev() {
            let rest = n - i - 1;
            let right = (i + (i + 2) * n).min(a.len());
            let row = Direction::of(&a[right..], rest - 1, n);
            row.reflect_rows((n, rest), self.tau_p[i], &mut vt[(i + 1) * n..], n);
        }
    }
}
