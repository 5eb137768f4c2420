//! Meshes as coarse as the pictures that policies learn from. Upstream's Panda has 135,000
//! triangles, more than ten for each pixel of such a picture, and to hand them to the renderer is
//! nearly all of a frame's time. Quadric simplification (Garland and Heckbert 1997, in the form of
//! meshoptimizer) leaves out what lies within a fraction of a pixel.

use super::cull::half_height;
use meshoptimizer_rs::{
    Attributes, Positions, SimplifyOptions, SimplifySettings, Workspace, simplify_scale,
    simplify_with_attributes,
};
use mujoco_rs::prelude::{MjData, MjModel, MjtGeomBase, MjtJoint};
use std::collections::HashMap;

/// How far a surface may be off, in pixels.
const OFF: f64 = 0.3;
/// How far the tip of a normal may be off, whose length is 1: it decides how light a surface is.
const TURNED: f64 = 0.12;
/// The radius up to which what is round stays so, as a share of the picture's height.
const ROUND: f64 = 0.1;
/// MuJoCo's sides of a cylinder.
const MOST_SIDES: i32 = 28;
/// Squares along each edge of a box: lights are computed at their corners. MuJoCo has four.
const SQUARES: i32 = 2;
/// What has joints comes nearer to the camera than it is while they are at rest: at most to this
/// share of the distance.
const NEARER: f64 = 0.5;

/// A triangle's corner: the numbers of its vertex, its normal and its texture's coordinates, within
/// the mesh.
type Corner = [i32; 3];

/// Makes what is round or a box of as few triangles as pictures of `height` pixels need. A polygon
/// of n sides is off by r (1 - cos(pi / n)), which is nearly r (pi / n)^2 / 2.
pub fn shape(model: &mut MjModel, height: usize) {
    let radius = ROUND * height as f64;
    let sides = (std::f64::consts::PI * (radius / (2.0 * OFF)).sqrt()).ceil();
    let quality = &mut model.vis_mut().quality;
    quality.numslices = (sides as i32).clamp(4, MOST_SIDES);
    quality.numstacks = (quality.numslices + 1) / 2;
    quality.numquads = SQUARES;
}

/// Leaves out the triangles that pictures of the scene's camera `camera`, `height` pixels high, are
/// too coarse to show.
pub fn reduce(model: &mut MjModel, camera: usize, height: usize) {
    let Some(half) = half_height(model, camera) else {
        return;
    };
    let pixel = 2.0 * half / height as f64;
    let distances = distances(model, camera);
    for (mesh, distance) in distances.into_iter().enumerate() {
        let corners = corners(model, mesh);
        if let Some(kept) = simplified(model, mesh, &corners, OFF * pixel * distance) {
            replace(model, mesh, &kept);
        }
    }
}

/// How near each mesh comes to the camera, m: zero where that is not known, without end where the
/// mesh is not in the scene.
fn distances(model: &MjModel, camera: usize) -> Vec<f64> {
    let mut data = MjData::new(model);
    data.forward();
    let eye = data.cam_xpos()[camera];
    let mut distances = vec![f64::INFINITY; model.mesh_facenum().len()];
    for geom in 0..model.geom_type().len() {
        if model.geom_type()[geom] != MjtGeomBase::mjGEOM_MESH {
            continue;
        }
        let mesh = model.geom_dataid()[geom] as usize;
        let turned = data.geom_xmat()[geom];
        let at = data.geom_xpos()[geom];
        let nearest = vertices(model, mesh).iter().map(|vertex| {
            let off = [0, 1, 2].map(|axis| {
                let row: &[f64] = &turned[3 * axis..3 * axis + 3];
                let along = row.iter().zip(vertex).map(|(r, v)| r * f64::from(*v));
                at[axis] + along.sum::<f64>() - eye[axis]
            });
            off[0].hypot(off[1]).hypot(off[2])
        });
        let nearest = nearest.fold(f64::INFINITY, f64::min);
        let body = model.geom_bodyid()[geom] as usize;
        distances[mesh] = distances[mesh].min(nearest * share(model, camera, body));
    }
    distances
}

