//! A scene while it is composed.

use super::part::{Part, SEEN, named};
use super::{Detail, damaged};
use mujoco_rs::mujoco_c::mjtDisableBit;
use mujoco_rs::prelude::{Attach, MjModel, MjSpec};
use mujoco_rs::wrappers::mj_editing::MjsBody;
use mujoco_rs::wrappers::mj_model::{MjtTexture, MjtTextureRoleBase};
use protege_core::Result;
use std::path::{Path, PathBuf};

/// What MuJoCo may use for contacts and for its solver, bytes. The package's `base.xml` asks for
/// 5000 contacts in words of old (`njmax`), for which MuJoCo would reserve 1.3 GB per simulation;
/// these tasks have fewer than three hundred. Results do not depend on it.
const ARENA: i64 = 64 << 20;

/// A group of geoms or sites that is not drawn unless asked for.
const HIDDEN: i32 = 3;

/// A scene while it is composed.
pub struct Composition {
    assets: PathBuf,
    spec: MjSpec,
}

/// A texture on a surface: a picture on all six sides of a cube (`CustomMaterial` in
/// `robosuite/utils/mjcf_utils.py`, with the numbers that the tasks give it).
pub struct Material {
    /// Its name in the scene.
    pub name: &'static str,
    /// The picture's file, in `textures/`.
    pub picture: &'static str,
    /// How often the picture is repeated along either edge.
    pub repeat: f32,
}

impl Composition {
    /// An empty scene, with upstream's options.
    pub fn new(assets: &Path) -> Result<Self> {
        let file = assets.join("base.xml");
        let mut spec = MjSpec::from_xml(&file).map_err(|e| damaged(&file, e))?;
        spec.set_memory(ARENA);
        Ok(Self {
            assets: assets.to_owned(),
            spec,
        })
    }

    /// A part from its file in the package.
    pub fn read(&self, file: &str) -> Result<Part> {
        Part::read(self.assets.join(file))
    }

    /// Everything that the part has, on the body `to`; names get the prefix.
    pub fn attach(&mut self, to: &str, part: &mut Part, prefix: &str) -> Result<()> {
        let file = part.file.clone();
        let body = self.spec.body_mut(to);
        let body = body.ok_or_else(|| damaged(&file, format!("there is no body `{to}`")))?;
        body.attach_by_deep_copy(&mut part.spec, prefix, "")
            .map_err(|e| damaged(&file, e))
    }

    /// One body of the part in the world, without what lies around it; names get the prefix.
    pub fn attach_body(&mut self, part: &mut Part, body: &str, prefix: &str) -> Result<()> {
        let file = part.file.clone();
        let frame = self.spec.world_body_mut().add_frame();
        frame
            .attach_by_deep_copy(part.body(body)?, prefix, "")
            .map_err(|e| damaged(&file, e))
    }

    /// A new body in the world.
    pub fn body(&mut self, name: &str) -> Result<&mut MjsBody> {
        named(self.spec.world_body_mut().add_body(), name)
    }

    /// A surface for geoms of the scene itself.
    pub fn material(&mut self, material: &Material) -> Result<()> {
        let picture = self.assets.join("textures").join(material.picture);
        let texture = format!("{}_texture", material.name);
        named(self.spec.add_texture(), &texture)?
            .with_type(MjtTexture::mjTEXTURE_CUBE)
            .with_file(&picture.to_string_lossy());
        let surface = named(self.spec.add_material(), material.name)?;
        surface.set_texture(MjtTextureRoleBase::mjTEXROLE_RGB, &texture);
        surface
            .with_texrepeat([material.repeat; 2])
            .with_specular(0.4)
            .with_shininess(0.1);
        Ok(())
    }

    /// The model.
    pub fn compile(mut self, detail: Detail) -> Result<MjModel> {
        let scene = self.assets;
        if detail == Detail::Physics {
            self.spec.discard_visual().map_err(|e| damaged(&scene, e))?;
        }
        let model = self.spec.compile();
        let mut model = model.map_err(|e| damaged(&scene, e))?;
        hide_solids(&mut model);
        // A simulation that breaks must be seen to break; MuJoCo would start it over without a
        // word.
        model.opt_mut().disableflags |= mjtDisableBit::mjDSBL_AUTORESET as i32;
        Ok(model)
    }
}

/// Puts geoms that are not to be seen, and sites, into a group that is not drawn: upstream draws
/// without geoms of group 0, and hides all sites at a reset. Marks for its viewer are in group 2.
fn hide_solids(model: &mut MjModel) {
    for group in model.geom_group_mut() {
        if *group != SEEN {
            *group = HIDDEN;
        }
    }
    model.site_group_mut().fill(HIDDEN);
}
