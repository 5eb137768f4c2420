//! Models that share what never changes: meshes, textures and all else that a scene's file says. A
//! model of Meta-World has 20 MB of that, and a few kilobytes that tasks move.

use mujoco_rs::mujoco_c::{mju_free, mju_malloc};
use mujoco_rs::prelude::MjModel;
use protege_core::{Error, Result};
use std::sync::Arc;

/// A model that has places of bodies and sites of its own (`body_pos`, `body_quat`, `site_pos`),
/// groups of geoms (`geom_group`: which are drawn) and options, and shares every other array with
/// the model that it was made of.
pub struct SharedModel {
    /// Dropped first; its destructor frees what is its own.
    own: Box<MjModel>,
    /// Whose arrays `own` points to; none where all are its own.
    _whole: Option<Arc<MjModel>>,
}

impl SharedModel {
    /// A model like `whole`.
    ///
    /// # Errors
    /// When MuJoCo cannot make an empty model.
    pub fn of(whole: &Arc<MjModel>) -> Result<Self> {
        let empty = MjModel::from_xml_string("<mujoco/>");
        let mut own = Box::new(
            empty.map_err(|e| Error::failed(format!("MuJoCo cannot make an empty model: {e}")))?,
        );
        // SAFETY: a model is a plain struct whose arrays lie in `buffer`, which is all that its
        // destructor frees beside the struct (`mj_deleteModel`). The empty model's buffer is freed
        // here and replaced by one with the arrays of its own; all other pointers lead into
        // `whole`, which lives longer and is never written to: MuJoCo takes models as constant, and
        // this program writes through `Places` only.
        #[allow(unsafe_code, reason = "the library has no models that share arrays")]
        unsafe {
            let from = whole.ffi();
            let to = own.ffi_mut();
            mju_free(to.buffer);
            std::ptr::copy_nonoverlapping(from, to, 1);
            let bodies = from.nbody as usize;
            let sites = from.nsite as usize;
            let sizes = [3 * bodies, 4 * bodies, 3 * sites];
            let places = sizes.iter().sum::<usize>() * size_of::<f64>();
            let geoms = from.ngeom as usize;
            to.buffer = mju_malloc(places + geoms * size_of::<i32>());
            let mut next = to.buffer.cast::<f64>();
            for (array, size) in [&mut to.body_pos, &mut to.body_quat, &mut to.site_pos]
                .into_iter()
                .zip(sizes)
            {
                std::ptr::copy_nonoverlapping(*array, next, size);
                *array = next;
                next = next.add(size);
            }
            let groups = next.cast::<i32>();
            std::ptr::copy_nonoverlapping(to.geom_group, groups, geoms);
            to.geom_group = groups;
        }
        Ok(Self {
            own,
            _whole: Some(whole.clone()),
        })
    }

    /// A model like `whole` that shares nothing with it, so that all of it may change.
    pub fn alone(whole: &MjModel) -> Self {
        Self {
            own: Box::new(whole.clone()),
            _whole: None,
        }
    }
}

impl std::ops::Deref for SharedModel {
    type Target = MjModel;

    fn deref(&self) -> &MjModel {
        &self.own
    }
}

impl std::ops::DerefMut for SharedModel {
    fn deref_mut(&mut self) -> &mut MjModel {
        &mut self.own
    }
}

// SAFETY: the box keeps the model in place for as long as this value lives.
#[allow(unsafe_code, reason = "the library asks for this promise")]
unsafe impl mujoco_rs::wrappers::mj_model::traits::ModelType for SharedModel {}
// SAFETY: both ways lead to the same model.
#[allow(unsafe_code, reason = "the library asks for this promise")]
unsafe impl mujoco_rs::wrappers::mj_model::traits::ModelTypeMut for SharedModel {}

/// What may be written to in a shared model.
pub struct Places<'a>(pub(super) &'a mut MjModel);

impl Places<'_> {
    /// Where bodies are in their parents, m.
    pub fn body_pos_mut(&mut self) -> &mut [[f64; 3]] {
        self.0.body_pos_mut()
    }

    /// How bodies are turned in their parents.
    pub fn body_quat_mut(&mut self) -> &mut [[f64; 4]] {
        self.0.body_quat_mut()
    }

    /// Where sites are on their bodies, m.
    pub fn site_pos_mut(&mut self) -> &mut [[f64; 3]] {
        self.0.site_pos_mut()
    }

    /// The groups of geoms; it is for the renderer to say which of them are drawn.
    pub fn geom_group_mut(&mut self) -> &mut [i32] {
        self.0.geom_group_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENE: &str = r#"<mujoco><worldbody>
        <body name="a" pos="1 2 3"><site name="s" pos="0 0 4"/><geom size="0.1"/></body>
        </worldbody></mujoco>"#;

    /// Models of one scene share its arrays, but neither sees what the other moves, and any may be
    /// dropped first.
    #[test]
    fn models_share_all_but_places() {
        crate::mujoco::load_library().unwrap();
        let whole = Arc::new(MjModel::from_xml_string(SCENE).unwrap());
        let mut one = SharedModel::of(&whole).unwrap();
        let two = SharedModel::of(&whole).unwrap();
        assert!(
            std::ptr::eq(one.geom_size(), two.geom_size())
                && !std::ptr::eq(one.body_pos(), two.body_pos())
        );
        let mut places = Places(&mut one);
        places.body_pos_mut()[1] = [7.0; 3];
        places.body_quat_mut()[1] = [0.0, 1.0, 0.0, 0.0];
        places.site_pos_mut()[0] = [8.0; 3];
        places.geom_group_mut()[0] = 4;
        assert_eq!((one.body_pos()[1], one.site_pos()[0]), ([7.0; 3], [8.0; 3]));
        assert_eq!(one.geom_group(), [4]);
        for other in [&*two, &*whole] {
            assert_eq!(
                (other.body_pos()[1], other.site_pos()[0]),
                ([1.0, 2.0, 3.0], [0.0, 0.0, 4.0])
            );
            assert_eq!(other.body_quat()[1], [1.0, 0.0, 0.0, 0.0]);
            assert_eq!(other.geom_group(), [0]);
        }
        drop(whole);
        drop(one);
        assert_eq!(two.geom_size()[0][0], 0.1);
    }
}
