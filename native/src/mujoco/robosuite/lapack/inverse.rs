//! The inverse by an LU decomposition (`dgetrf`, `dgetri`).

use super::MOST;
use super::kernels::{dot, fma, gemv_n, zeros};

/// The inverse of a matrix, given column by column, and so returned; none where there is none, or
/// the matrix has a number that is none.
#[inline(always)]
pub fn inverse<const N: usize>(columns: &[[f64; N]; N]) -> Option<[[f64; N]; N]> {
    let mut a = *columns;
    let mut pivots = [0; MOST];
    getf2(N, a.as_flattened_mut(), &mut pivots)?;
    getri(N, a.as_flattened_mut(), &pivots);
    Some(a)
}

/// A = P L U (OpenBLAS: lapack/getf2/getf2_k.c).
#[inline(always)]
fn getf2(n: usize, a: &mut [f64], pivots: &mut [usize; MOST]) -> Option<()> {
    for j in 0..n {
        let mut column = zeros();
        column[..n].copy_from_slice(&a[j * n..(j + 1) * n]);
        for (i, &pivot) in pivots[..j].iter().enumerate() {
            column.swap(i, pivot);
        }
        for i in 1..j {
            column[i] -= dot(i, &a[i..], n, &column);
        }
        let (above, below) = column.split_at_mut(j);
        gemv_n((n - j, j), -1.0, &a[j..], n, (above, 1), below);
        let mut pivot = j;
        for i in j..n {
            if column[i].abs() > column[pivot].abs() {
                pivot = i;
            }
        }
        a[j * n..(j + 1) * n].copy_from_slice(&column[..n]);
        pivots[j] = pivot;
        let largest = column[pivot];
        if !largest.is_normal() {
            return None;
        }
        for k in 0..=j {
            a.swap(j + k * n, pivot + k * n);
        }
        let scale = 1.0 / largest;
        for v in &mut a[j * n + j + 1..(j + 1) * n] {
            *v *= scale;
        }
    }
    Some(())
}

/// The inverse of U, then of L (OpenBLAS: lapack/trti2/trti2_U.c; LAPACK: dgetri.f).
#[inline(always)]
fn getri(n: usize, a: &mut [f64], pivots: &[usize; MOST]) {
    for j in 0..n {
        let diagonal = 1.0 / a[j + j * n];
        a[j + j * n] = diagonal;
        let mut column = zeros();
        column[..j].copy_from_slice(&a[j * n..j * n + j]);
        for i in 0..j {
            let factor = column[i];
            for (k, v) in column[..i].iter_mut().enumerate() {
                *v = fma(factor, a[k + i * n], *v);
            }
            column[i] = factor * a[i + i * n];
        }
        for (i, v) in column[..j].iter().enumerate() {
            a[i + j * n] = v * -diagonal;
        }
    }
    for j in (0..n - 1).rev() {
        let mut lower = zeros();
        for i in j + 1..n {
            lower[i] = std::mem::take(&mut a[i + j * n]);
        }
        let (left, right) = a.split_at_mut((j + 1) * n);
        let to = &mut left[j * n..];
        gemv_n((n, n - j - 1), -1.0, right, n, (&lower[j + 1..], 1), to);
    }
    for j in (0..n - 1).rev() {
        for k in 0..n {
            a.swap(k + j * n, k + pivots[j] * n);
        }
    }
}
