//! What `protege` tells the program that writes recordings (`rerun/`), which shares this file: one
//! scene, then moments.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{Error, ErrorKind, Read, Result, Write};

/// What the first message says, so that programs of different versions do not misread each other.
/// It changes with this file.
pub const FORMAT: &str = "protege recording 1";
/// Bytes of the longest message: far more than the meshes of any scene.
const LONGEST: u32 = 1 << 30;

/// What stays the same in a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    /// The task, and who plays.
    pub title: String,
    /// What moves as one.
    pub parts: Vec<Part>,
    /// Names of the joints that turn or slide.
    pub joints: Vec<String>,
}

/// A body or a mark, with its shapes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Its name, no other part's.
    pub name: String,
    /// What it looks like.
    pub shapes: Vec<Shape>,
}

/// Where something is: in meters, and turned by a unit quaternion x, y, z, w.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pose {
    /// Position, m.
    pub position: [f32; 3],
    /// Rotation: x, y, z, w.
    pub rotation: [f32; 4],
}

/// A solid of one color.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// Its name, no other shape's of the same part.
    pub name: String,
    /// Where it is in its part.
    pub pose: Pose,
    /// Red, green, blue, opacity.
    pub colour: [u8; 4],
    /// Its form.
    pub form: Form,
}

/// The form of a solid, whose middle is at the origin; lengths in m.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Form {
    /// Half its lengths along x, y and z.
    Box([f32; 3]),
    /// Its radii along x, y and z.
    Ellipsoid([f32; 3]),
    /// Along z, with round ends beyond its length.
    Capsule {
        /// Of the tube and of its ends.
        radius: f32,
        /// Of the tube.
        length: f32,
    },
    /// Along z.
    Cylinder {
        /// Of the disc.
        radius: f32,
        /// From disc to disc.
        length: f32,
    },
    /// Triangles.
    Mesh {
        /// Corners.
        vertices: Vec<[f32; 3]>,
        /// Three corners each, counter-clockwise from outside.
        triangles: Vec<[u32; 3]>,
    },
}

/// What is new at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// Control steps since the beginning of the recording; its episodes follow one another.
    pub step: i64,
    /// The same in seconds of simulated time.
    pub time_s: f64,
    /// Counted from 1.
    pub episode: i64,
    /// Parts that have moved, by their number in the scene.
    pub poses: Vec<(u32, Pose)>,
    /// Position (rad or m) and velocity of every joint.
    pub joints: Vec<[f64; 2]>,
    /// A picture, as the bytes of a PNG file.
    pub picture: Option<Vec<u8>>,
    /// The reward of what has just been done.
    pub reward: Option<f32>,
    /// Whether the success rule holds.
    pub success: Option<bool>,
    /// The action that is played next.
    pub action: Option<Vec<f32>>,
    /// Where something was decided: the actions that are meant to follow, the next one included.
    pub plan: Option<Vec<Vec<f32>>>,
    /// A line for the log.
    pub note: Option<String>,
}

/// Writes one message: its length in bytes (32 bits, little end first), then the message.
///
/// # Errors
/// When nobody reads any more, or it is too long.
pub fn send(out: &mut impl Write, message: &impl Serialize) -> Result<()> {
    let bytes = postcard::to_stdvec(message).map_err(Error::other)?;
    let length = u32::try_from(bytes.len())
        .ok()
        .filter(|&length| length <= LONGEST);
    let length = length.ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidInput,
            format!("a message of {} bytes is too long", bytes.len()),
        )
    })?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&bytes)
}

/// Reads one message; none where there are no more.
///
/// # Errors
/// When it is cut off, too long or of another kind.
pub fn receive<T: DeserializeOwned>(input: &mut impl Read) -> Result<Option<T>> {
    let mut length = Vec::new();
    input.take(4).read_to_end(&mut length)?;
    let length = match length[..] {
        [] => return Ok(None),
        [a, b, c, d] => u32::from_le_bytes([a, b, c, d]),
        _ => return Err(ErrorKind::UnexpectedEof.into()),
    };
    if length > LONGEST {
        return Err(Error::new(
            ErrorKind::InvalidData,
            format!("a message of {length} bytes is too long"),
        ));
    }
    let mut bytes = Vec::new();
    input.take(u64::from(length)).read_to_end(&mut bytes)?;
    if bytes.len() < length as usize {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    postcard::from_bytes(&bytes)
        .map(Some)
        .map_err(|e| Error::new(ErrorKind::InvalidData, e))
}
