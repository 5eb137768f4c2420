//! How many decisions are made together.

use super::Actor;
use crate::Result;
use crate::obs::ObsBatch;
use crate::rng::Rng;
use serde::{Deserialize, Serialize};

/// Numbers of rows with which a row's decision is the same to the last bit. Products of matrices
/// are computed otherwise where they have a single row, and where wide ones have few.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// At least so many.
    pub least: usize,
    /// And at most so many.
    pub most: usize,
}

/// The numbers that are tried: sizes between these are computed as the next smaller one.
const TRIED: [usize; 25] = [
    1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 65, 96, 128, 192, 256,
];

/// The numbers of rows, up to `most`, with which `actor` decides as it does with `most`: found by
/// trying at these observations, whose actors remember `memories`.
///
/// # Errors
/// When the device fails.
pub async fn rows_alike(
    actor: &dyn Actor,
    obs: &ObsBatch,
    memories: &[Vec<f32>],
    most: usize,
) -> Result<Rows> {
    // At a run's resumption fewer may be running: some count twice.
    let indices: Vec<usize> = (0..most).map(|i| i % obs.len()).collect();
    let obs = obs.select(&indices);
    let memories: Vec<Vec<f32>> = indices.iter().map(|&i| memories[i].clone()).collect();
    // What noise it is does not matter, and no stream may move for it.
    let noise = Rng::new(0, "rows", 0).normals(most * actor.noise_len());
    let all = decisions(actor, &obs, &memories, &noise, most).await?;
    let mut least = most;
    for &rows in TRIED.iter().rev().filter(|&&rows| rows < most) {
        let few = decisions(actor, &obs, &memories, &noise, rows).await?;
        if few != all[..rows] {
            break;
        }
        least = rows;
    }
    Ok(Rows { least, most })
}

/// The first `rows` decisions, made together: the bits of the chunk, the notes, and the memory.
async fn decisions(
    actor: &dyn Actor,
    obs: &ObsBatch,
    memories: &[Vec<f32>],
    noise: &[f32],
    rows: usize,
) -> Result<Vec<Vec<u32>>> {
    let mut memories = memories[..rows].to_vec();
    let noise = noise[..rows * actor.noise_len()].to_vec();
    let obs = obs.slice(0..rows);
    let decided = actor.decide(&obs, &mut memories, noise).await?;
    let (chunk, notes) = (actor.chunk_len(), actor.notes_len());
    let row = |i: usize| {
        let parts = [
            &decided.chunks[i * chunk..(i + 1) * chunk],
            &decided.notes[i * notes..(i + 1) * notes],
            &memories[i],
        ];
        let numbers = parts.into_iter().flatten();
        numbers.map(|number| number.to_bits()).collect()
    };
    Ok((0..rows).map(row).collect())
}