/// To which share of its distance at rest a body may come near the camera.
fn share(model: &MjModel, camera: usize, body: usize) -> f64 {
    let holder = model.cam_bodyid()[camera] as usize;
    let held = model.body_weldid()[holder];
    let root = model.body_rootid()[body];
    let joint = model.body_jntadr()[root as usize];
    let is_loose = joint >= 0 && model.jnt_type()[joint as usize] == MjtJoint::mjJNT_FREE;
    // A camera on a robot is brought near anything else.
    let is_approached = held != 0 && root != model.body_rootid()[holder];
    if model.body_weldid()[body] == held {
        1.0
    } else if is_loose || is_approached {
        0.0
    } else {
        NEARER
    }
}

fn vertices(model: &MjModel, mesh: usize) -> &[[f32; 3]] {
    let first = model.mesh_vertadr()[mesh] as usize;
    &model.mesh_vert()[first..first + model.mesh_vertnum()[mesh] as usize]
}

/// The corners of a mesh's triangles.
fn corners(model: &MjModel, mesh: usize) -> Vec<Corner> {
    let first = model.mesh_faceadr()[mesh] as usize;
    let faces = first..first + model.mesh_facenum()[mesh] as usize;
    let corner = |face: usize, i: usize| {
        [
            model.mesh_face()[face][i],
            model.mesh_facenormal()[face][i],
            model.mesh_facetexcoord()[face][i],
        ]
    };
    faces
        .flat_map(|face| (0..3).map(move |i| corner(face, i)))
        .collect()
}

/// The corners of a mesh with fewer triangles, whose surface is at most `off` meters away; none
/// where there is nothing to leave out.
fn simplified(model: &MjModel, mesh: usize, corners: &[Corner], off: f64) -> Option<Vec<Corner>> {
    if !off.is_normal() {
        return None;
    }
    let mut numbers = HashMap::new();
    let mut distinct = Vec::new();
    let indices = corners.iter().map(|corner| {
        *numbers.entry(corner).or_insert_with(|| {
            distinct.push(*corner);
            distinct.len() as u32 - 1
        })
    });
    let indices: Vec<u32> = indices.collect();
    let vertices = vertices(model, mesh);
    let positions: Vec<[f32; 3]> = distinct
        .iter()
        .map(|corner| vertices[corner[0] as usize])
        .collect();
    let positions = Positions::from_packed(&positions);
    let first = model.mesh_normaladr()[mesh] as usize;
    let normals: Vec<f32> = distinct
        .iter()
        .flat_map(|corner| model.mesh_normal()[first + corner[1] as usize])
        .collect();
    let normals = Attributes::from_interleaved(&normals, distinct.len(), 3, 3, 0).ok()?;
    // Lengths are shares of the mesh's extent within: a normal may be off as far as a place.
    let weight = (off / TURNED) as f32 / simplify_scale(positions).ok()?;
    let settings = SimplifySettings {
        target_index_count: 0,
        target_error: off as f32,
        // A seam between two normals or two parts of a texture is no edge of the surface.
        options: SimplifyOptions::ERROR_ABSOLUTE | SimplifyOptions::PERMISSIVE,
    };
    let mut workspace = Workspace::default();
    let weights = [weight; 3];
    let coarse = simplify_with_attributes(
        &indices,
        positions,
        normals,
        &weights,
        None,
        settings,
        &mut workspace,
    );
    // What cannot be simplified is drawn as it is.
    let kept = coarse.ok()?.indices;
    let is_less = !kept.is_empty() && kept.len() < indices.len();
    is_less.then(|| kept.iter().map(|&i| distinct[i as usize]).collect())
}

/// Gives a mesh these triangles.
#[allow(
    unsafe_code,
    reason = "the library cannot know that the numbers are in range"
)]
fn replace(model: &mut MjModel, mesh: usize, corners: &[Corner]) {
    let first = model.mesh_faceadr()[mesh] as usize;
    let triangles = corners.as_chunks::<3>().0;
    assert!(triangles.len() <= model.mesh_facenum()[mesh] as usize);
    for (i, triangle) in triangles.iter().enumerate() {
        // SAFETY: the numbers are those of corners that the mesh had, and there are no more.
        unsafe {
            model.mesh_face_mut()[first + i] = triangle.map(|corner| corner[0]);
            model.mesh_facenormal_mut()[first + i] = triangle.map(|corner| corner[1]);
            model.mesh_facetexcoord_mut()[first + i] = triangle.map(|corner| corner[2]);
        }
    }
    // SAFETY: as above.
    unsafe { model.mesh_facenum_mut()[mesh] = triangles.len() as i32 };
}
