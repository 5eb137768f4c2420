//! The colors of a frame, and of those after it that have no others: boxes in the space of colors,
//! the worst of which is halved until there are enough.

use std::collections::{BTreeMap, HashMap};

/// Pixels that the palette is made from.
const SAMPLE: usize = 300_000;

/// Shades whose nearest colors are remembered at most.
const REMEMBERED: usize = 1 << 18;
/// How far a color of a palette may be from what it stands for, in each channel.
const NEAR: u8 = 24;

/// Some colors, and which of them is nearest to each that was asked for.
pub struct Palette {
    /// Red, green, blue.
    pub colours: Vec<[u8; 3]>,
    nearest: HashMap<[u8; 3], u8>,
}

impl Palette {
    /// At most `size` (at most 256) colors for a frame.
    pub fn of(frame: &[u8], size: usize) -> Self {
        let (pixels, _) = frame.as_chunks::<3>();
        let all = pixels.len();
        let mut shades: BTreeMap<[u8; 3], u64> = BTreeMap::new();
        pixels
            .iter()
            .step_by(all.div_ceil(SAMPLE).max(1))
            .for_each(|&pixel| *shades.entry(pixel).or_default() += 1);
        let mut boxes = vec![Shades(shades.into_iter().collect())];
        while boxes.len() < size {
            let badness = |i: &usize| boxes[*i].badness();
            let Some(worst) = (0..boxes.len())
                .max_by(|a, b| badness(a).total_cmp(&badness(b)))
                .filter(|i| boxes[*i].badness() > 0.0)
            else {
                break;
            };
            let (low, high) = boxes.swap_remove(worst).halves();
            boxes.extend([low, high]);
        }
        Self {
            colours: boxes.iter().map(Shades::mean).collect(),
            nearest: HashMap::new(),
        }
    }

    /// How many pixels are not near the colors that were found for them.
    pub fn far(&self, pixels: &[u8], places: &[u8]) -> usize {
        let (pixels, _) = pixels.as_chunks::<3>();
        let is_far = |(pixel, &place): (&[u8; 3], &u8)| {
            let colour = self.colours[usize::from(place)];
            (0..3).any(|c| colour[c].abs_diff(pixel[c]) > NEAR)
        };
        pixels
            .iter()
            .zip(places)
            .filter(|pair| is_far(*pair))
            .count()
    }

    /// The colors one after the other, as many as there can be places.
    pub fn padded(&self) -> Vec<u8> {
        let mut colours = self.colours.as_flattened().to_vec();
        colours.resize(3 * 256, 0);
        colours
    }

    /// The place of the nearest color for each pixel.
    pub fn apply(&mut self, pixels: &[u8]) -> Vec<u8> {
        let Self { colours, nearest } = self;
        if nearest.len() > REMEMBERED {
            nearest.clear();
        }
        let find = |pixel: [u8; 3]| {
            let far = |colour: &[u8; 3]| {
                (0..3)
                    .map(|c| u32::from(colour[c].abs_diff(pixel[c])).pow(2))
                    .sum::<u32>()
            };
            (0..colours.len())
                .min_by_key(|&i| far(&colours[i]))
                .unwrap_or_default() as u8
        };
        pixels
            .as_chunks::<3>()
            .0
            .iter()
            .map(|&pixel| *nearest.entry(pixel).or_insert_with(|| find(pixel)))
            .collect()
    }
}

/// Neighboring shades, each with the number of its pixels.
struct Shades(Vec<([u8; 3], u64)>);

impl Shades {
    /// The channel in which the shades differ most, and its ends.
    fn widest(&self) -> (usize, u8, u8) {
        let ends = |c: usize| {
            let values = || self.0.iter().map(move |(shade, _)| shade[c]);
            (c, values().min().unwrap_or(0), values().max().unwrap_or(0))
        };
        (0..3)
            .map(ends)
            .max_by_key(|(_, low, high)| high - low)
            .unwrap_or_default()
    }

    /// How much it would help to split: the logarithm keeps a large background from taking the
    /// colors of small things.
    fn badness(&self) -> f64 {
        let (_, low, high) = self.widest();
        let pixels: u64 = self.0.iter().map(|(_, count)| count).sum();
        f64::from(high - low) * ((1 + pixels) as f64).ln()
    }

    /// Both sides of the middle of the widest channel.
    fn halves(self) -> (Self, Self) {
        let (channel, low, high) = self.widest();
        let middle = low + (high - low) / 2;
        let (below, above) = self
            .0
            .into_iter()
            .partition(|(shade, _)| shade[channel] <= middle);
        (Self(below), Self(above))
    }

    fn mean(&self) -> [u8; 3] {
        let pixels = self.0.iter().map(|(_, count)| count).sum::<u64>().max(1);
        [0, 1, 2].map(|c| {
            (self
                .0
                .iter()
                .map(|(shade, count)| u64::from(shade[c]) * count)
                .sum::<u64>()
                / pixels) as u8
        })
    }
}
