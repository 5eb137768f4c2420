//! What is taken of the observations of a demonstration: which keys, and their content.

use super::hdf5::{Array, Node};
use super::names::{self, Key, OBJECT};
use super::older::Place;
use protege_core::data::{Frames, History};
use protege_core::error::excerpt;
use protege_core::obs::{ImageSpec, ObsSpec};
use protege_core::{Error, Result};
use std::collections::BTreeMap;
use std::ops::Range;

/// Colors of a picture.
const COLORS: usize = 3;

/// What is taken of every observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// What makes up the state, in this order.
    state: Vec<Key>,
    /// Where the numbers of `object` are, unless they are in today's order.
    object: Option<Vec<Place>>,
    /// Pictures.
    cameras: Vec<View>,
}

/// The pictures of one camera.
#[derive(Debug, Clone, PartialEq, Eq)]
struct View {
    key: String,
    camera: ImageSpec,
}

impl Parts {
    /// These keys, as the observations of one demonstration have them.
    ///
    /// # Errors
    /// When one is not there, or neither numbers nor square pictures.
    pub fn chosen(obs: &Node, keys: &[String]) -> Result<Self> {
        let mut parts = Self {
            state: Vec::new(),
            object: None,
            cameras: Vec::new(),
        };
        for name in keys {
            let Some(array) = obs.array(name)? else {
                let known = match obs.arrays()?.join(", ") {
                    none if none.is_empty() => "it has no arrays".to_owned(),
                    names => format!("it has {}; choose keys with --obs", excerpt(&names)),
                };
                return Err(obs.fault(name, format!("is not there: {known}")));
            };
            if array.is_bytes() && array.shape.len() == 4 {
                let key = name.clone();
                let camera = camera(&array, &key)?;
                parts.cameras.push(View { key, camera });
                continue;
            }
            if !array.is_numbers() || array.shape.is_empty() {
                return Err(array.fault(format!(
                    "holds elements of the type {}, neither pictures of 8 bits nor numbers that \
                     are read (whole ones, or floating-point ones of 32 or 64 bits)",
                    array.elements
                )));
            }
            let (name, width) = (name.clone(), array.width());
            parts.state.push(Key { name, width });
        }
        Ok(parts)
    }

    /// Puts the numbers of `object` into another order; whether they are among what is taken.
    pub fn reorder_object(&mut self, places: Vec<Place>) -> bool {
        let fits = |key: &Key| key.name == OBJECT && key.width == places.len();
        let is_taken = self.state.iter().any(fits);
        self.object = is_taken.then_some(places);
        is_taken
    }

    /// Where the numbers of a key are, if they are in another order.
    fn places(&self, key: &Key) -> Option<&[Place]> {
        self.object.as_deref().filter(|_| key.name == OBJECT)
    }

    /// What episodes are made of.
    pub fn spec(&self) -> ObsSpec {
        let cameras = self.cameras.iter().map(|view| view.camera.clone());
        ObsSpec {
            state: self.width(),
            cameras: cameras.collect(),
            ..ObsSpec::default()
        }
    }

    /// The keys that make up the state, in their order.
    pub fn state_keys(&self) -> Vec<&str> {
        self.state.iter().map(|key| key.name.as_str()).collect()
    }

    /// Numbers of a state.
    fn width(&self) -> usize {
        self.state.iter().map(|key| key.width).sum()
    }
}

/// Puts numbers into their places.
fn put(from: &[f64], places: Option<&[Place]>, to: &mut [f32]) {
    for (i, to) in to.iter_mut().enumerate() {
        let (at, negated) = places.map_or((i, false), |places| places[i]);
        let number = from[at] as f32;
        *to = if negated { -number } else { number };
    }
}

/// How a camera's pictures are to be seen; one frame at a time.
fn camera(array: &Array, key: &str) -> Result<ImageSpec> {
    let (height, width, colors) = (array.shape[1], array.shape[2], array.shape[3]);
    let camera = ImageSpec {
        name: names::camera(key).to_owned(),
        size: height,
        stack: 1,
    };
    if height != width || colors != COLORS || !camera.is_possible(1) {
        return Err(array.fault(format!(
            "holds pictures of {height} x {width} pixels in {colors} colors, where square ones of \
             up to 512 in 3 colors are of use"
        )));
    }
    Ok(camera)
}

/// Memory that demonstrations may take.
pub struct Budget {
    /// Bytes that are left.
    left: f64,
}

impl Budget {
    /// Half of what this machine has: what is read is also written.
    pub fn of_this_machine() -> Self {
        let all = crate::memory::limit().unwrap_or(f64::INFINITY);
        Self { left: all / 2.0 }
    }

