//! The actor that improves, and the clone that it began as.

use super::{ActorConfig, HetstatPolicy, InputReader, Transitions};
use crate::Result;
use crate::data::Archive;
use crate::nn::{Adam, AdamConfig, Observations, params};
use crate::rl::SquashedGaussian;
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// pi, and the clone q.
pub(crate) struct ClonedActor {
    /// q: learns while cloning, then stays.
    pub(crate) clone: HetstatPolicy,
    /// pi.
    pub(crate) actor: HetstatPolicy,
    clone_adam: Adam,
    actor_adam: Adam,
}

impl ClonedActor {
    /// Fresh, on an autodiff `device`; `lr` is Adam's learning rate in practice.
    pub(crate) fn new(
        config: &ActorConfig,
        inputs: &InputReader,
        lr: f64,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let clone = HetstatPolicy::new(config, inputs.sizes, &inputs.cameras, rng, device);
        Self {
            actor: clone.clone(),
            clone,
            clone_adam: adam(config.clone_lr),
            actor_adam: adam(lr),
        }
    }

    /// One step of cloning on demonstrated decisions; the loss. The actor begins as the clone that
    /// comes of it.
    pub(crate) fn clone_step(&mut self, demos: &Transitions) -> Tensor<1> {
        let x = demos.x.clone().autodiff();
        let u = demos.u.clone().autodiff();
        let loss = self.clone.faithful_loss(x, u);
        self.clone = self.clone_adam.step(self.clone.clone(), &loss);
        self.actor = self.clone.clone();
        loss.inner()
    }

    /// One step of the actor down a loss.
    pub(crate) fn step(&mut self, loss: &Tensor<1>) {
        self.actor = self.actor_adam.step(self.actor.clone(), loss);
    }

    /// pi, without gradients.
    pub(crate) fn acting(&self) -> HetstatPolicy {
        self.actor.valid()
    }

    /// q at inputs, without gradients.
    pub(crate) fn clone_at(&self, x: &Observations) -> SquashedGaussian {
        self.clone.valid().at(x.clone())
    }

    /// pi at inputs, without gradients.
    pub(crate) fn actor_at(&self, x: &Observations) -> SquashedGaussian {
        self.actor.valid().at(x.clone())
    }

    /// pi at inputs, with gradients, and the mean of KL(pi || q) there: `[1]`.
    pub(crate) fn attached_at(&self, x: &Observations) -> (SquashedGaussian, Tensor<1>) {
        let at = self.actor.at(x.clone().autodiff());
        let divergence = at.kl(&self.clone_at(x).autodiff()).mean();
        (at, divergence)
    }

    /// Writes all of it into the archive, under `prefix/`.
    pub(crate) async fn save(&self, prefix: &str, archive: &mut Archive) -> Result<()> {
        for (name, policy) in [("clone", &self.clone), ("actor", &self.actor)] {
            params::save(policy, &format!("{prefix}/{name}"), archive).await?;
        }
        for (name, adam) in [("clone", &self.clone_adam), ("actor", &self.actor_adam)] {
            adam.save(&format!("{prefix}/{name}-adam"), archive).await?;
        }
        Ok(())
    }

    /// The same with what [`ClonedActor::save`] wrote.
    ///
    /// # Errors
    /// When the archive lacks it.
    pub(crate) fn loaded(self, prefix: &str, archive: &Archive) -> Result<Self> {
        let policy = |fresh: HetstatPolicy, name: &str| {
            params::load(fresh, &format!("{prefix}/{name}"), archive)
        };
        let adam = |adam: Adam, name: &str, policy: &HetstatPolicy| {
            adam.restored(&format!("{prefix}/{name}-adam"), archive, policy)
        };
        let clone = policy(self.clone, "clone")?;
        let actor = policy(self.actor, "actor")?;
        Ok(Self {
            clone_adam: adam(self.clone_adam, "clone", &clone)?,
            actor_adam: adam(self.actor_adam, "actor", &actor)?,
            clone,
            actor,
        })
    }
}

fn adam(lr: f64) -> Adam {
    Adam::new(AdamConfig {
        lr,
        clip_norm: None,
    })
}
