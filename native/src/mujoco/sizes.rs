//! Boxes whose sizes differ from episode to episode: what MuJoCo's compiler makes of a size, made
//! anew in a compiled model (user/user_objects.cc, user/user_model.cc, engine/engine_setconst.c).

use super::shared::SharedModel;
use mujoco_rs::mujoco_c::_mjtObjBase as Kind;
use mujoco_rs::mujoco_c::mj_setConst;
use mujoco_rs::prelude::{MjData, MjModel, MjtGeomBase};
use protege_core::{Error, Result};

/// Names of geoms; those of a row have one size.
pub type Rows = &'static [&'static [&'static str]];

/// MuJoCo's density of what has none of its own, kg/m3.
const DENSITY: f64 = 1000.0;

/// Half edges, m.
pub type Half = [f64; 3];

/// The boxes of a model whose sizes are part of its state.
pub struct Boxes(Vec<Vec<usize>>);

impl Boxes {
    /// Finds them. Of a row, the geoms that the model lacks are passed over.
    ///
    /// # Errors
    /// When a row has no geom in the model, or one whose size cannot be made anew.
    pub fn find(model: &MjModel, rows: Rows) -> Result<Self> {
        let mut found = Vec::new();
        for row in rows {
            let geoms = row
                .iter()
                .filter_map(|name| model.name_to_id(Kind::mjOBJ_GEOM, name));
            let geoms: Vec<usize> = geoms.collect();
            if geoms.is_empty() || !geoms.iter().all(|&geom| is_plain(model, geom)) {
                let names = row.join(", ");
                return Err(Error::failed(format!(
                    "the scene has no box {names} whose size can be drawn: it is of another version"
                )));
            }
            found.push(geoms);
        }
        Ok(Self(found))
    }

    /// How many numbers say the sizes.
    pub fn numbers(&self) -> usize {
        3 * self.0.len()
    }

    /// The sizes, a row after the other.
    pub fn sizes(&self, model: &MjModel) -> impl Iterator<Item = f64> {
        self.0.iter().flat_map(|geoms| model.geom_size()[geoms[0]])
    }

    /// Gives the boxes of a model that shares nothing these sizes. The data are reset, unless the
    /// boxes have the sizes already.
    pub fn resize(&self, data: &mut MjData<SharedModel>, sizes: &[f64]) {
        let same = self.sizes(data.model()).zip(sizes);
        if same.into_iter().all(|(has, to)| has == *to) {
            return;
        }
        // SAFETY: numbers are changed, no size and no address.
        #[allow(
            unsafe_code,
            reason = "the library cannot know which numbers are sizes"
        )]
        let model = unsafe { data.model_mut() };
        for (geoms, half) in self.0.iter().zip(sizes.as_chunks().0) {
            geoms.iter().for_each(|&geom| set(model, geom, *half));
        }
        derive(data);
    }
}

/// Whether nothing but a geom's size decides about its body's inertia and bounding volume: a box in
/// the middle of its body, the only one there that has mass or collides.
fn is_plain(model: &MjModel, geom: usize) -> bool {
    let body = model.geom_bodyid()[geom] as usize;
    let [x, y, z] = model.geom_size()[geom];
    let centered = model.geom_pos()[geom] == [0.0; 3] && model.body_ipos()[body] == [0.0; 3];
    let unturned = [1.0, 0.0, 0.0, 0.0];
    let straight = model.geom_quat()[geom] == unturned && model.body_iquat()[body] == unturned;
    model.geom_type()[geom] == MjtGeomBase::mjGEOM_BOX
        && centered
        && straight
        && model.body_bvhnum()[body] == 1
        && model.body_mass()[body] == DENSITY * (x * y * z * 8.0)
}

/// What a box's size says of it and its body.
fn set(model: &mut MjModel, geom: usize, half: Half) {
    let [x, y, z] = half;
    model.geom_size_mut()[geom] = half;
    model.geom_rbound_mut()[geom] = (x * x + y * y + z * z).sqrt();
    let bounds = [0.0, 0.0, 0.0, x, y, z];
    model.geom_aabb_mut()[geom] = bounds;
    let body = model.geom_bodyid()[geom] as usize;
    let volume = model.body_bvhadr()[body] as usize;
    model.bvh_aabb_mut()[volume] = bounds;
    let mass = DENSITY * (x * y * z * 8.0);
    let moment = |a: f64, b: f64| mass * (a * a + b * b) / 3.0;
    model.body_mass_mut()[body] = mass;
    model.body_inertia_mut()[body] = [moment(y, z), moment(x, z), moment(x, y)];
}

