//! Somebody who watches episodes and tells what is seen.

use super::event::{self, FORMAT, Moment as EventMoment, Part, Pose, Scene};
use crate::episode::{Decision, EpisodeObserver, Moment};
use crate::video::{Draw, RenderOptions, png, shot};
use protege_core::env::Subject;
use protege_core::{Error, Result};
use std::io::Write;

/// What there is to see in a task, in solids.
pub trait Scenery {
    /// What moves as one, with its shapes.
    fn parts(&self) -> Vec<Part>;
    /// Names of the joints that turn or slide.
    fn joints(&self) -> Vec<String>;
    /// Where everything is.
    ///
    /// # Errors
    /// When the subject is another scene's.
    fn scene_pose(&mut self, subject: &Subject<'_>) -> Result<ScenePose>;
    /// Seconds that one control step of the task takes.
    fn control_s(&self) -> f64;
}

/// Where everything is at a moment.
pub struct ScenePose {
    /// The place of every part.
    pub poses: Vec<Pose>,
    /// Position (rad or m) and velocity of every joint.
    pub joints: Vec<[f64; 2]>,
}

/// Tells everything that is seen in episodes, one after the other.
pub struct Recorder<W> {
    out: W,
    scenery: Box<dyn Scenery>,
    /// What draws the pictures, and their width and height.
    camera: Option<(Box<dyn Draw>, (usize, usize))>,
    /// Where the parts were last.
    poses: Vec<Option<Pose>>,
    /// Episodes that have begun.
    episodes: i64,
    /// The first control step of the episode, and that of the next one.
    steps: [i64; 2],
    /// Whether the episode has succeeded.
    success: bool,
}

impl<W: Write> Recorder<W> {
    /// Begins with the scene; without `camera` there are no pictures.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn new(
        mut out: W,
        title: &str,
        scenery: Box<dyn Scenery>,
        camera: Option<(Box<dyn Draw>, &RenderOptions)>,
    ) -> Result<Self> {
        let scene = Scene {
            title: title.to_owned(),
            parts: scenery.parts(),
            joints: scenery.joints(),
        };
        event::send(&mut out, &FORMAT)
            .and_then(|()| event::send(&mut out, &scene))
            .map_err(write_error)?;
        let camera = camera
            .map(|(draw, render_options)| (draw, (render_options.width, render_options.height)));
        Ok(Self {
            out,
            scenery,
            camera,
            poses: vec![None; scene.parts.len()],
            episodes: 0,
            steps: [0; 2],
            success: false,
        })
    }

    /// What it was told to.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// The line for the log: where an episode begins or ends.
    fn note(&self, moment: &Moment<'_>) -> Option<String> {
        let episode = self.episodes;
        match (moment.last, moment.action) {
            (None, _) => Some(format!("episode {episode} begins, seed {}", moment.seed)),
            (_, Some(_)) => None,
            (_, None) => {
                let end = if self.success {
                    "success"
                } else {
                    "no success"
                };
                Some(format!(
                    "episode {episode} ends, {end} in {} control steps",
                    moment.steps
                ))
            }
        }
    }

    /// The parts that have moved since.
    fn moved(&mut self, poses: Vec<Pose>) -> Vec<(u32, Pose)> {
        let before = std::mem::replace(&mut self.poses, poses.into_iter().map(Some).collect());
        let now = self.poses.iter().flatten().copied();
        (0..)
            .zip(now)
            .zip(before)
            .filter(|((_, now), before)| Some(*now) != *before)
            .map(|(moved, _)| moved)
            .collect()
    }
}

impl<W: Write> EpisodeObserver for Recorder<W> {
    fn on_moment(&mut self, moment: &Moment<'_>) -> Result<()> {
        if moment.last.is_none() {
            self.episodes += 1;
            self.success = false;
            self.steps[0] = self.steps[1];
        }
        self.success |= moment.last.is_some_and(|step| step.success);
        let subject = moment.env.subject().ok_or_else(|| {
            Error::input(format!(
                "there is nothing to see in {}",
                moment.env.spec().id
            ))
        })?;
        let ScenePose { poses, joints } = self.scenery.scene_pose(&subject)?;
        let picture = match &mut self.camera {
            Some((draw, size)) => Some(png(*size, &shot(moment.env, &mut **draw)?)?),
            None => None,
        };
        let step = self.steps[0] + moment.steps as i64;
        self.steps[1] = step + 1;
        let event_moment = EventMoment {
            step,
            time_s: step as f64 * self.scenery.control_s(),
            episode: self.episodes,
            poses: self.moved(poses),
            joints,
            picture,
            reward: moment.last.map(|step| step.reward),
            success: moment.last.map(|step| step.success),
            action: moment.action.map(<[f32]>::to_vec),
            plan: moment
                .decision
                .map(|decision| ahead(decision, moment.env.spec().act)),
            note: self.note(moment),
        };
        event::send(&mut self.out, &event_moment).map_err(write_error)
    }
}

/// The actions that are meant to follow, one a row.
fn ahead(decision: &Decision, act: usize) -> Vec<Vec<f32>> {
    decision.ahead.chunks(act).map(<[f32]>::to_vec).collect()
}

fn write_error(error: std::io::Error) -> Error {
    Error::failed(format!("the recording cannot go on: {error}"))
}

#[cfg(all(test, feature = "mujoco"))]
mod tests;
