//! A person steers the hand, and what succeeds is kept as a demonstration.

use crate::protocol::{Actor, Clip, DemoOutcome, Event, Steering, TeachingState};
use protege_core::data::{CODE_VERSION, Dataset, Episode, Meta};
use protege_core::env::{Env, LabEnv};
use protege_core::obs::ObsSpec;
use protege_core::rng::Rng;
use protege_core::sim::{Drawing, Vec3};
use protege_core::tasks;
use protege_core::{Error, Result};

/// Action per meter that the hand lacks: full speed from four centimeters on.
const GAIN: f64 = 25.0;
/// Control steps that one request may take at most.
const LONGEST: usize = 80;

/// Where a demonstration is, besides the worker's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copies {
    /// Nowhere.
    None,
    /// With those who learn from the last lesson.
    Lesson,
    /// In a file.
    File,
}

/// A task in a person's hands.
pub struct Teaching {
    env: LabEnv,
    drawing: Drawing,
    interval: f64,
    dataset: Dataset,
    /// Of every episode of the data set.
    copies: Vec<Copies>,
    episode: Episode,
    /// Starts so far: every demonstration begins elsewhere.
    starts: u64,
}

impl Teaching {
    /// The task at its first start.
    ///
    /// # Errors
    /// When there is no such task.
    pub fn new(task: &str, seed: u64) -> Result<Self> {
        let info = tasks::by_id(task)?;
        let env = LabEnv::new(task)?;
        let meta = Meta {
            task: task.into(),
            engine: "rapier".into(),
            seed,
            code_version: CODE_VERSION.into(),
            obs: ObsSpec::of_state(info.obs),
            act: info.act,
            action_repeat: 1,
            controller: String::new(),
            demonstrator: "a person at a web page, who steered the hand; successful episodes only"
                .into(),
        };
        let interval = env.sim().timestep() * info.substeps as f64;
        let dataset = Dataset {
            meta,
            episodes: Vec::new(),
        };
        let mut teaching = Self {
            drawing: Drawing::new(info.scene)?,
            env,
            interval,
            dataset,
            copies: Vec::new(),
            episode: Episode::default(),
            starts: 0,
        };
        teaching.begin();
        Ok(teaching)
    }

    /// What the task looks like.
    pub fn scene(&self) -> Event {
        Event::Scene(self.drawing.clone())
    }

    /// The present demonstration from its start again.
    pub fn begin(&mut self) {
        let seed = Rng::new(self.dataset.meta.seed, "teaching", self.starts).bits();
        self.episode = Episode::start(seed, &self.env.reset(seed));
    }

    /// The picture as it stands.
    ///
    /// # Errors
    /// When the scene cannot be drawn.
    pub fn still(&self) -> Result<Clip> {
        Ok(Clip {
            poses: self.drawing.poses(self.env.sim())?,
            interval: self.interval,
            reset: true,
            actor: Actor::Person,
            ..Clip::default()
        })
    }

    /// Moves the hand for some control steps; a demonstration ends by success or with its time.
    ///
    /// # Errors
    /// When the target is not finite, or the simulator fails.
    pub fn steer(&mut self, steering: Steering) -> Result<(Clip, Option<DemoOutcome>)> {
        if !steering.target.iter().all(|v| v.is_finite()) {
            return Err(Error::input(
                "the hand was sent to a place that is no place; move the pointer again",
            ));
        }
        let mut clip = Clip {
            reset: false,
            ..self.still()?
        };
        for _ in 0..steering.steps.min(LONGEST) {
            let action = self.action(steering)?;
            let step = self.env.step(&action)?;
            self.episode.push(&action, step.reward, &step.obs);
            clip.poses.extend(self.drawing.poses(self.env.sim())?);
            clip.success = step.success;
            if step.done() {
                return Ok((clip, Some(self.end(step.success))));
            }
        }
        Ok((clip, None))
    }

    /// Keeps the demonstration if it succeeded; the next start, or the same again.
    fn end(&mut self, success: bool) -> DemoOutcome {
        if success {
            let done = Episode {
                success,
                terminated: true,
                ..std::mem::take(&mut self.episode)
            };
            self.dataset.episodes.push(done);
            self.copies.push(Copies::None);
            self.starts += 1;
        }
        self.begin();
        if success {
            DemoOutcome::Kept
        } else {
            DemoOutcome::TimeUp
        }
    }

