//! A loaded scene and its state: what our own scenes and the upstream suites have in common.

use super::shared::{Places, SharedModel};
use super::sizes::{Boxes, Rows};
use mujoco_rs::mujoco_c::{mjtDisableBit, mjtState};
use mujoco_rs::prelude::{MjData, MjModel};
use protege_core::{Error, Result, checksummed};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// Everything that MuJoCo's integrator carries from step to step.
const STATE: u32 = mjtState::mjSTATE_INTEGRATION as u32;

/// A model with its data. Plants of one scene share the model, all but the places of bodies and
/// sites: tasks move some that no joint moves. A plant with boxes whose sizes vary has a model of
/// its own.
pub struct Plant {
    /// MuJoCo's model and data.
    pub data: MjData<SharedModel>,
    boxes: Boxes,
    name: String,
    fingerprint: [u8; 32],
}

impl Plant {
    /// Loads a scene from MJCF text that needs no other file.
    ///
    /// # Errors
    /// When MuJoCo does not accept the text.
    pub fn from_text(mjcf: &str) -> Result<Self> {
        Self::from_text_as(mjcf, |_| ())
    }

    /// The same, of a model that `prepare` has changed; for a plant that need not know a saved
    /// state of the unchanged one.
    pub fn from_text_as(mjcf: &str, prepare: impl FnOnce(&mut MjModel)) -> Result<Self> {
        super::library::load()?;
        let model = MjModel::from_xml_string(mjcf)
            .map_err(|e| Error::failed(format!("MuJoCo cannot load the scene: {e}")))?;
        Self::new(
            &prepared(model, prepare),
            &[],
            "a MuJoCo simulation",
            mjcf.as_bytes(),
        )
    }

    /// A plant of a compiled model, of which saved states know `identity`. The boxes called so in
    /// `variable` have sizes that differ from episode to episode, one for each row.
    ///
    /// # Errors
    /// When there is no such box, or its size cannot vary.
    pub fn from_model(model: &Arc<MjModel>, identity: &str, variable: Rows) -> Result<Self> {
        super::library::load()?;
        Self::new(model, variable, identity, identity.as_bytes())
    }

    /// Loads a scene from a file, with the meshes and textures beside it; once per process, after
    /// which it is shared. What `prepare` does to the model, for which it is always the same
    /// function, is done once, too.
    ///
    /// # Errors
    /// When the file is missing or MuJoCo does not accept it.
    pub fn from_file(path: &Path, prepare: fn(&mut MjModel)) -> Result<Self> {
        let mut models = models();
        if !models.contains_key(path) {
            models.insert(path.to_owned(), prepared(load(path)?, prepare));
        }
        Self::of_file(&models[path], path)
    }

    /// Loads a scene from a file for itself alone, of a model that `prepare` has changed.
    pub fn from_file_alone(path: &Path, prepare: impl FnOnce(&mut MjModel)) -> Result<Self> {
        let known = models().get(path).map(|model| MjModel::clone(model));
        Self::of_file(
            &prepared(known.map_or_else(|| load(path), Ok)?, prepare),
            path,
        )
    }

    fn of_file(model: &Arc<MjModel>, path: &Path) -> Result<Self> {
        let name = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy();
        // Another machine keeps its scenes elsewhere, and yet has to know the state.
        Self::new(model, &[], &path.display().to_string(), name.as_bytes())
    }

    fn new(model: &Arc<MjModel>, variable: Rows, name: &str, identity: &[u8]) -> Result<Self> {
        let boxes = Boxes::find(model, variable)?;
        let own = if variable.is_empty() {
            SharedModel::of(model)?
        } else {
            SharedModel::alone(model)
        };
        Ok(Self {
            data: MjData::new(own),
            boxes,
            name: name.to_owned(),
            fingerprint: checksummed::digest(identity),
        })
    }

    /// The model, to look things up.
    pub fn model(&self) -> &MjModel {
        self.data.model()
    }

