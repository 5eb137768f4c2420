//! A task's scene as solids in their places, for recordings. Nothing is drawn, so that no EGL is
//! needed.

use super::Stage;
use crate::rerun::event::{Form, Part, Pose, Shape};
use crate::rerun::{ScenePose, Scenery};
use mujoco_rs::mujoco_c::_mjtObjBase as Kind;
use mujoco_rs::mujoco_c::mjtJoint;
use mujoco_rs::prelude::{MjModel, MjtGeomBase};
use mujoco_rs::wrappers::fun::utility::mju_mat_2_quat;
use protege_core::Result;
use protege_core::env::Subject;

/// Groups of geoms and sites that MuJoCo shows unless asked otherwise: 0, 1 and 2.
const SHOWN: i32 = 3;
/// The side of a plane without end, and how thick planes are shown, m.
const PLANE: [f32; 2] = [4.0, 0.001];
/// MuJoCo's color for what has none; a material's color takes its place.
const GRAY: [f32; 4] = [0.5, 0.5, 0.5, 1.0];

/// The solids of a stage.
pub struct Solids {
    stage: Stage,
    /// Which bodies and which sites are its parts, in this order.
    bodies: Vec<usize>,
    sites: Vec<usize>,
    /// The joints that turn or slide.
    joints: Vec<usize>,
}

impl Solids {
    /// Those of the task `id`.
    pub fn of(id: &str) -> Result<Self> {
        let stage = Stage::of(id, |_| ())?;
        let model = stage.plant.model();
        let bodies = (0..model.body_parentid().len())
            .filter(|&body| geoms(model, body).next().is_some())
            .collect();
        let shown =
            |&site: &usize| model.site_group()[site] < SHOWN && model.site_rgba()[site][3] > 0.0;
        let sites = (0..model.site_group().len()).filter(shown).collect();
        let single = |&joint: &usize| {
            matches!(
                model.jnt_type()[joint],
                mjtJoint::mjJNT_HINGE | mjtJoint::mjJNT_SLIDE
            )
        };
        let joints = (0..model.jnt_type().len()).filter(single).collect();
        Ok(Self {
            bodies,
            sites,
            joints,
            stage,
        })
    }
}

impl Scenery for Solids {
    fn parts(&self) -> Vec<Part> {
        let model = self.stage.plant.model();
        let body = |&body: &usize| Part {
            name: name(model, Kind::mjOBJ_BODY, body),
            shapes: geoms(model, body)
                .filter_map(|geom| solid(model, geom))
                .collect(),
        };
        let mark = |&site: &usize| Part {
            name: format!("{} (site)", name(model, Kind::mjOBJ_SITE, site)),
            shapes: mark(model, site).into_iter().collect(),
        };
        self.bodies
            .iter()
            .map(body)
            .chain(self.sites.iter().map(mark))
            .collect()
    }

    fn joints(&self) -> Vec<String> {
        self.joints
            .iter()
            .map(|&joint| name(self.stage.plant.model(), Kind::mjOBJ_JOINT, joint))
            .collect()
    }

    fn scene_pose(&mut self, subject: &Subject<'_>) -> Result<ScenePose> {
        self.stage.pose(subject)?;
        let data = &self.stage.plant.data;
        let model = self.stage.plant.model();
        let body = |&body: &usize| pose(data.xpos()[body], data.xquat()[body]);
        let site = |&site: &usize| {
            let mut rotation = [0.0; 4];
            mju_mat_2_quat(&mut rotation, &data.site_xmat()[site]);
            pose(data.site_xpos()[site], rotation)
        };
        let joint = |&joint: &usize| {
            [
                data.qpos()[model.jnt_qposadr()[joint] as usize],
                data.qvel()[model.jnt_dofadr()[joint] as usize],
            ]
        };
        Ok(ScenePose {
            poses: self
                .bodies
                .iter()
                .map(body)
                .chain(self.sites.iter().map(site))
                .collect(),
            joints: self.joints.iter().map(joint).collect(),
        })
    }

    fn control_s(&self) -> f64 {
        self.stage.control_s
    }
}

