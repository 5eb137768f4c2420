//! What a convolution reads of a picture, as rows of a matrix: for each place of its output the
//! window that it sees. A tile has as many of these rows as stay in a core's own cache.

use crate::nn::fused::linear::add;
use crate::obs::Images;

/// Numbers of a tile at most, if one row of the output has fewer: 256 KB.
const TILE: usize = 1 << 16;

/// What values of pictures are as numbers.
static SHARES: [f32; 256] = {
    let mut shares = [0.0; 256];
    let mut value = 0;
    while value < 256 {
        shares[value] = value as f32 / 255.0;
        value += 1;
    }
    shares
};

/// Sizes of a layer: square pictures, square kernels, no padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Pixels along each side of its input.
    pub(super) size: usize,
    /// Channels of its input.
    pub(super) channels: usize,
    /// Pixels along each side of its kernels.
    pub(super) kernel: usize,
    pub(super) stride: usize,
    /// Channels of its output.
    pub(super) outputs: usize,
}

impl Sizes {
    /// Places along each side of its output.
    pub(super) fn side(self) -> usize {
        (self.size - self.kernel) / self.stride + 1
    }

    /// Numbers of a picture.
    pub(super) fn input(self) -> usize {
        self.size * self.size * self.channels
    }

    /// Numbers that it gives for a picture.
    pub(super) fn output(self) -> usize {
        self.side() * self.side() * self.outputs
    }

    /// Numbers that one place of the output sees.
    pub(super) fn window(self) -> usize {
        self.kernel * self.kernel * self.channels
    }

    /// Rows of the output in a tile, at most.
    fn rows(self) -> usize {
        (TILE / (self.side() * self.window())).clamp(1, self.side())
    }

    /// Numbers of a tile.
    pub(super) fn tile(self) -> usize {
        self.rows() * self.side() * self.window()
    }

    /// The first row of the output of each tile, and how many places it has.
    pub(super) fn tiles(self) -> impl Iterator<Item = (usize, usize)> {
        let rows = self.rows();
        let firsts = (0..self.side()).step_by(rows);
        firsts.map(move |first| (first, rows.min(self.side() - first) * self.side()))
    }

    /// Where the parts of windows lie in a picture: one part for each place, from row `first` of
    /// the output on, and row of its kernel.
    fn parts(self, first: usize) -> impl Iterator<Item = usize> {
        (first..self.side()).flat_map(move |y| {
            (0..self.side()).flat_map(move |x| {
                (0..self.kernel).map(move |row| {
                    let pixel = (y * self.stride + row) * self.size + x * self.stride;
                    pixel * self.channels
                })
            })
        })
    }

    /// Puts the windows of a picture's places, from row `first` of the output on, into a tile.
    pub(super) fn fill(self, picture: &[f32], first: usize, tile: &mut [f32]) {
        let width = self.kernel * self.channels;
        let parts = tile.chunks_exact_mut(width).zip(self.parts(first));
        parts.for_each(|(part, at)| part.copy_from_slice(&picture[at..at + width]));
    }

    /// Adds the numbers of a tile to the places of a picture that [`Sizes::fill`] has them from.
    pub(super) fn spread(self, tile: &[f32], first: usize, picture: &mut [f32]) {
        let width = self.kernel * self.channels;
        let parts = tile.chunks_exact(width).zip(self.parts(first));
        parts.for_each(|(part, at)| add(&mut picture[at..at + width], part));
    }
}

/// Square pictures, channels last.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// Of numbers.
    Maps(&'a [f32]),
    /// Of bytes: 255 is 1.
    Images(&'a Images),
}

impl Source<'_> {
    /// The numbers of picture `i`; `room` is where they are put unless they lie somewhere.
    pub(super) fn picture<'b>(
        &'b self,
        i: usize,
        sizes: Sizes,
        room: &'b mut Vec<f32>,
    ) -> &'b [f32] {
        match self {
            Self::Maps(values) => &values[i * sizes.input()..][..sizes.input()],
            Self::Images(images) => {
                room.resize(sizes.input(), 0.0);
                unpack(images, i, room);
                room
            }
        }
    }
}

/// The frames of a stack side by side, moved by its shift, channels last.
fn unpack(images: &Images, i: usize, out: &mut [f32]) {
    let size = images.camera.size;
    let channels = images.camera.channels();
    let shift = images.shift(i);
    let columns: Vec<usize> = (0..size).map(|x| shift.column(x, size)).collect();
    for (y, row) in out.chunks_exact_mut(size * channels).enumerate() {
        let from = shift.row(y, size) * size;
        for (frame, first) in images.frames(i..i + 1).iter().zip((0..).step_by(3)) {
            let [red, green, blue] = [0, 1, 2].map(|c| &frame[c * size * size + from..][..size]);
            for (pixel, &x) in row.chunks_exact_mut(channels).zip(&columns) {
                let values = [red[x], green[x], blue[x]];
                let shares = values.map(|value| SHARES[usize::from(value)]);
                pixel[first..first + 3].copy_from_slice(&shares);
            }
        }
    }
}
