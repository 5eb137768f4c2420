//! Plays episodes of a run that is carried out elsewhere.

use super::acting::Evaluated;
use super::{ActingPolicy, Run, Services, saved_config};
use crate::data::Archive;
use crate::play::{Actor, Job, Played, Player};
use crate::policy::PolicyKind;
use crate::{Error, Result};
use burn::tensor::Device;

/// Episodes that a guest plays in lockstep at most.
const TOGETHER: usize = 16;

/// Plays episodes of the policy that it was given, for a run elsewhere.
pub struct Guest {
    actor: Box<dyn Actor>,
    player: Player,
}

impl Guest {
    /// Who plays as the job says that a run's [`Elsewhere`](crate::play::Elsewhere) was given.
    ///
    /// # Errors
    /// When the job is damaged, or its task cannot be played here.
    pub fn new(job: &[u8], device: Device, services: Services, threads: usize) -> Result<Self> {
        let archive = Archive::from_bytes(job)?;
        let config = saved_config(&archive, &services.catalog)?;
        config.check(&services.catalog)?;
        if config.policy.kind == PolicyKind::Served {
            return Err(Error::input("a served policy is not played elsewhere"));
        }
        let Job { rows, practice } = archive.get(Job::ENTRY)?;
        let mut run = Run::empty(config, device, services)?.with_threads(threads);
        run.policy = Some(run.load_policy(&archive)?);
        let (actor, spec) = match practice {
            true => (run.practicing(&archive)?, run.rollout_spec()),
            false => (run.evaluated(&archive)?, run.evaluation_spec()),
        };
        let player = Player::new(&spec, TOGETHER, rows, practice)?;
        Ok(Self { actor, player })
    }

    /// Plays the episode of this seed, too.
    pub fn give(&mut self, seed: u64) {
        self.player.give(seed);
    }

    /// Whether there is nothing to play.
    pub fn is_idle(&self) -> bool {
        self.player.is_idle()
    }

    /// Gives up all that it was given.
    pub fn clear(&mut self) {
        self.player.clear();
    }

    /// Makes and plays one decision in every running episode. Those that ended.
    ///
    /// # Errors
    /// When the simulator or the device fails.
    pub async fn step(&mut self) -> Result<Vec<Played>> {
        self.player.step(&*self.actor).await
    }
}

impl Run {
    fn practicing(&self, archive: &Archive) -> Result<Box<dyn Actor>> {
        let settings = &self.config.finetune;
        settings.practice(self.given_policy()?, archive, &self.device)
    }

    fn evaluated(&mut self, archive: &Archive) -> Result<Box<dyn Actor>> {
        self.load_finetuned(archive)?;
        Ok(Box::new(Evaluated {
            acting: ActingPolicy {
                policy: self.given_policy()?.clone(),
                finetuned: self.finetuned.clone(),
            },
            device: self.device.clone(),
        }))
    }
}
