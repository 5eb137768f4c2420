//! Encoders of pictures that learn while the actor is cloned, and then stay as they are: from then
//! on a picture is stored as the keypoints that they find in it.
//!
//! CSIL's code shares one encoder among policy, reward and critics, and trains it by behavioral
//! cloning alone (`update_encoder`, `train_encoder`): reinforcement learning would spoil what
//! cloning has seen.

use super::InputReader;
use crate::Result;
use crate::data::{History, SequenceReplay};
use crate::env::Decision;
use crate::nn::{self, Keypoints, Pictures};
use crate::obs::{ObsBatch, ObsSpec, Observation};
use burn::tensor::Tensor;

/// One encoder for each camera, without gradients.
pub(crate) struct FrozenEncoder {
    /// Whose cameras they are.
    pub(crate) inputs: InputReader,
    /// In the order of its cameras.
    pub(crate) encoders: Vec<Keypoints>,
}

impl FrozenEncoder {
    /// What encoded observations are made of: keypoints come first.
    pub(crate) fn spec(&self, obs: &ObsSpec) -> ObsSpec {
        ObsSpec {
            state: self.inputs.keypoints() + obs.state,
            ..obs.without_cameras()
        }
    }

    /// Observations with keypoints in the place of pictures.
    ///
    /// # Errors
    /// When the device fails.
    pub(crate) async fn encode(&self, obs: &ObsBatch) -> Result<ObsBatch> {
        let cameras = obs.seen_by(&self.inputs.cameras);
        let seen = self.encoders.iter().zip(cameras);
        let keypoints = seen
            .map(|(encoder, images)| encoder.forward(Pictures::new(images, &self.inputs.device)));
        let keypoints = Tensor::cat(keypoints.collect(), 1);
        let values = nn::read(keypoints).await?;
        Ok(obs.with_in_front(&values, self.inputs.keypoints()))
    }

    /// What was observed before and after each decision.
    ///
    /// # Errors
    /// When the device fails.
    pub(crate) async fn encode_decisions(
        &self,
        decisions: &[Decision],
    ) -> Result<Vec<[Observation; 2]>> {
        let both = decisions
            .iter()
            .flat_map(|decision| [&decision.obs, &decision.step.obs]);
        let encoded = self.encode(&ObsBatch::of(both)).await?;
        let row = |i: usize| [encoded.row(2 * i), encoded.row(2 * i + 1)];
        Ok((0..decisions.len()).map(row).collect())
    }

    /// The same replay, with keypoints in the place of pictures.
    ///
    /// # Errors
    /// When the device fails.
    pub(crate) async fn encode_replay(&self, replay: &SequenceReplay) -> Result<SequenceReplay> {
        let spec = replay.obs();
        let mut histories = Vec::new();
        for history in replay.histories() {
            let obs = history.batch(spec, 0..history.len());
            histories.push(History::of(&self.encode(&obs).await?));
        }
        Ok(replay.observed_as(self.spec(spec), histories))
    }
}
