//! The pretrained policy as it is, for practice.

use crate::data::Archive;
use crate::method::LocalFuture;
use crate::obs::ObsBatch;
use crate::play::{Actor, Decided};
use crate::policy::Policy;
use burn::tensor::Device;

/// A policy that decides alone.
pub(crate) struct Frozen {
    policy: Policy,
    device: Device,
}

impl Frozen {
    /// The policy, on a device.
    pub(crate) fn of(policy: &Policy, device: &Device) -> Self {
        Self {
            policy: policy.clone(),
            device: device.clone(),
        }
    }
}

impl Actor for Frozen {
    fn noise_len(&self) -> usize {
        self.policy.noise_len()
    }

    fn chunk_len(&self) -> usize {
        self.policy.sizes.chunk_len()
    }

    fn decide<'a>(
        &'a self,
        obs: &'a ObsBatch,
        _: &'a mut [Vec<f32>],
        noise: Vec<f32>,
    ) -> LocalFuture<'a, Decided> {
        Box::pin(async move {
            Ok(Decided {
                chunks: self.policy.act(obs, noise, &self.device).await?,
                notes: Vec::new(),
            })
        })
    }

    fn write<'a>(&'a self, archive: &'a mut Archive) -> LocalFuture<'a, ()> {
        Box::pin(self.policy.save("policy", archive))
    }
}