    /// Proportional control towards the target.
    fn action(&self, steering: Steering) -> Result<[f32; 4]> {
        let hand = self.hand()?;
        let [x, y, z] = [0, 1, 2]
            .map(|axis| (GAIN * (steering.target[axis] - hand[axis])).clamp(-1.0, 1.0) as f32);
        Ok([x, y, z, if steering.closed { 1.0 } else { -1.0 }])
    }

    fn hand(&self) -> Result<Vec3> {
        let sim = self.env.sim();
        Ok(sim.site_position(sim.site("grip")?))
    }

    /// How the teaching stands.
    ///
    /// # Errors
    /// When the scene has no hand.
    pub fn state(&self, news: Option<DemoOutcome>) -> Result<TeachingState> {
        let seconds = |steps: usize| steps as f64 * self.interval;
        let recorded = self
            .dataset
            .episodes
            .iter()
            .map(|episode| seconds(episode.len()))
            .collect();
        let present = (
            seconds(self.episode.len()),
            seconds(self.env.spec().horizon),
        );
        let in_file = self.copies.iter().filter(|&&copy| copy == Copies::File);
        Ok(TeachingState {
            recorded,
            unsaved: self.copies.len() - in_file.count(),
            hand: self.hand()?,
            seconds: present,
            news,
        })
    }

    /// Plays a recorded demonstration, all of it; the present one begins again afterwards.
    ///
    /// # Errors
    /// When there is none of this number, or the simulator fails.
    pub fn replay(&mut self, index: usize) -> Result<Clip> {
        let episode = self.recorded(index)?.clone();
        self.env.reset(episode.seed);
        let mut clip = self.still()?;
        for step in 0..episode.len() {
            self.env
                .step(episode.action_at(step, self.dataset.meta.act))?;
            clip.poses.extend(self.drawing.poses(self.env.sim())?);
        }
        clip.success = episode.success;
        self.begin();
        Ok(clip)
    }

    /// Forgets a recorded demonstration.
    ///
    /// # Errors
    /// When there is none of this number.
    pub fn forget(&mut self, index: usize) -> Result<()> {
        self.recorded(index)?;
        self.dataset.episodes.remove(index);
        self.copies.remove(index);
        Ok(())
    }

    fn recorded(&self, index: usize) -> Result<&Episode> {
        let have = self.dataset.episodes.len();
        self.dataset.episodes.get(index).ok_or_else(|| {
            Error::input(format!(
                "there is no demonstration {}; there are {have}",
                index + 1
            ))
        })
    }

    /// Adds the demonstrations of a file of the same task.
    ///
    /// # Errors
    /// When the file is damaged, or of something else.
    pub fn load(&mut self, bytes: &[u8]) -> Result<()> {
        let other = Dataset::from_bytes(bytes)?;
        let Meta {
            task,
            obs,
            act,
            action_repeat,
            ..
        } = &self.dataset.meta;
        other.check_task(task, obs, *act)?;
        if other.meta.action_repeat != *action_repeat {
            return Err(Error::input(format!(
                "the file's demonstrations hold each action for {} control steps; here it is one",
                other.meta.action_repeat
            )));
        }
        if self.dataset.episodes.is_empty() {
            self.dataset.meta.demonstrator = other.meta.demonstrator;
        }
        self.dataset.episodes.extend(other.episodes);
        self.copies
            .resize(self.dataset.episodes.len(), Copies::File);
        Ok(())
    }

    /// The demonstrations so far, to learn from them.
    ///
    /// # Errors
    /// When there is no demonstration yet.
    pub fn lesson(&mut self) -> Result<Vec<u8>> {
        let bytes = self.save()?;
        let unknown = self.copies.iter_mut().filter(|copy| **copy == Copies::None);
        unknown.for_each(|copy| *copy = Copies::Lesson);
        Ok(bytes)
    }

    /// The last lesson has become a file.
    pub fn lesson_saved(&mut self) {
        let taught = self
            .copies
            .iter_mut()
            .filter(|copy| **copy == Copies::Lesson);
        taught.for_each(|copy| *copy = Copies::File);
    }

    /// What [`Teaching::save`] gave has become a file.
    pub fn all_saved(&mut self) {
        self.copies.fill(Copies::File);
    }

