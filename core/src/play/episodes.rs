//! Episodes in the order in which they are played here, wherever they are played.

use super::{Actor, Help, Job, Played, Player, Rows, Shape, Shares, rows_alike};
use crate::Result;
use crate::data::Archive;
use crate::env::{Decision, FinishedEpisode, Past, RolloutSpec, Rollouts};
use crate::obs::ObsSpec;
use std::collections::BTreeMap;

/// Episodes that are played in lockstep here at most while others play, too: who plays many at a
/// time is late with all of them.
const TOGETHER: usize = 16;

/// A fixed set of episodes, played here or partly elsewhere.
pub(crate) struct Episodes {
    rollouts: Rollouts,
    spec: RolloutSpec,
    /// Whether somebody learns from what is observed.
    observing: bool,
    /// None: all is played here.
    away: Option<Away>,
    /// Whether others were asked.
    asked: bool,
}

/// One decision in every running episode.
pub(crate) struct Turn {
    pub(crate) decisions: Vec<Decision>,
    /// What the actor noted of them, row after row.
    pub(crate) notes: Vec<f32>,
    pub(crate) finished: Vec<FinishedEpisode>,
}

/// Episodes that are played elsewhere, too.
struct Away {
    shares: Box<dyn Shares>,
    player: Player,
    here: Here,
    rows: Rows,
    obs: Option<ObsSpec>,
}

/// Episodes that are complete, by their seeds, until they are over here as well.
struct Here {
    played: BTreeMap<u64, Played>,
    /// Numbers of noise for each of their decisions.
    noise: usize,
}

impl Episodes {
    /// See [`Rollouts::new`]; `observing`: whether somebody learns from what is observed.
    ///
    /// # Errors
    /// When the environment cannot be made.
    pub(crate) fn new(
        spec: &RolloutSpec,
        stream: &str,
        episodes: std::ops::Range<u64>,
        observing: bool,
    ) -> Result<Self> {
        let rollouts = Rollouts::new(spec, stream, episodes.start, episodes.end)?;
        Ok(Self::of(rollouts, spec, observing))
    }

    /// Restores what [`Episodes::save`] wrote under the same spec.
    ///
    /// # Errors
    /// When the bytes are damaged or foreign.
    pub(crate) fn load(spec: &RolloutSpec, bytes: &[u8], observing: bool) -> Result<Self> {
        Ok(Self::of(Rollouts::load(spec, bytes)?, spec, observing))
    }

    fn of(rollouts: Rollouts, spec: &RolloutSpec, observing: bool) -> Self {
        Self {
            rollouts,
            spec: spec.clone(),
            observing,
            away: None,
            asked: false,
        }
    }

    /// Finished episodes, and all that there are to play.
    pub(crate) fn progress(&self) -> (u64, u64) {
        self.rollouts.progress()
    }

    /// Finished episodes that succeeded at any step.
    pub(crate) fn successes(&self) -> u64 {
        self.rollouts.successes()
    }

    /// Finished episodes on whose last step the success rule held.
    pub(crate) fn successes_at_end(&self) -> u64 {
        self.rollouts.successes_at_end()
    }

    /// The whole state, physics included: that of episodes which are all played here.
    ///
    /// # Errors
    /// When it cannot be encoded, or the simulator fails.
    pub(crate) fn save(&self) -> Result<Vec<u8>> {
        match &self.away {
            None => self.rollouts.save(),
            Some(Away { here, .. }) => self
                .rollouts
                .save_elsewhere(&self.spec, |seed, length| here.past(seed, length)),
        }
    }

    /// One decision of `actor` in every running episode. None where those that are played elsewhere
    /// are not here yet: then some more of the others was played.
    ///
    /// # Errors
    /// When the simulator or the device fails.
    #[cfg(target_arch = "wasm32")]
    pub(crate) async fn step(
        &mut self,
        actor: &dyn Actor,
        _: Option<Help<'_>>,
    ) -> Result<Option<Turn>> {
        self.play(actor).await.map(Some)
    }