/// The geoms of a body that are shown.
fn geoms(model: &MjModel, body: usize) -> impl Iterator<Item = usize> {
    let of_body = move |&geom: &usize| model.geom_bodyid()[geom] as usize == body;
    let shown =
        move |&geom: &usize| model.geom_group()[geom] < SHOWN && colour(model, geom)[3] > 0.0;
    (0..model.geom_group().len()).filter(of_body).filter(shown)
}

/// What a geom looks like, where it has a form.
fn solid(model: &MjModel, geom: usize) -> Option<Shape> {
    let form = form(
        model,
        model.geom_type()[geom],
        model.geom_size()[geom],
        model.geom_dataid()[geom],
    )?;
    let pose = pose(model.geom_pos()[geom], model.geom_quat()[geom]);
    Some(Shape {
        name: name(model, Kind::mjOBJ_GEOM, geom),
        pose,
        colour: colour(model, geom).map(byte),
        form,
    })
}

/// What a site looks like, where it has a form. Its place is its part's.
fn mark(model: &MjModel, site: usize) -> Option<Shape> {
    let form = form(model, model.site_type()[site], model.site_size()[site], -1)?;
    let origin = pose([0.0; 3], [1.0, 0.0, 0.0, 0.0]);
    Some(Shape {
        name: "mark".to_owned(),
        pose: origin,
        colour: model.site_rgba()[site].map(byte),
        form,
    })
}

/// A form; none where it has no body (height fields and the like). A plane is a thin box.
fn form(model: &MjModel, kind: MjtGeomBase, size: [f64; 3], mesh: i32) -> Option<Form> {
    let [x, y, z] = size.map(|length| length as f32);
    let side = |half: f32| if half > 0.0 { half } else { PLANE[0] / 2.0 };
    Some(match kind {
        MjtGeomBase::mjGEOM_PLANE => Form::Box([side(x), side(y), PLANE[1] / 2.0]),
        MjtGeomBase::mjGEOM_SPHERE => Form::Ellipsoid([x; 3]),
        MjtGeomBase::mjGEOM_ELLIPSOID => Form::Ellipsoid([x, y, z]),
        MjtGeomBase::mjGEOM_CAPSULE => Form::Capsule {
            radius: x,
            length: 2.0 * y,
        },
        MjtGeomBase::mjGEOM_CYLINDER => Form::Cylinder {
            radius: x,
            length: 2.0 * y,
        },
        MjtGeomBase::mjGEOM_BOX => Form::Box([x, y, z]),
        MjtGeomBase::mjGEOM_MESH => triangles(model, usize::try_from(mesh).ok()?),
        _ => return None,
    })
}

fn triangles(model: &MjModel, mesh: usize) -> Form {
    let part = |from: i32, count: i32| from as usize..(from + count) as usize;
    let vertices = &model.mesh_vert()[part(model.mesh_vertadr()[mesh], model.mesh_vertnum()[mesh])];
    let faces = &model.mesh_face()[part(model.mesh_faceadr()[mesh], model.mesh_facenum()[mesh])];
    Form::Mesh {
        vertices: vertices.to_vec(),
        triangles: faces
            .iter()
            .map(|face| face.map(|corner| corner as u32))
            .collect(),
    }
}

fn colour(model: &MjModel, geom: usize) -> [f32; 4] {
    let own = model.geom_rgba()[geom];
    match usize::try_from(model.geom_matid()[geom]) {
        Ok(material) if own == GRAY => model.mat_rgba()[material],
        _ => own,
    }
}

fn byte(part: f32) -> u8 {
    (part.clamp(0.0, 1.0) * 255.0).round() as u8
}

/// From MuJoCo's order of a quaternion, w first.
fn pose(position: [f64; 3], [w, x, y, z]: [f64; 4]) -> Pose {
    Pose {
        position: position.map(|v| v as f32),
        rotation: [x, y, z, w].map(|v| v as f32),
    }
}

/// The name of something, or its kind and number.
fn name(model: &MjModel, kind: Kind, at: usize) -> String {
    let kinds = match kind {
        Kind::mjOBJ_BODY => "body",
        Kind::mjOBJ_JOINT => "joint",
        Kind::mjOBJ_SITE => "site",
        _ => "geom",
    };
    let own = model.id_to_name(kind, at).filter(|name| !name.is_empty());
    own.map_or_else(|| format!("{kinds} {at}"), str::to_owned)
}
