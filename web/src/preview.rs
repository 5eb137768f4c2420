//! What a visitor sees while a run learns: its present policy at play, in a world of its own.
//!
//! Nothing that is shown enters the learning, and nothing that is learned depends on whether
//! somebody watches.

use crate::protocol::{Actor, Clip};
use burn::tensor::Device;
use protege_core::env::{Env, LabEnv, Step};
use protege_core::obs::{ObsBatch, Observation};
use protege_core::rng::Rng;
use protege_core::run::{ActingPolicy, Run};
use protege_core::sim::{Drawing, Vec3};
use protege_core::tasks::{self, ExpertStyle, hand_path};
use protege_core::{Error, Result};

/// Proposals that are drawn.
const PROPOSALS: usize = 24;
/// Directions along each axis for which a learned reward is drawn.
const DIRECTIONS: usize = 5;
/// Actions of the demonstrator per clip, as long as there is no policy.
const CHUNK: usize = 8;
/// Frames for which the end of an episode stands still.
const PAUSE: usize = 36;

/// The world that is shown.
pub struct Preview {
    env: LabEnv,
    drawing: Drawing,
    interval: f64,
    seed: u64,
    episode: u64,
    now: Option<Now>,
}

/// The running episode.
struct Now {
    obs: Observation,
    acting: Option<ActingPolicy>,
    noise: Rng,
    /// What the actor remembers of the episode.
    memory: Vec<Vec<f32>>,
}

impl Preview {
    /// Episodes of the run's task; the same seed shows the same starts.
    ///
    /// # Errors
    /// When the task cannot be made or drawn.
    pub fn new(task: &str, seed: u64) -> Result<Self> {
        let info = tasks::by_id(task)?;
        let env = LabEnv::new(task)?;
        let interval = env.sim().timestep() * info.substeps as f64;
        Ok(Self {
            drawing: Drawing::new(info.scene)?,
            env,
            interval,
            seed,
            episode: 0,
            now: None,
        })
    }

    /// What the task looks like.
    pub fn drawing(&self) -> &Drawing {
        &self.drawing
    }

    /// Plays the next decision; the run's policy is looked at anew whenever an episode begins.
    pub async fn next(&mut self, run: &Run) -> Result<Clip> {
        // Once there is a policy, nobody wants to see the demonstrator to the end.
        let outdated = |now: &Now| now.acting.is_none() && run.acting().is_some();
        let running = self.now.take().filter(|now| !outdated(now));
        let reset = running.is_none();
        let mut now = match running {
            Some(now) => now,
            None => self.begin(run).await?,
        };
        let mut clip = Clip {
            interval: self.interval,
            reset,
            poses: self.poses()?,
            ..Clip::default()
        };
        let done = match now.acting.clone() {
            Some(acting) => {
                clip.actor = Actor::Policy;
                let repeat = run.config().env.action_repeat;
                let chunk = self.decide(&acting, &mut now, repeat, &mut clip).await?;
                self.play(chunk, repeat, &mut now.obs, &mut clip)?
            }
            None => self.demonstrate(&mut now.obs, &mut clip)?,
        };
        if done {
            let rest = self.poses()?.repeat(PAUSE);
            clip.poses.extend(rest);
        } else {
            self.now = Some(now);
        }
        Ok(clip)
    }

    async fn begin(&mut self, run: &Run) -> Result<Now> {
        let seed = Rng::new(self.seed, "exhibit", self.episode).bits();
        self.episode += 1;
        let demos = &run.config().demos;
        let style = if demos.varied {
            ExpertStyle::sample(&mut Rng::new(seed, "style", 0))
        } else {
            ExpertStyle::default()
        };
        self.env.set_style(ExpertStyle {
            noise: demos.noise,
            ..style
        })?;
        let acting = match run.acting() {
            // One decision is too little work for a GPU, and would wait for the learning.
            Some(acting) if run.device() != Device::flex() => {
                Some(acting.on(run.config(), &Device::flex()).await?)
            }
            acting => acting,
        };
        Ok(Now {
            obs: self.env.reset(seed),
            acting,
            noise: Rng::new(seed, "policy-noise", 0),
            memory: vec![Vec::new()],
        })
    }

