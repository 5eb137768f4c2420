//! What a camera cannot see is not drawn. Most of a frame's time goes into the meshes' points,
//! which MuJoCo hands to the renderer wherever they are, and most of a robot is outside the picture
//! that a policy learns from.

use super::super::Plant;
use mujoco_rs::prelude::{MjModel, MjtProjection};

/// A group that MuJoCo does not draw unless asked for.
const HIDDEN: i32 = 5;
/// Bounds are widened by this much, against rounding: a share of them.
const MARGIN: f64 = 1e-3;

/// The view of one of the scene's cameras.
pub struct Cull {
    camera: usize,
    /// Sine and cosine of half the angles of view, to the side and up.
    side: (f64, f64),
    up: (f64, f64),
    /// The groups of the geoms, as the scene has them.
    groups: Vec<i32>,
}

/// Half the height of what a camera sees at a distance of one meter, in meters; none where the
/// camera has optics of its own.
pub fn half_height(model: &MjModel, camera: usize) -> Option<f64> {
    let is_plain = model.cam_projection()[camera] == MjtProjection::mjPROJ_PERSPECTIVE
        && model.cam_sensorsize()[camera] == [0.0; 2];
    is_plain.then(|| (model.cam_fovy()[camera].to_radians() / 2.0).tan())
}

impl Cull {
    /// For pictures of a camera of the scene, `aspect` times as wide as high; none where the camera
    /// has optics of its own.
    pub fn new(model: &MjModel, camera: usize, aspect: f64) -> Option<Self> {
        let height = half_height(model, camera)?;
        Some(Self {
            camera,
            side: (height * aspect).atan().sin_cos(),
            up: height.atan().sin_cos(),
            groups: model.geom_group().to_vec(),
        })
    }

    /// Hides the geoms that the camera cannot see.
    pub fn hide(&self, plant: &mut Plant) {
        let groups: Vec<i32> = (0..self.groups.len())
            .map(|geom| {
                if self.may_see(plant, geom) {
                    self.groups[geom]
                } else {
                    HIDDEN
                }
            })
            .collect();
        plant.model_mut().geom_group_mut().copy_from_slice(&groups);
    }

    /// Shows them again.
    pub fn show_again(&self, plant: &mut Plant) {
        plant
            .model_mut()
            .geom_group_mut()
            .copy_from_slice(&self.groups);
    }

    /// Whether the ball around a geom reaches into the view. What has no end has no ball.
    fn may_see(&self, plant: &Plant, geom: usize) -> bool {
        let radius = plant.model().geom_rbound()[geom] * (1.0 + MARGIN) + MARGIN;
        if plant.model().geom_rbound()[geom] <= 0.0 {
            return true;
        }
        let data = &plant.data;
        let eye = data.cam_xpos()[self.camera];
        let turned = data.cam_xmat()[self.camera];
        let at = data.geom_xpos()[geom];
        // The camera looks along its negative third axis.
        let along = |axis: usize| {
            let component = |i: usize| (at[i] - eye[i]) * turned[3 * i + axis];
            component(0) + component(1) + component(2)
        };
        let depth = -along(2);
        let outside = |(sin, cos): (f64, f64), off: f64| off.abs() * cos - depth * sin > radius;
        depth > -radius && !outside(self.side, along(0)) && !outside(self.up, along(1))
    }
}