    /// Takes so many bytes of it.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn take(&mut self, bytes: usize, demo: &Node) -> Result<()> {
        self.left -= bytes as f64;
        if self.left >= 0.0 {
            return Ok(());
        }
        Err(demo.fault(
            "obs",
            "no longer fits into half of this machine's memory: take fewer demonstrations \
             (--demos, --filter) or fewer cameras (--obs)",
        ))
    }

    /// Gives back what was not needed.
    fn give_back(&mut self, bytes: usize) {
        self.left += bytes as f64;
    }
}

/// The array of this name, which there has to be.
///
/// # Errors
/// When it is not there, or damaged.
pub fn needed(node: &Node, name: &str) -> Result<Array> {
    let array = node.array(name)?;
    array.ok_or_else(|| node.fault(name, "is not there"))
}

/// The observations of a demonstration, as the file has them.
pub struct Seen<'a> {
    /// Its group.
    pub demo: &'a Node,
    /// What was seen before each action.
    pub obs: &'a Node,
    /// What was seen after each, if the file says.
    pub next: Option<&'a Node>,
    /// Actions.
    pub steps: usize,
    /// Observations that are kept, from the first on.
    pub moments: usize,
}

impl Seen<'_> {
    /// Reads them.
    ///
    /// # Errors
    /// Names the part that is missing, of another shape, or no good.
    pub fn read(&self, parts: &Parts, budget: &mut Budget) -> Result<History> {
        let width = parts.width();
        budget.take(4 * self.moments * width, self.demo)?;
        let mut state = vec![0.0; self.moments * width];
        let mut place = 0;
        for key in &parts.state {
            let is_so = |array: &Array| array.width() == key.width;
            let wanted = format!("rows of {} numbers", key.width);
            self.rows(&key.name, &wanted, is_so, |array, rows, first| {
                array.numbers(rows.clone(), |row, numbers| {
                    let start = (first + row - rows.start) * width + place;
                    let to = &mut state[start..start + key.width];
                    put(numbers, parts.places(key), to);
                    Ok(())
                })
            })?;
            place += key.width;
        }
        let mut frames = BTreeMap::new();
        for view in &parts.cameras {
            let seen = self.frames(view, budget)?;
            frames.insert(view.camera.name.clone(), seen);
        }
        Ok(History {
            width,
            state,
            task: None,
            frames,
        })
    }

    /// The frames of a camera.
    fn frames(&self, view: &View, budget: &mut Budget) -> Result<Frames> {
        let ImageSpec { size, .. } = view.camera;
        let raw = self.moments * view.camera.frame_len();
        budget.take(raw, self.demo)?;
        let mut frames = Frames::default();
        let mut planes = vec![0; view.camera.frame_len()];
        let shape = [size, size, COLORS];
        let is_so = |array: &Array| array.is_bytes() && array.shape[1..] == shape;
        let wanted = format!("pictures of {size} x {size} pixels in {COLORS} colors");
        self.rows(&view.key, &wanted, is_so, |array, rows, _| {
            array.bytes(rows, |pixels| {
                for (at, pixel) in pixels.chunks_exact(COLORS).enumerate() {
                    for (color, &value) in pixel.iter().enumerate() {
                        planes[color * size * size + at] = value;
                    }
                }
                frames.push(&planes);
            })
        })?;
        budget.give_back(raw.saturating_sub(frames.bytes()));
        Ok(frames)
    }

    /// Gives the arrays of a key to `read`, with the rows that are wanted of them and the moment of
    /// the first: those before the actions, and at the end of the last the one after it.
    fn rows(
        &self,
        key: &str,
        wanted: &str,
        is_so: impl Fn(&Array) -> bool,
        mut read: impl FnMut(&Array, Range<usize>, usize) -> Result<()>,
    ) -> Result<()> {
        let checked = |node: &Node| {
            let array = needed(node, key)?;
            array.check_numbers()?;
            if array.shape.first() == Some(&self.steps) && is_so(&array) {
                return Ok(array);
            }
            let Array { shape, .. } = &array;
            let fault = format!(
                "has the shape {shape:?}, where {} {wanted} are needed",
                self.steps
            );
            Err::<Array, Error>(array.fault(fault))
        };
        let before = checked(self.obs)?;
        let after = self.next.map(checked).transpose()?;
        read(&before, 0..self.moments.min(self.steps), 0)?;
        match after {
            Some(after) if self.moments > self.steps => {
                read(&after, self.steps - 1..self.steps, self.steps)
            }
            _ => Ok(()),
        }
    }
}
