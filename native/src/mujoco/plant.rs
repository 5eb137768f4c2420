//! A loaded scene and its state: what our own scenes and the upstream suites have in common.

use mujoco_rs::mujoco_c::{mjtDisableBit, mjtState};
use mujoco_rs::prelude::{MjData, MjModel};
use protege_core::{Error, Result, seal};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

/// Everything that MuJoCo's integrator carries from step to step.
const STATE: u32 = mjtState::mjSTATE_INTEGRATION as u32;

/// A model with its data. Each owns its model, since tasks move bodies that no joint moves.
pub struct Plant {
    /// MuJoCo's model and data.
    pub data: MjData<Box<MjModel>>,
    name: String,
    fingerprint: [u8; 32],
}

impl Plant {
    /// Loads a scene from MJCF text that needs no other file.
    ///
    /// # Errors
    /// When MuJoCo does not accept the text.
    pub fn from_text(mjcf: &str) -> Result<Self> {
        super::quiet();
        let model = MjModel::from_xml_string(mjcf).map_err(|e| Error::failed(format!("MuJoCo cannot load the scene: {e}")))?;
        Ok(Self::new(model, "a MuJoCo simulation", mjcf.as_bytes()))
    }

    /// Loads a scene from a file, with the meshes and textures beside it; once per process, after which it is copied.
    ///
    /// # Errors
    /// When the file is missing or MuJoCo does not accept it.
    pub fn from_file(path: &Path) -> Result<Self> {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        // Another machine keeps its scenes elsewhere, and yet has to know the state.
        Ok(Self::new(loaded(path)?, &path.display().to_string(), name.as_bytes()))
    }

    fn new(mut model: MjModel, name: &str, identity: &[u8]) -> Self {
        // A simulation that breaks must be seen to break; MuJoCo would start it over without a word.
        model.opt_mut().disableflags |= mjtDisableBit::mjDSBL_AUTORESET as i32;
        Self { data: MjData::new(Box::new(model)), name: name.to_owned(), fingerprint: seal::digest(identity) }
    }

    /// The model, to look things up.
    pub fn model(&self) -> &MjModel {
        self.data.model()
    }

    /// The model, to move what no joint moves (`body_pos`, `body_quat`, `site_pos`) or to set its options.
    pub fn model_mut(&mut self) -> &mut MjModel {
        // SAFETY: callers change numbers; nothing here changes a size or an address of the model.
        #[allow(unsafe_code)]
        unsafe {
            self.data.model_mut()
        }
    }

    /// What the state is made of: the integrator's numbers, then the places of bodies and sites in their parents.
    pub fn numbers(&self) -> Vec<f64> {
        let model = self.data.model();
        let bodies = model.body_pos().iter().flatten().chain(model.body_quat().iter().flatten());
        let placed = bodies.chain(model.site_pos().iter().flatten());
        self.data.state(STATE).iter().chain(placed).copied().collect()
    }

    /// The whole state, sealed.
    pub fn save(&self) -> Vec<u8> {
        let bytes: Vec<u8> = self.numbers().iter().flat_map(|v| v.to_le_bytes()).collect();
        seal::seal(&self.fingerprint, &bytes)
    }

    /// Restores what [`Plant::save`] wrote for the same scene, bit for bit, and what follows from it (positions, contacts).
    ///
    /// # Errors
    /// When the bytes are damaged or of another scene; nothing has changed then.
    pub fn restore(&mut self, state: &[u8]) -> Result<()> {
        let bytes = seal::open(&self.fingerprint, state, &self.name)?;
        let numbers: Vec<f64> = bytes.as_chunks().0.iter().map(|&chunk| f64::from_le_bytes(chunk)).collect();
        if bytes.len() % 8 != 0 || numbers.len() != self.numbers().len() {
            return Err(seal::damaged(&self.name));
        }
        let (own, placed) = numbers.split_at(self.data.model().state_size(STATE));
        self.data.reset();
        self.place(placed);
        let refused = |e| Error::failed(format!("MuJoCo refuses its own state: {e}"));
        self.data.set_state(own, STATE).map_err(refused)?;
        self.data.forward();
        // Computing what follows has moved the solver's starting point; it belongs to the state.
        self.data.set_state(own, STATE).map_err(refused)
    }

    /// Puts everything where `numbers`, which [`Plant::numbers`] of the same scene gave, say: to be looked at, not to go on from.
    ///
    /// # Errors
    /// When the numbers are of another scene.
    pub fn show(&mut self, numbers: &[f64]) -> Result<()> {
        if numbers.len() != self.numbers().len() {
            return Err(Error::failed(format!("{} has {} numbers, not {}", self.name, self.numbers().len(), numbers.len())));
        }
        let (own, placed) = numbers.split_at(self.data.model().state_size(STATE));
        self.place(placed);
        self.data.set_state(own, STATE).map_err(|e| Error::failed(format!("MuJoCo refuses the state of {}: {e}", self.name)))?;
        self.data.forward();
        Ok(())
    }

    fn place(&mut self, numbers: &[f64]) {
        let model = self.model_mut();
        let (bodies, sites) = (model.body_pos().len(), model.site_pos().len());
        let (positions, rest) = numbers.split_at(3 * bodies);
        let (rotations, rest) = rest.split_at(4 * bodies);
        model.body_pos_mut().as_flattened_mut().copy_from_slice(positions);
        model.body_quat_mut().as_flattened_mut().copy_from_slice(rotations);
        model.site_pos_mut().as_flattened_mut().copy_from_slice(&rest[..3 * sites]);
    }
}

/// The model in a file; every call after the first gets a copy of what is in memory.
fn loaded(path: &Path) -> Result<MjModel> {
    static MODELS: OnceLock<Mutex<HashMap<PathBuf, Arc<MjModel>>>> = OnceLock::new();
    super::quiet();
    let mut models = MODELS.get_or_init(Mutex::default).lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let unreadable = |e: &dyn std::fmt::Display| Error::failed(format!("MuJoCo cannot load {}: {e}", path.display()));
    if !models.contains_key(path) {
        let model = MjModel::from_xml(path).map_err(|e| unreadable(&e))?;
        models.insert(path.to_owned(), Arc::new(model));
    }
    Ok(MjModel::clone(&models[path]))
}
