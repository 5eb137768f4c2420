//! Products of matrices, in place. burn's own product writes to new memory, which it clears and
//! copies first.

use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;
use gemm::Parallelism;

/// From so many multiplications on, one product is worth several threads.
#[cfg(not(target_arch = "wasm32"))]
const LARGE: usize = 192 * 192 * 192;
/// From so many multiplications on, a stack of products is.
#[cfg(not(target_arch = "wasm32"))]
const LARGE_STACK: usize = 128 * 128 * 128;

/// A stack of K matrices, each as it is or transposed. K may repeat one matrix.
#[derive(Clone, Copy)]
pub(super) struct Stack<'a> {
    values: &'a [f32],
    /// K, rows, columns.
    shape: [usize; 3],
    strides: [usize; 3],
}

impl<'a> Stack<'a> {
    /// The matrices of a tensor of two or three dimensions.
    pub(super) fn of(tensor: &'a FlexTensor) -> Self {
        let dims = tensor.shape();
        let layout = tensor.layout();
        let last = dims.num_dims() - 1;
        let stride =
            |dim: usize| usize::try_from(layout.strides()[dim]).expect("no tensor here is flipped");
        let (members, apart) = if last == 2 {
            (dims[0], stride(0))
        } else {
            (1, 0)
        };
        Self {
            values: &tensor.storage()[layout.start_offset()..],
            shape: [members, dims[last - 1], dims[last]],
            strides: [apart, stride(last - 1), stride(last)],
        }
    }

    /// One matrix of rows of `columns` numbers.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn of_rows(values: &'a [f32], columns: usize) -> Self {
        let rows = values.len() / columns;
        Self {
            values,
            shape: [1, rows, columns],
            strides: [0, columns, 1],
        }
    }

    /// The same with every matrix transposed: strides change places, nothing is copied.
    pub(super) fn transposed(self) -> Self {
        let [members, rows, columns] = self.shape;
        let [apart, down, right] = self.strides;
        Self {
            shape: [members, columns, rows],
            strides: [apart, right, down],
            ..self
        }
    }

    /// Matrix `k` to the end of the slice.
    fn from(&self, k: usize) -> &'a [f32] {
        &self.values[k * self.strides[0]..]
    }

    /// Whether every element of every matrix lies in the slice.
    fn is_whole(&self) -> bool {
        let last = self
            .shape
            .iter()
            .zip(self.strides)
            .map(|(&size, stride)| (size.max(1) - 1) * stride)
            .sum::<usize>();
        last < self.values.len()
    }
}

/// out += a b for every matrix of the stacks; out is row-major.
pub(super) fn add_products(out: &mut [f32], a: Stack, b: Stack) {
    check(out, a, b);
    let [_, rows, _] = a.shape;
    let [_, _, columns] = b.shape;
    let one = |(k, out): (usize, &mut [f32]), parallelism| product(out, a, b, k, true, parallelism);
    #[cfg(not(target_arch = "wasm32"))]
    {
        use rayon::prelude::*;
        let [members, _, inner] = a.shape;
        // A thread per matrix where there are enough of them, else all threads on one large
        // product.
        let work = rows * columns * inner;
        if members >= rayon::current_num_threads().clamp(2, 4) && members * work >= LARGE_STACK {
            return out
                .par_chunks_exact_mut(rows * columns)
                .enumerate()
                .for_each(|out| one(out, Parallelism::None));
        }
        if work >= LARGE {
            return out
                .chunks_exact_mut(rows * columns)
                .enumerate()
                .for_each(|out| one(out, Parallelism::Rayon(0)));
        }
    }
    out.chunks_exact_mut(rows * columns)
        .enumerate()
        .for_each(|out| one(out, Parallelism::None));
}

/// out += a b for one matrix, on the thread that calls.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn add_product_here(out: &mut [f32], a: Stack, b: Stack) {
    check(out, a, b);
    product(out, a, b, 0, true, Parallelism::None);
}

/// out = a b for one matrix, on the thread that calls.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn set_product_here(out: &mut [f32], a: Stack, b: Stack) {
    check(out, a, b);
    product(out, a, b, 0, false, Parallelism::None);
}

/// Makes sure that matrices and the place for their products agree.
fn check(out: &[f32], a: Stack, b: Stack) {
    let [members, rows, inner] = a.shape;
    let [_, _, columns] = b.shape;
    let agree = b.shape[..2] == [members, inner] && out.len() == members * rows * columns;
    assert!(
        agree && a.is_whole() && b.is_whole(),
        "matrices {:?} and {:?} give {}",
        a.shape,
        b.shape,
        out.len()
    );
}

/// out = a b, or with `add` out += a b, for matrix `k` of two stacks that are whole and agree.
#[expect(unsafe_code, reason = "the library takes pointers")]
fn product(out: &mut [f32], a: Stack, b: Stack, k: usize, add: bool, parallelism: Parallelism) {
    let [_, rows, inner] = a.shape;
    let [_, _, columns] = b.shape;
    let strides = |stack: Stack| (stack.strides[2] as isize, stack.strides[1] as isize);
    let (a_right, a_down) = strides(a);
    let (b_right, b_down) = strides(b);
    let a = a.from(k).as_ptr();
    let b = b.from(k).as_ptr();
    // SAFETY: `add_products` has checked that all elements of a and b are in their slices, and that
    // out has rows * columns.
    unsafe {
        let out = out.as_mut_ptr();
        let down = columns as isize;
        gemm::gemm(
            rows,
            columns,
            inner,
            out,
            1,
            down,
            add,
            a,
            a_right,
            a_down,
            b,
            b_right,
            b_down,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}
