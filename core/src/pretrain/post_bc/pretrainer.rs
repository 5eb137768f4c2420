//! The two phases of PostBC: fit the ensemble, then clone with the posterior that it gives.

use super::Ensemble;
use crate::Result;
use crate::data::{Archive, Pairs};
use crate::method::LocalFuture;
use crate::policy::Policy;
use crate::pretrain::{Cloning, Context, Losses, PretrainPhase, Pretrainer, TargetNoise};

/// PostBC at work.
pub enum PostBc {
    /// The first phase: the ensemble is fitted.
    Ensemble(Box<Ensemble>),
    /// The second phase: the policy is cloned.
    Cloning(Box<Cloning>),
}

impl PostBc {
    /// Before the first step of the ensemble.
    pub fn new(cx: &Context) -> Self {
        let config = cx.config.post_bc.clone();
        let ensemble = Ensemble::new(config, cx.pairs, cx.seed, cx.device.clone());
        Self::Ensemble(Box::new(ensemble))
    }

    /// Restores what [`Pretrainer::save`] wrote with the same settings and demonstrations.
    ///
    /// # Errors
    /// When the archive is damaged or foreign.
    pub(crate) fn load(cx: &Context, archive: &Archive) -> Result<Self> {
        if !archive.contains("ensemble/state") {
            let cloning = Cloning::resume(cx, archive)?;
            return Ok(Self::Cloning(Box::new(cloning)));
        }
        let config = cx.config.post_bc.clone();
        let ensemble = Ensemble::load(config, cx.pairs, cx.seed, archive, cx.device.clone())?;
        Ok(Self::Ensemble(Box::new(ensemble)))
    }

    /// Ends the first phase: the posterior becomes the noise of the cloning loop.
    async fn clone_with_posterior(
        &mut self,
        cx: &Context<'_>,
    ) -> Result<Option<Vec<(&'static str, f64)>>> {
        let Self::Ensemble(ensemble) = self else {
            return Ok(None);
        };
        let posterior = ensemble.posterior(cx.pairs).await?;
        let found = vec![("policy/posterior_std", posterior.mean_std())];
        let cloning = Cloning::begin(cx, TargetNoise::Posterior(posterior))?;
        *self = Self::Cloning(Box::new(cloning));
        Ok(Some(found))
    }
}

impl Pretrainer for PostBc {
    fn phase(&self) -> PretrainPhase {
        match self {
            Self::Ensemble(_) => PretrainPhase::Ensemble,
            Self::Cloning(_) => PretrainPhase::Policy,
        }
    }

    fn progress(&self) -> (usize, usize) {
        match self {
            Self::Ensemble(ensemble) => ensemble.progress(),
            Self::Cloning(cloning) => cloning.progress(),
        }
    }

    fn step(&mut self, data: &Pairs) -> Losses {
        match self {
            Self::Ensemble(ensemble) => ensemble.step(data),
            Self::Cloning(cloning) => cloning.step(data),
        }
    }

    fn begin_next<'a>(
        &'a mut self,
        cx: &'a Context<'a>,
    ) -> LocalFuture<'a, Option<Vec<(&'static str, f64)>>> {
        Box::pin(self.clone_with_posterior(cx))
    }

    fn policy(&self) -> Option<Policy> {
        match self {
            Self::Ensemble(_) => None,
            Self::Cloning(cloning) => cloning.policy(),
        }
    }

    fn save<'a>(&'a self, archive: &'a mut Archive) -> LocalFuture<'a, ()> {
        match self {
            Self::Ensemble(ensemble) => Box::pin(ensemble.save(archive)),
            Self::Cloning(cloning) => cloning.save(archive),
        }
    }
}