    /// `demos.safetensors`.
    ///
    /// # Errors
    /// When there is no demonstration yet.
    pub fn save(&self) -> Result<Vec<u8>> {
        if self.dataset.episodes.is_empty() {
            return Err(Error::input(
                "there is no demonstration to save yet: finish one first",
            ));
        }
        self.dataset.to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steers as a person would who sees the cube: above it, down, close, up.
    fn lift(teaching: &mut Teaching) -> Option<DemoOutcome> {
        let object = teaching.env.sim().body("object").unwrap();
        let mut closed = false;
        for moment in 0..200 {
            let [x, y, z] = teaching.env.sim().pose(object).position;
            closed |= moment > 14;
            let height = if moment < 6 {
                0.1
            } else if moment < 20 {
                z
            } else {
                0.3
            };
            let (_, news) = teaching
                .steer(Steering {
                    target: [x, y, height],
                    closed,
                    steps: 5,
                })
                .unwrap();
            if news.is_some() {
                return news;
            }
        }
        None
    }

    /// A demonstration that a person gives is kept, replays to its success, and survives a file and
    /// back.
    #[test]
    fn a_demonstration_is_kept_replayed_saved_and_loaded() {
        let mut teaching = Teaching::new("lab/lift", 3).unwrap();
        assert!(
            teaching
                .save()
                .unwrap_err()
                .to_string()
                .contains("no demonstration")
        );
        assert_eq!(lift(&mut teaching), Some(DemoOutcome::Kept));
        assert_eq!(teaching.state(None).unwrap().recorded.len(), 1);
        assert!(teaching.replay(0).unwrap().success && teaching.replay(1).is_err());
        let mut other = Teaching::new("lab/lift", 9).unwrap();
        other.load(&teaching.save().unwrap()).unwrap();
        assert_eq!(other.save().unwrap().len(), other.save().unwrap().len());
        assert_eq!(other.dataset.episodes, teaching.dataset.episodes);
        other.forget(0).unwrap();
        assert!(other.forget(0).is_err() && other.load(b"nonsense").is_err());
        assert!(
            Teaching::new("lab/assembly", 0)
                .unwrap()
                .load(&teaching.save().unwrap())
                .is_err(),
            "another task's"
        );
    }

    /// The page asks before it is left only while a demonstration would be lost: one that is in no
    /// file, neither in that of all nor in that of a lesson.
    #[test]
    fn a_demonstration_is_unsaved_until_it_is_in_a_file() {
        let unsaved = |teaching: &Teaching| teaching.state(None).unwrap().unsaved;
        let mut teaching = Teaching::new("lab/lift", 3).unwrap();
        assert_eq!(unsaved(&teaching), 0);
        lift(&mut teaching);
        let file = teaching.save().unwrap();
        assert_eq!(
            unsaved(&teaching),
            1,
            "whether the file is kept is not known yet"
        );
        teaching.all_saved();
        assert_eq!(unsaved(&teaching), 0);
        lift(&mut teaching);
        teaching.lesson().unwrap();
        lift(&mut teaching);
        assert_eq!(unsaved(&teaching), 2);
        teaching.lesson_saved();
        assert_eq!(
            unsaved(&teaching),
            1,
            "the last one was no part of the lesson"
        );
        teaching.load(&file).unwrap();
        assert_eq!(unsaved(&teaching), 1, "what comes from a file is in one");
        teaching.forget(2).unwrap();
        assert_eq!(unsaved(&teaching), 0);
    }

    /// Time that runs out costs nothing but the attempt, which begins again from the same start.
    #[test]
    fn when_time_is_up_the_same_start_comes_again() {
        let mut teaching = Teaching::new("lab/lift", 3).unwrap();
        let start = teaching.still().unwrap();
        let rest = Steering {
            target: [0.0, 0.6, 0.2],
            closed: false,
            steps: 40,
        };
        let news: Vec<_> = (0..4).map(|_| teaching.steer(rest).unwrap().1).collect();
        assert!(news.contains(&Some(DemoOutcome::TimeUp)));
        teaching.begin();
        assert_eq!(teaching.still().unwrap(), start);
        assert!(
            teaching
                .steer(Steering {
                    target: [f64::NAN; 3],
                    ..rest
                })
                .is_err()
        );
    }
}