    /// What no joint moves, to be moved.
    pub fn model_mut(&mut self) -> Places<'_> {
        // SAFETY: `Places` changes numbers, which are this model's own; no size and no address.
        #[allow(
            unsafe_code,
            reason = "the library cannot know which numbers are sizes"
        )]
        Places(unsafe { self.data.model_mut() })
    }

    /// Gives the boxes whose sizes vary these half edges, m, three numbers for each; a new size
    /// resets the data.
    pub fn resize(&mut self, sizes: &[f64]) {
        self.boxes.resize(&mut self.data, sizes);
    }

    /// How many numbers say the sizes of the boxes whose sizes vary.
    pub fn sizes(&self) -> usize {
        self.boxes.numbers()
    }

    /// What the state is made of: the integrator's numbers, then the places of bodies and sites in
    /// their parents, then the half edges of the boxes whose sizes vary.
    pub fn numbers(&self) -> Vec<f64> {
        let model = self.data.model();
        let bodies = model
            .body_pos()
            .iter()
            .flatten()
            .chain(model.body_quat().iter().flatten());
        let placed = bodies.chain(model.site_pos().iter().flatten());
        let state = self.data.state(STATE);
        let numbers = state.iter().chain(placed).copied();
        numbers.chain(self.boxes.sizes(model)).collect()
    }

    /// The whole state, checksummed.
    pub fn save(&self) -> Vec<u8> {
        let bytes: Vec<u8> = self
            .numbers()
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        checksummed::pack(&self.fingerprint, &bytes)
    }

    /// Restores what [`Plant::save`] wrote for the same scene, bit for bit, and what follows from
    /// it (positions, contacts).
    ///
    /// # Errors
    /// When the bytes are damaged or of another scene; nothing has changed then.
    pub fn restore(&mut self, state: &[u8]) -> Result<()> {
        let bytes = checksummed::unpack(&self.fingerprint, state, &self.name)?;
        let numbers: Vec<f64> = bytes
            .as_chunks()
            .0
            .iter()
            .map(|&chunk| f64::from_le_bytes(chunk))
            .collect();
        if bytes.len() % 8 != 0 || numbers.len() != self.numbers().len() {
            return Err(checksummed::damaged(&self.name));
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

    /// Goes back to `numbers`, which [`Plant::numbers`] of this plant gave, as [`Plant::restore`]
    /// does; but what follows from them is for the caller to compute (`data.forward()`), who may
    /// want to move something first.
    pub fn revert(&mut self, numbers: &[f64]) {
        let (own, placed) = numbers.split_at(self.data.model().state_size(STATE));
        self.place(placed);
        self.set_integrator(own);
    }

    /// The integrator's numbers alone.
    pub fn integrator(&self) -> Box<[f64]> {
        self.data.state(STATE)
    }

    /// Goes back to what [`Plant::integrator`] of this plant gave. What follows is for the caller
    /// to compute, as after [`Plant::revert`].
    pub fn set_integrator(&mut self, numbers: &[f64]) {
        self.data.reset();
        // The numbers are this scene's own, so they fit.
        self.data.set_state(numbers, STATE).ok();
    }

    /// The numbers of one kind among [`Plant::numbers`] of this scene: MuJoCo writes the kinds in
    /// the order of their bits.
    pub fn part<'a>(&self, numbers: &'a [f64], kind: mjtState) -> &'a [f64] {
        let bit = kind as u32;
        let from = self.model().state_size(STATE & (bit - 1));
        &numbers[from..from + self.model().state_size(bit)]
    }

    /// Whether places and velocities of all joints are numbers.
    pub fn is_finite(&self) -> bool {
        self.data
            .qpos()
            .iter()
            .chain(self.data.qvel())
            .all(|v| v.is_finite())
    }

    /// Puts everything where `numbers`, which [`Plant::numbers`] of the same scene gave, say: to be
    /// looked at, not to go on from.
    ///
    /// # Errors
    /// When the numbers are of another scene.
    pub fn show(&mut self, numbers: &[f64]) -> Result<()> {
        self.put(numbers)?;
        self.data.forward();
        Ok(())
    }

    /// As [`Plant::show`], for a picture alone: without contacts and forces.
    ///
    /// # Errors
    /// As [`Plant::show`].
    pub fn pose(&mut self, numbers: &[f64]) -> Result<()> {
        self.put(numbers)?;
        self.see();
        Ok(())
    }

    /// Computes what a picture is made of: places of bodies, cameras, lights and tendons.
    pub fn see(&mut self) {
        self.data.kinematics();
        self.data.com_pos();
        self.data.camlight();
        self.data.tendon_comp();
    }

    /// Sets the state, and computes nothing of what follows.
    fn put(&mut self, numbers: &[f64]) -> Result<()> {
        if numbers.len() != self.numbers().len() {
            return Err(Error::failed(format!(
                "{} has {} numbers, not {}",
                self.name,
                self.numbers().len(),
                numbers.len()
            )));
        }
        let (own, placed) = numbers.split_at(self.data.model().state_size(STATE));
        self.place(placed);
        self.data
            .set_state(own, STATE)
            .map_err(|e| Error::failed(format!("MuJoCo refuses the state of {}: {e}", self.name)))
    }

    fn place(&mut self, numbers: &[f64]) {
        let (numbers, sizes) = numbers.split_at(numbers.len() - self.boxes.numbers());
        self.resize(sizes);
        let bodies = self.model().body_pos().len();
        let sites = self.model().site_pos().len();
        let mut model = self.model_mut();
        let (positions, rest) = numbers.split_at(3 * bodies);
        let (rotations, rest) = rest.split_at(4 * bodies);
        model
            .body_pos_mut()
            .as_flattened_mut()
            .copy_from_slice(positions);
        model
            .body_quat_mut()
            .as_flattened_mut()
            .copy_from_slice(rotations);
        model
            .site_pos_mut()
            .as_flattened_mut()
            .copy_from_slice(&rest[..3 * sites]);
    }
}

/// The models of files that were loaded to be shared.
fn models() -> MutexGuard<'static, HashMap<PathBuf, Arc<MjModel>>> {
    static MODELS: OnceLock<Mutex<HashMap<PathBuf, Arc<MjModel>>>> = OnceLock::new();
    MODELS
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The model in a file.
fn load(path: &Path) -> Result<MjModel> {
    super::library::load()?;
    MjModel::from_xml(path).map_err(|e| {
        // MuJoCo's words may be several lines.
        let why = e.to_string();
        let why: Vec<&str> = why.split_whitespace().collect();
        let why = why.join(" ");
        Error::failed(format!(
            "MuJoCo cannot load {}: {why}; `protege doctor --fix` replaces damaged files",
            path.display()
        ))
    })
}

/// A model to be shared, which nobody writes to any more.
fn prepared(mut model: MjModel, prepare: impl FnOnce(&mut MjModel)) -> Arc<MjModel> {
    // A simulation that breaks must be seen to break; MuJoCo would start it over without a word.
    model.opt_mut().disableflags |= mjtDisableBit::mjDSBL_AUTORESET as i32;
    prepare(&mut model);
    Arc::new(model)
}
