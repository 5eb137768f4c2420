//! Singular values and vectors (`dgesdd`, which takes those of small matrices from `dbdsqr`), and
//! the pseudoinverse that numba makes of them.

use super::bidiagonal::Bidiagonal;
use super::chase::Chase;
use super::kernels::product;

/// Ratio of singular values below which a direction counts as lost (`np.linalg.pinv`).
const LOST: f64 = 1e-15;

/// The pseudoinverse of a matrix, given row by row, and so returned (numba: np/linalg.py
/// `pinv_impl`); none where the iteration finds no end, or the matrix has a number that is none.
#[inline(always)]
pub fn pseudoinverse<const N: usize>(rows: &[[f64; N]; N]) -> Option<[[f64; N]; N]> {
    let mut a = transposed(rows);
    let flat = a.as_flattened_mut();
    let parts = Bidiagonal::of(N, flat);
    let Chase {
        values, mut u, vt, ..
    } = Chase::of(&parts)?;
    let mut vt = transposed(&vt);
    parts.times_q(N, flat, u.as_flattened_mut());
    parts.times_p(N, flat, vt.as_flattened_mut());
    // Directions that are lost add zeros.
    let factors = values.map(|v| if v > values[0] * LOST { 1.0 / v } else { 0.0 });
    // Columns of V' are rows of V, of which each number belongs to a singular value.
    for row in &mut vt {
        for (number, factor) in row.iter_mut().zip(factors) {
            *number *= factor;
        }
    }
    Some(product(&vt, &u))
}

fn transposed<const N: usize>(m: &[[f64; N]; N]) -> [[f64; N]; N] {
    std::array::from_fn(|i| std::array::from_fn(|j| m[j][i]))
}
