//! Products of matrices and vectors, in the order of OpenBLAS's kernels.

use super::MOST;

/// a * b + c, rounded once.
#[inline(always)]
pub fn fma(a: f64, b: f64, c: f64) -> f64 {
    a.mul_add(b, c)
}

/// The product of two matrices, given row by row as numpy does, of `K` columns and rows (`dgemm`;
/// whichever of the two is transposed, a number is summed from first to last).
#[inline(always)]
pub fn product<const M: usize, const K: usize, const N: usize>(
    a: &[[f64; K]; M],
    b: &[[f64; N]; K],
) -> [[f64; N]; M] {
    let mut product = [[0.0; N]; M];
    for (row, to) in a.iter().zip(&mut product) {
        for (factor, other) in row.iter().zip(b) {
            for (sum, v) in to.iter_mut().zip(other) {
                *sum = fma(*factor, *v, *sum);
            }
        }
    }
    product
}

/// A matrix, given column by column, times a vector.
#[inline(always)]
pub fn times<const M: usize, const N: usize>(columns: &[[f64; M]; N], x: &[f64; N]) -> [f64; M] {
    let mut y = [0.0; M];
    gemv_n((M, N), 1.0, columns.as_flattened(), M, (x, 1), &mut y);
    y
}

/// The transpose of a matrix, given column by column, times a vector.
#[inline(always)]
pub fn times_transposed<const M: usize, const N: usize>(
    columns: &[[f64; M]; N],
    x: &[f64; M],
) -> [f64; N] {
    let mut y = [0.0; N];
    gemv_t((M, N), columns.as_flattened(), M, (x, 1), &mut y);
    y
}

/// y += alpha A x, where A has `m` rows and `n` columns (kernel/x86_64/dgemv_n_4.c,
/// dgemv_n_microk_skylakex-4.c). The vector comes with the distance between its numbers.
#[inline(always)]
pub fn gemv_n(
    (m, n): (usize, usize),
    alpha: f64,
    a: &[f64],
    lda: usize,
    (x, step): (&[f64], usize),
    y: &mut [f64],
) {
    let tail = m % 4;
    let main = m - tail;
    for (row, y) in y[..main].iter_mut().enumerate() {
        let at = |column: usize| a[row + column * lda];
        let x = |column: usize| x[column * step];
        let mut from = 0;
        while from + 4 <= n {
            let first = fma(at(from), x(from), at(from + 1) * x(from + 1));
            let third = fma(at(from + 2), x(from + 2), first);
            let sum = fma(at(from + 3), x(from + 3), third);
            *y = fma(sum, alpha, *y);
            from += 4;
        }
        if step == 1 && from + 2 <= n {
            let sum = fma(at(from), x(from), at(from + 1) * x(from + 1));
            *y = fma(sum, alpha, *y);
            from += 2;
        }
        for column in from..n {
            // This one is older and rounds twice.
            *y += at(column) * (x(column) * alpha);
        }
    }
    for (row, y) in y.iter_mut().enumerate().take(m).skip(main) {
        let at = |column: usize| a[row + column * lda];
        let x = |column: usize| x[column * step];
        let mut sum = 0.0;
        let mut from = 0;
        if lda == tail && step == 1 {
            while from + 2 <= n - n % 4 {
                sum += fma(at(from), x(from), at(from + 1) * x(from + 1));
                from += 2;
            }
        }
        for column in from..n {
            sum = fma(at(column), x(column), sum);
        }
        *y = fma(alpha, sum, *y);
    }
}

/// y += A' x, where A has `m` rows and `n` columns (kernel/x86_64/dgemv_t_4.c,
/// dgemv_t_microk_haswell-4.c).
#[inline(always)]
pub fn gemv_t(
    (m, n): (usize, usize),
    a: &[f64],
    lda: usize,
    (x, step): (&[f64], usize),
    y: &mut [f64],
) {
    let tail = m % 4;
    let main = m - tail;
    let x = |row: usize| x[row * step];
    if main > 0 {
        let fours = n - n % 4;
        for (column, y) in y.iter_mut().enumerate().take(n) {
            let at = |row: usize| a[row + column * lda];
            let mut lanes = [0.0; 4];
            if column < fours {
                for row in 0..main {
                    lanes[row % 4] = fma(at(row), x(row), lanes[row % 4]);
                }
            } else if column + 1 < n || n % 2 == 0 {
                for row in 0..main {
                    lanes[row % 2] += at(row) * x(row);
                }
            } else {
                for row in 0..main {
                    lanes[row % 4] += at(row) * x(row);
                }
            }
            *y += (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
        }
    }
    for (column, y) in y.iter_mut().enumerate().take(n) {
        let at = |i: usize| a[main + i + column * lda];
        let x = |i: usize| x(main + i);
        match tail {
            3 => *y += fma(at(2), x(2), fma(at(0), x(0), at(1) * x(1))),
            2 => *y += fma(at(0), x(0), at(1) * x(1)),
            1 => *y = fma(at(0), x(0), *y),
            _ => {}
        }
    }
}

/// A += alpha x y' (kernel/x86_64/dger.c).
#[inline(always)]
pub fn ger(
    (m, n): (usize, usize),
    alpha: f64,
    (x, x_step): (&[f64], usize),
    (y, y_step): (&[f64], usize),
    a: &mut [f64],
    lda: usize,
) {
    for column in 0..n {
        let scale = alpha * y[column * y_step];
        for row in 0..m {
            let to = &mut a[row + column * lda];
            *to = fma(scale, x[row * x_step], *to);
        }
    }
}

/// The scalar product of a row, with numbers `step` apart, and a column (kernel/x86_64/ddot.c).
#[inline(always)]
pub fn dot(n: usize, row: &[f64], step: usize, column: &[f64]) -> f64 {
    let mut even = 0.0;
    let mut odd = 0.0;
    let at = |i: usize| row[i * step];
    let fours = n - n % 4;
    for from in (0..fours).step_by(4) {
        even += fma(column[from], at(from), column[from + 2] * at(from + 2));
        odd += fma(
            column[from + 1],
            at(from + 1),
            column[from + 3] * at(from + 3),
        );
    }
    for (i, &number) in column.iter().enumerate().take(n).skip(fours) {
        even = fma(number, at(i), even);
    }
    even + odd
}

/// As many zeros as a vector may have numbers.
pub const fn zeros() -> [f64; MOST] {
    [0.0; MOST]
}
