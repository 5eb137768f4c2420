//! Inverses of small matrices to the last bit of robosuite's.
//!
//! robosuite inverts by `np.linalg.inv` and `np.linalg.pinv`, which numba takes from LAPACK in
//! OpenBLAS. Which rounding errors an inverse has is nothing that robosuite defines, but contacts
//! amplify the last bit of a torque by 1e12 within seconds: with other kernels of OpenBLAS,
//! robosuite's own traces are millimeters away from themselves. So that traces can be compared at
//! all, this computes in the order, and with the roundings, of LAPACK 3.12 and of OpenBLAS 0.3.30
//! on processors with AVX-512 (`SkylakeX`), where it takes the most common path: a product that is
//! added is rounded once, with the sum. The result is the same on every machine.
//!
//! Matrices are lists of numbers, column by column, as in LAPACK, whose names the functions have. A
//! matrix may be part of a larger one: `lda` is the distance between its columns.

mod bidiagonal;
mod chase;
mod inverse;
mod kernels;
mod norm;
mod rotations;
mod svd;

pub use inverse::inverse;
pub use kernels::{fma, gemv_t, product, times, times_transposed};
pub use svd::pseudoinverse;

/// The most rows that a matrix has.
const MOST: usize = 8;

#[cfg(test)]
mod tests;
