//! From messages to a file of Rerun.

use crate::event::{self, FORMAT, Moment, Pose, Scene};
use crate::shapes::solid;
use re_sdk::blueprint::{
    Blueprint, ContainerLike, Grid, Horizontal, Spatial2DView, Spatial3DView, TextLogView,
    TimeSeriesView, Vertical,
};
use re_sdk::{EntityPath, RecordingStream, RecordingStreamBuilder};
use re_sdk_types::archetypes::{
    EncodedImage, Scalars, SeriesLines, TextLog, Transform3D, ViewCoordinates,
};
use re_sdk_types::datatypes::Quaternion;
use std::io::Read;
use std::path::Path;

/// Where the solids are.
const SCENE: &str = "scene";

/// Writes all messages into a file.
///
/// # Errors
/// When a message is damaged or the disk refuses, in words.
pub fn write(input: &mut impl Read, file: &Path) -> Result<(), String> {
    let cut = || "the recording ended before it began".to_owned();
    let format: String = received(input)?.ok_or_else(cut)?;
    if format != FORMAT {
        return Err(format!(
            "it was told in the format `{format}`, this program knows `{FORMAT}`; build both from \
             one version: `cargo xtask rerun`"
        ));
    }
    let scene: Scene = received(input)?.ok_or_else(cut)?;
    let builder = RecordingStreamBuilder::new("protege")
        .recording_name(&scene.title)
        .enabled(true);
    let stream = builder
        .with_default_blueprint(layout(&scene))
        .save(file)
        .map_err(|e| e.to_string())?;
    let recording = Recording {
        parts: scene
            .parts
            .iter()
            .map(|part| path(&[SCENE, &part.name]))
            .collect(),
        stream,
    };
    recording.begin(&scene)?;
    while let Some(moment) = received::<Moment>(input)? {
        recording.go_on(&moment)?;
    }
    recording.stream.flush_blocking().map_err(|e| e.to_string())
}

fn received<T: serde::de::DeserializeOwned>(input: &mut impl Read) -> Result<Option<T>, String> {
    event::receive(input).map_err(|e| format!("what is to be recorded cannot be read ({e})"))
}

/// A recording that is being written.
struct Recording {
    stream: RecordingStream,
    /// Where the scene's parts are, by their number.
    parts: Vec<EntityPath>,
}

impl Recording {
    fn begin(&self, scene: &Scene) -> Result<(), String> {
        self.once(path(&[SCENE]), &ViewCoordinates::RIGHT_HAND_Z_UP())?;
        for (part, at) in scene.parts.iter().zip(&self.parts) {
            for shape in &part.shapes {
                let at = at.clone() / path(&[&shape.name]);
                self.once(at.clone(), &transform(&shape.pose))?;
                self.once(at, &*solid(shape))?;
            }
        }
        for what in ["position", "velocity"] {
            let names = scene.joints.iter().map(String::as_str);
            self.once(
                path(&["joints", what]),
                &SeriesLines::new().with_names(names),
            )?;
        }
        Ok(())
    }

    fn go_on(&self, moment: &Moment) -> Result<(), String> {
        self.stream.set_time_sequence("step", moment.step);
        self.stream.set_duration_secs("time", moment.time_s);
        self.stream.set_time_sequence("episode", moment.episode);
        for (part, pose) in &moment.poses {
            let unknown = || format!("there is no part {part} in the scene");
            let at = self.parts.get(*part as usize).ok_or_else(unknown)?;
            self.log(at.clone(), &transform(pose))?;
        }
        for (i, what) in ["position", "velocity"].into_iter().enumerate() {
            self.scalars(
                path(&["joints", what]),
                moment.joints.iter().map(|joint| joint[i]),
            )?;
        }
        if let Some(png) = &moment.picture {
            self.log(
                path(&["camera"]),
                &EncodedImage::new(png.clone()).with_media_type("image/png"),
            )?;
        }
        self.scalars(path(&["reward"]), moment.reward.map(f64::from))?;
        self.scalars(
            path(&["success"]),
            moment.success.map(|held| f64::from(u8::from(held))),
        )?;
        self.scalars(
            path(&["action", "chosen"]),
            moment.action.iter().flatten().copied().map(f64::from),
        )?;
        for (ahead, planned) in moment.plan.iter().flatten().enumerate() {
            self.scalars(
                path(&["action", "plan", &format!("{ahead} ahead")]),
                planned.iter().copied().map(f64::from),
            )?;
        }
        match &moment.note {
            Some(note) => self.log(path(&["log"]), &TextLog::new(note.as_str())),
            None => Ok(()),
        }
    }

    /// Numbers; where there are none, nothing.
    fn scalars(
        &self,
        at: EntityPath,
        numbers: impl IntoIterator<Item = f64>,
    ) -> Result<(), String> {
        let numbers: Vec<f64> = numbers.into_iter().collect();
        if numbers.is_empty() {
            Ok(())
        } else {
            self.log(at, &Scalars::new(numbers))
        }
    }

    fn log(&self, at: EntityPath, what: &dyn re_sdk::AsComponents) -> Result<(), String> {
        self.stream.log(at, what).map_err(|e| e.to_string())
    }

    fn once(&self, at: EntityPath, what: &dyn re_sdk::AsComponents) -> Result<(), String> {
        self.stream.log_static(at, what).map_err(|e| e.to_string())
    }
}

fn path(parts: &[&str]) -> EntityPath {
    EntityPath::from_iter(parts.iter().map(|&part| part.into()))
}

fn transform(pose: &Pose) -> Transform3D {
    Transform3D::from_translation_rotation(pose.position, Quaternion(pose.rotation))
}

/// What is shown where, until somebody arranges it otherwise: the scene and the picture above, the
/// figures below.
fn layout(scene: &Scene) -> Blueprint {
    let series = |name: &str, at: &str| -> ContainerLike {
        TimeSeriesView::new(name).with_origin(at).into()
    };
    let seen: [ContainerLike; 2] = [
        Spatial3DView::new(scene.title.as_str())
            .with_origin(SCENE)
            .into(),
        Spatial2DView::new("camera").with_origin("camera").into(),
    ];
    let outcome = TimeSeriesView::new("reward and success").with_contents(["/reward", "/success"]);
    let figures: [ContainerLike; 5] = [
        series("action: chosen and planned", "action"),
        outcome.into(),
        series("joint positions", "joints/position"),
        series("joint velocities", "joints/velocity"),
        TextLogView::new("log").with_origin("log").into(),
    ];
    let rows: [ContainerLike; 2] = [
        Horizontal::new(seen).with_column_shares([2.0, 1.0]).into(),
        Grid::new(figures).into(),
    ];
    Blueprint::new(Vertical::new(rows).with_row_shares([3.0, 2.0]))
}