/// What follows from masses and inertias. `mj_setConst` leaves the mean inertia alone, by which the
/// solver scales its tolerance. The other statistics are for drawing, and stay as they are.
fn derive(data: &mut MjData<SharedModel>) {
    // SAFETY: the model shares nothing, so that all of it may be written to, and the data are its
    // own.
    #[allow(unsafe_code, reason = "the library has no wrapper of this function")]
    unsafe {
        let model = std::ptr::from_mut(data.model_mut().ffi_mut());
        mj_setConst(model, data.ffi_mut());
    }
    data.reset();
    data.step1();
    let model = data.model();
    let rows = model.m_rowadr().iter().zip(model.m_rownnz());
    let last = rows.map(|(from, count)| (from + count - 1) as usize);
    let sum: f64 = last.map(|at| data.m()[at]).sum();
    let mean = sum / model.nv() as f64;
    // SAFETY: a number is changed.
    #[allow(unsafe_code, reason = "as above")]
    unsafe {
        data.model_mut().stat_mut().meaninertia = mean;
    }
    data.reset();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mujoco::Plant;
    use std::sync::Arc;

    const ROWS: Rows = &[&["box", "absent"]];

    fn compiled(size: &str) -> MjModel {
        crate::mujoco::load_library().unwrap();
        let scene = r#"<mujoco><compiler inertiagrouprange="0 0"/><worldbody>
            <geom type="plane" size="1 1 1"/>
            <body><joint axis="0 1 0"/><geom name="arm" type="capsule" size="0.1 0.3"/></body>
            <body pos="0 0 1"><freejoint/><geom name="box" type="box" size="SIZE"/>
            <geom name="shown" type="box" size="0.5 0.5 0.5" contype="0" conaffinity="0" mass="0"
            group="1"/></body>
            </worldbody></mujoco>"#;
        MjModel::from_xml_string(&scene.replace("SIZE", size)).unwrap()
    }

    /// Everything that a model's arrays hold.
    fn bytes(model: &MjModel) -> &[u8] {
        let model = model.ffi();
        // SAFETY: the buffer has this size.
        #[allow(unsafe_code, reason = "the library has no view of all arrays together")]
        unsafe {
            std::slice::from_raw_parts(model.buffer.cast(), model.nbuffer as usize)
        }
    }

    /// A resized model is the compiler's of that size, in every bit that the physics reads.
    #[test]
    fn a_resized_model_is_the_compilers() {
        let mut plant = Plant::from_model(&Arc::new(compiled("0.2 0.2 0.2")), "x", ROWS).unwrap();
        plant.resize(&[0.1, 0.237, 0.3]);
        let theirs = compiled("0.1 0.237 0.3");
        let ours = plant.model();
        assert_eq!(ours.stat().meaninertia, theirs.stat().meaninertia);
        assert!(bytes(ours) == bytes(&theirs), "arrays differ");
    }

    /// Sizes are part of a saved state, and no other plant has them.
    #[test]
    fn sizes_are_part_of_the_state() {
        let whole = Arc::new(compiled("0.2 0.2 0.2"));
        let make = || Plant::from_model(&whole, "x", ROWS).unwrap();
        let mut plant = make();
        plant.resize(&[0.1, 0.237, 0.3]);
        (0..200).for_each(|_| plant.data.step());
        let mut other = make();
        other.restore(&plant.save()).unwrap();
        for plant in [&mut plant, &mut other] {
            (0..50).for_each(|_| plant.data.step());
        }
        assert_eq!(plant.numbers(), other.numbers());
        assert!(plant.numbers().ends_with(&[0.1, 0.237, 0.3]));
        let mut shown = make();
        shown.show(&plant.numbers()).unwrap();
        assert_eq!(shown.model().geom_size(), plant.model().geom_size());
        let fixed = Plant::from_model(&whole, "x", &[]).unwrap();
        assert_eq!(fixed.numbers().len() + 3, plant.numbers().len());
    }

    /// A box that is not there, or whose body has more mass than the box, is refused by name.
    #[test]
    fn boxes_that_cannot_be_resized_are_refused() {
        let whole = Arc::new(compiled("0.2 0.2 0.2"));
        let cases: [(Rows, &str); 2] = [(&[&["nix"]], "nix"), (&[&["arm"]], "arm")];
        for (rows, name) in cases {
            let error = Plant::from_model(&whole, "x", rows).err().unwrap();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