    /// The chunk that is played; and into the clip, what else the policy proposes and what the
    /// demonstrator would do.
    async fn decide(
        &self,
        acting: &ActingPolicy,
        now: &mut Now,
        repeat: usize,
        clip: &mut Clip,
    ) -> Result<Vec<f32>> {
        let Now {
            obs, noise, memory, ..
        } = now;
        let device = Device::flex();
        let policy = acting.policy();
        let hand = self.hand()?;
        let obs = ObsBatch::of([&*obs]);
        let proposals = policy
            .act(
                &obs.repeat(PROPOSALS),
                noise.normals(PROPOSALS * policy.noise_len()),
                &device,
            )
            .await?;
        let chunk = acting
            .act(&obs, memory, noise.normals(acting.noise_len()), &device)
            .await?;
        let path =
            |actions: &[f32]| flat(&hand_path(hand, &held(actions, policy.sizes.act, repeat)));
        clip.cloud = proposals
            .chunks(policy.sizes.chunk_len())
            .map(path)
            .collect();
        clip.rewards = self
            .rewards(acting, &obs, &chunk, (policy.sizes.act, repeat))
            .await?;
        // A planner looks further ahead than it acts.
        clip.planned = path(acting.ahead(&memory[0], &chunk));
        Ok(chunk)
    }

    /// What a learned reward says of the directions that the hand could take, with its fingers as
    /// the policy has them; nothing where none is learned.
    async fn rewards(
        &self,
        acting: &ActingPolicy,
        obs: &ObsBatch,
        chunk: &[f32],
        (act, repeat): (usize, usize),
    ) -> Result<Vec<f32>> {
        let steps = || (0..DIRECTIONS).map(|i| 2.0 * i as f32 / (DIRECTIONS - 1) as f32 - 1.0);
        let directions =
            steps().flat_map(|x| steps().flat_map(move |y| steps().map(move |z| [x, y, z])));
        let actions: Vec<f32> = directions
            .flat_map(|direction| [&direction, &chunk[3..act]].concat())
            .collect();
        let Some(shares) = acting.rewards(obs, &actions, &Device::flex()).await? else {
            return Ok(Vec::new());
        };
        let hand = self.hand()?;
        let end = |action: &[f32]| {
            hand_path(hand, &held(action, act, repeat))
                .last()
                .copied()
                .unwrap_or(hand)
        };
        let dot = |(action, share): (&[f32], f32)| flat(&[end(action)]).into_iter().chain([share]);
        Ok(actions.chunks(act).zip(shares).flat_map(dot).collect())
    }

    /// Plays a chunk, each action for `repeat` control steps; whether the episode is over.
    fn play(
        &mut self,
        chunk: Vec<f32>,
        repeat: usize,
        obs: &mut Observation,
        clip: &mut Clip,
    ) -> Result<bool> {
        clip.demonstrator = self.ahead(chunk.len() / self.env.spec().act * repeat)?;
        let act = self.env.spec().act;
        for action in chunk
            .chunks(act)
            .flat_map(|action| std::iter::repeat_n(action, repeat))
        {
            if self.step(action, obs, clip)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn demonstrate(&mut self, obs: &mut Observation, clip: &mut Clip) -> Result<bool> {
        for _ in 0..CHUNK {
            let action = self.expert()?;
            if self.step(&action, obs, clip)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn step(&mut self, action: &[f32], obs: &mut Observation, clip: &mut Clip) -> Result<bool> {
        let step: Step = self.env.step(action)?;
        clip.poses.extend(self.poses()?);
        clip.success |= step.success;
        let done = step.done();
        *obs = step.obs;
        Ok(done)
    }

    /// Where the demonstrator's hand would be over the next control steps, by the true physics.
    fn ahead(&mut self, steps: usize) -> Result<Vec<f32>> {
        let before = self.env.save();
        let mut path = vec![self.hand()?];
        for _ in 0..steps {
            let action = self.expert()?;
            let done = self.env.step(&action)?.done();
            path.push(self.hand()?);
            if done {
                break;
            }
        }
        self.env.restore(&before)?;
        Ok(flat(&path))
    }

    fn expert(&mut self) -> Result<Vec<f32>> {
        self.env
            .expert()
            .ok_or_else(|| Error::failed("the task that is shown has no scripted expert"))
    }

    fn hand(&self) -> Result<Vec3> {
        let sim = self.env.sim();
        Ok(sim.site_position(sim.site("grip")?))
    }

    fn poses(&self) -> Result<Vec<f32>> {
        self.drawing.poses(self.env.sim())
    }
}

/// Actions of `act` numbers, each `repeat` times.
fn held(actions: &[f32], act: usize, repeat: usize) -> Vec<f32> {
    actions
        .chunks(act)
        .flat_map(|action| action.repeat(repeat))
        .collect()
}

/// Points as numbers, x y z each.
pub fn flat(path: &[Vec3]) -> Vec<f32> {
    path.iter().flatten().map(|&v| v as f32).collect()
}
