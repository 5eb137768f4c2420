//! Where two policies put their actions at the same states: the idea of posterior cloning, as data
//! for a picture.

use crate::data::Dataset;
use crate::policy::Policy;
use crate::rng::Rng;
use crate::{Error, Result};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// Samples of several policies at one state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionSamples {
    /// The step of the demonstration, counted in recorded actions.
    pub step: usize,
    /// The demonstrator's action.
    pub demo: Vec<f32>,
    /// Per policy: sampled first actions of a chunk, each of the action's length.
    pub samples: Vec<Vec<Vec<f32>>>,
    /// Per policy: standard deviation of the samples, averaged over the action's components.
    pub spread: Vec<f64>,
}

/// Samples `count` actions (at least one) of every policy at every `stride`-th state of the first
/// demonstration in `dataset`.
///
/// # Errors
/// When there is no demonstration, a policy is for other observations or actions, or the device
/// fails.
pub async fn along_a_demonstration(
    policies: &[&Policy],
    dataset: &Dataset,
    stride: usize,
    count: usize,
    device: &Device,
) -> Result<Vec<ActionSamples>> {
    let episode = dataset.episodes.first().ok_or_else(|| {
        Error::input("an action plot is drawn along a demonstration, and there is none")
    })?;
    let fits =
        |policy: &&Policy| episode.obs.is_of(&policy.reads) && policy.sizes.act == dataset.meta.act;
    if !policies.iter().all(fits) {
        return Err(Error::input(format!(
            "an action plot along a demonstration of {} needs policies for it",
            dataset.meta.task
        )));
    }
    let count = count.max(1);
    let mut samples_by_state = Vec::new();
    for step in (0..episode.len()).step_by(stride.max(1)) {
        let mut sampled = ActionSamples {
            step,
            demo: episode.action_at(step, dataset.meta.act).to_vec(),
            samples: Vec::new(),
            spread: Vec::new(),
        };
        for policy in policies {
            // The same noise for every policy: differences are theirs.
            let noise = Rng::new(dataset.meta.seed, "portrait", step as u64)
                .normals(count * policy.noise_len());
            let obs = episode.obs.batch(&policy.reads, [step]).repeat(count);
            let chunks = policy.act(&obs, noise, device).await?;
            let actions: Vec<Vec<f32>> = chunks
                .chunks(policy.sizes.chunk_len())
                .map(|chunk| chunk[..policy.sizes.act].to_vec())
                .collect();
            sampled.spread.push(mean_std(&actions));
            sampled.samples.push(actions);
        }
        samples_by_state.push(sampled);
    }
    Ok(samples_by_state)
}

/// Standard deviation over the rows, averaged over the columns.
fn mean_std(rows: &[Vec<f32>]) -> f64 {
    let n = rows.len() as f64;
    let width = rows[0].len();
    let column = |i: usize| rows.iter().map(move |row| f64::from(row[i]));
    let std = |i: usize| {
        let mean = column(i).sum::<f64>() / n;
        libm::sqrt(column(i).map(|a| (a - mean) * (a - mean)).sum::<f64>() / n)
    };
    (0..width).map(std).sum::<f64>() / width as f64
}