    /// One decision of `actor` in every running episode. None where those that are played elsewhere
    /// are not here yet: then some more of the others was played.
    ///
    /// # Errors
    /// When the simulator or the device fails.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) async fn step(
        &mut self,
        actor: &dyn Actor,
        help: Option<Help<'_>>,
    ) -> Result<Option<Turn>> {
        if let Some(help) = help
            && !std::mem::replace(&mut self.asked, true)
        {
            self.away = self.ask(actor, help).await?;
        }
        let Some(away) = &mut self.away else {
            return self.play(actor).await.map(Some);
        };
        away.collect();
        self.rollouts.start_elsewhere();
        if away.must_end(&self.rollouts) {
            let here = &away.here;
            self.rollouts
                .catch_up(|seed, length| here.past(seed, length))?;
            self.away = None;
            return self.play(actor).await.map(Some);
        }
        match away.follow(&mut self.rollouts) {
            Some(turn) => Ok(Some(turn)),
            None => away.play(actor).await.map(|()| None),
        }
    }

    /// One decision in every running episode, all of them here.
    async fn play(&mut self, actor: &dyn Actor) -> Result<Turn> {
        let obs = self.rollouts.observe();
        let mut memories = self.rollouts.memories();
        let noise = self.rollouts.noise(actor.noise_len());
        let decided = actor.decide(&obs, &mut memories, noise).await?;
        self.rollouts.remember(memories);
        let (decisions, finished) = self.rollouts.play(&decided.chunks, actor.chunk_len())?;
        Ok(Turn {
            decisions,
            notes: decided.notes,
            finished,
        })
    }

    /// Asks others to play, too. None where nobody does.
    async fn ask(&mut self, actor: &dyn Actor, help: Help<'_>) -> Result<Option<Away>> {
        let seeds = self.rollouts.unfinished();
        if seeds.len() < 2 {
            return Ok(None);
        }
        let obs = self.rollouts.observe();
        let memories = self.rollouts.memories();
        let rows = rows_alike(actor, &obs, &memories, self.rollouts.width()).await?;
        let obs = self.observing.then(|| self.rollouts.obs_spec());
        let shape = Shape {
            chunk: actor.chunk_len(),
            notes: actor.notes_len(),
            obs: obs.clone(),
            horizon: self.spec.task.spec.horizon,
            rows,
        };
        let mut archive = Archive::new();
        help.description.describe(&mut archive)?;
        actor.write(&mut archive).await?;
        let job = Job {
            rows,
            practice: self.observing,
        };
        archive.put(Job::ENTRY, &job)?;
        // A policy that has diverged is nobody else's: what is wrong with it is found here.
        let Ok(job) = archive.to_bytes() else {
            return Ok(None);
        };
        let Some(shares) = help.elsewhere.begin(job, seeds, shape) else {
            return Ok(None);
        };
        let player = Player::new(&self.spec, TOGETHER, rows, self.observing)?;
        Ok(Some(Away {
            shares,
            player,
            here: Here {
                played: BTreeMap::new(),
                noise: actor.noise_len(),
            },
            rows,
            obs,
        }))
    }
}

impl Away {
    /// Takes in what has arrived.
    fn collect(&mut self) {
        for played in self.shares.arrived() {
            self.player.give_up(played.seed);
            self.here.played.insert(played.seed, played);
        }
    }

    /// Whether the last episodes have to be decided here: so few are running that decisions have
    /// other bits.
    fn must_end(&self, rollouts: &Rollouts) -> bool {
        rollouts.running().count() < self.rows.least
    }

    /// The next decision of every running episode, if all of them are known.
    fn follow(&mut self, rollouts: &mut Rollouts) -> Option<Turn> {
        let at = |(seed, length): (u64, u64)| {
            let played = self.here.played.get(&seed)?;
            Some((played, played.place(length)?))
        };
        let now: Option<Vec<(&Played, usize)>> = rollouts.running().map(at).collect();
        let now = now?;
        let moments = now
            .iter()
            .map(|(played, place)| played.moment(*place, self.obs.as_ref()))
            .collect();
        let notes = now
            .iter()
            .flat_map(|(played, place)| played.notes(*place))
            .copied()
            .collect();
        let (decisions, finished) = rollouts.follow(moments);
        for FinishedEpisode { seed, .. } in &finished {
            self.here.played.remove(seed);
        }
        Some(Turn {
            decisions,
            notes,
            finished,
        })
    }

    /// Plays a little of what is to be played here.
    async fn play(&mut self, actor: &dyn Actor) -> Result<()> {
        while self.player.room() > 0 {
            let Some(seed) = self.shares.take() else {
                break;
            };
            self.player.give(seed);
        }
        for played in self.player.step(actor).await? {
            self.shares.keep(played.seed);
            self.here.played.insert(played.seed, played);
        }
        Ok(())
    }
}

impl Here {
    /// The first control steps of an episode: none of one that is not here.
    fn past(&self, seed: u64, length: u64) -> Past<'_> {
        let before = |played: &'_ Played| played.place(length);
        let played = self.played.get(&seed);
        let place = played.and_then(before);
        let chunks = played
            .zip(place)
            .map(|(played, place)| played.chunks_before(place));
        Past {
            chunks: chunks.unwrap_or_default(),
            noise: self.noise,
        }
    }
}
