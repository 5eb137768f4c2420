//! A file of robomimic as a dataset of ours.

use super::demo::{self, Rules, Shown};
use super::env_args::{EnvArgs, other_task};
use super::found::Found;
use super::hdf5::{Hdf5, Node, with_deep_stack};
use super::observations::{Budget, Parts};
use super::older;
use super::{lists, marks, names};
use crate::engines::{CATALOG, recordings};
use protege_core::data::{CODE_VERSION, Dataset, Meta};
use protege_core::env::Entry;
use protege_core::error::excerpt;
use protege_core::obs::ObsSpec;
use protege_core::{Error, Result};
use std::path::Path;

/// First bytes of an HDF5 file.
const MAGIC: &[u8] = b"\x89HDF\r\n\x1a\n";
/// How names of HDF5 files end.
const ENDS: [&str; 3] = [".hdf5", ".h5", ".hdf"];

/// What is taken of a file.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// The keys of observations, instead of the usual ones of the task.
    pub keys: Option<Vec<String>>,
    /// Only the demonstrations that this list of the file names.
    pub filter: Option<String>,
    /// Only episodes that succeed.
    pub successful_only: bool,
    /// Episodes end with their first success, and at the task's horizon at the latest.
    pub trim: bool,
    /// So many episodes at most; none: all.
    pub count: Option<usize>,
}

/// What an import gives.
#[derive(Debug)]
pub struct Imported {
    /// The episodes kept.
    pub dataset: Dataset,
    /// Demonstrations in the file, or in the wanted list.
    pub recorded: usize,
    /// Of those that were read, how many succeed.
    pub successful: usize,
    /// Of these, how many had states only, from which what is observed was made.
    pub replayed: usize,
    /// What is to be said of it.
    pub notes: Vec<String>,
}

/// Whether a file is one of HDF5, by its content or else by its name.
pub fn is_hdf5(path: &Path) -> bool {
    let named = path.to_string_lossy().to_lowercase();
    if ENDS.iter().any(|end| named.ends_with(end)) {
        return true;
    }
    let mut head = Vec::new();
    let file = crate::files::open(path);
    let read = file.map(|file| {
        use std::io::Read;
        file.take(MAGIC.len() as u64).read_to_end(&mut head)
    });
    matches!(read, Ok(Ok(_))) && head == MAGIC
}

/// A file of demonstrations that was opened.
pub struct Source {
    file: Hdf5,
    data: Node,
    args: Option<EnvArgs>,
    own: Option<Meta>,
    what: String,
}

impl Source {
    /// Opens a file; `what` names it in sentences.
    ///
    /// # Errors
    /// When it is no HDF5 file, or none of robomimic's form.
    pub fn open(path: &Path, what: &str) -> Result<Self> {
        with_deep_stack(|| Self::read_head(path, what))
    }

    fn read_head(path: &Path, what: &str) -> Result<Self> {
        let file = Hdf5::open(path, what)?;
        let data = file.root().group("data")?;
        let data = data.ok_or_else(|| {
            file.fault("is an HDF5 file, but none of robomimic: it has no group `data`")
        })?;
        let args = EnvArgs::of(&data)?;
        let own = marks::of_data(&data)?;
        Ok(Self {
            file,
            data,
            args,
            own,
            what: what.to_owned(),
        })
    }

    /// The task that it shows.
    ///
    /// # Errors
    /// When it does not say, or shows one that is not in the catalog.
    pub fn task(&self) -> Result<String> {
        let Some(args) = &self.args else {
            return Err(self.file.fault(
                "does not say which task it shows (`data/@env_args` is not there): name the task \
                 with --task",
            ));
        };
        let task = args.task();
        if CATALOG.entry(task).is_err() {
            return Err(self.file.fault(format!(
                "shows {}, which is no task of this program: what is learned is measured by \
                 playing, so demonstrations of other tasks are not kept; `protege tasks` lists \
                 those that it has",
                excerpt(&args.name)
            )));
        }
        Ok(task.to_owned())
    }

    /// Its demonstrations of a task, as episodes.
    ///
    /// # Errors
    /// When it shows another task, or names the first demonstration that is no good, and the part.
    pub fn import(&self, task: &str, wishes: &Wishes) -> Result<Imported> {
        with_deep_stack(|| self.read_all(task, wishes))
    }

    fn read_all(&self, task: &str, wishes: &Wishes) -> Result<Imported> {
        let entry = CATALOG.entry(task)?;
        self.check_task(task)?;
        let controller = self.controller(task)?;
        let mut notes = Vec::new();
        if !controller.is_empty() {
            notes.push(format!(
                "the robot was controlled otherwise than usual, and so it is in runs that learn \
                 from these demonstrations: env.controller is `{controller}` (docs/robosuite.md)"
            ));
        }
        let chosen = lists::chosen(&self.file, &self.data, wishes.filter.as_deref())?;
        let mut shown = self.shown(&chosen[0], &entry, wishes, &controller)?;
        if let Shown::Observations(parts) = &mut shown {
            notes.extend(self.reorder(parts, task));
            notes.extend(self.other_keys(parts, task));
        }
        let (spec, has_states) = match &shown {
            Shown::Observations(parts) => (parts.spec(), false),
            Shown::States(_) => (entry.spec.obs.clone(), true),
        };
        let rules = Rules {
            act: entry.spec.act,
            least_success: self.least_success()?,
            trim: wishes.trim.then_some(entry.spec.horizon),
        };
        let mut budget = Budget::of_this_machine();
        let mut found = Found::default();
        for name in &chosen {
            if wishes.count == Some(found.episodes.len()) {
                break;
            }
            let node = self.demo(name)?;
            let recorded = demo::read(&node, lists::number(name), &mut shown, &rules, &mut budget)?;
            found.add(recorded, wishes.successful_only);
        }
        let recorded = chosen.len();
        if found.episodes.is_empty() {
            return Err(self.file.fault(format!(
                "holds {recorded} demonstrations, none of which succeeds at {task}: leave out \
                 --successful-only"
            )));
        }
        notes.extend(found.notes(&spec, has_states, &self.what));
        if self.args.is_none() {
            notes.push(format!(
                "{} does not say which task it shows (`data/@env_args` is not there)",
                self.what
            ));
        }
        let meta = Meta {
            controller,
            ..self.meta(&entry, spec, wishes, has_states)
        };
        let dataset = Dataset {
            meta,
            episodes: found.episodes,
        };
        dataset.check()?;
        Ok(Imported {
            dataset,
            recorded,
            successful: found.successful,
            replayed: if has_states { found.read } else { 0 },
            notes,
        })
    }

    /// Refuses a file of another task.
    fn check_task(&self, task: &str) -> Result<()> {
        match &self.args {
            Some(args) if args.task() != task => Err(other_task(&self.what, args, task)),
            _ => Ok(()),
        }
    }

    /// How the robot was controlled, in the words of `env.controller`. Another robot, and a
    /// controller that the task's suite does not have, are refused.
    fn controller(&self, task: &str) -> Result<String> {
        let (Some(args), Some(recordings)) = (&self.args, recordings(task)) else {
            let own = self.own.as_ref();
            return Ok(own.map_or(String::new(), |own| own.controller.clone()));
        };
        let found = (recordings.controller)(&args.to_value());
        found.map_err(|error| self.file.fault(format!("cannot be used: {error}")))
    }

    /// The least reward of a success.
    fn least_success(&self) -> Result<f32> {
        let least = self.args.as_ref().map(EnvArgs::least_success);
        let least = least.unwrap_or(Ok(f32::MIN_POSITIVE));
        least.map_err(|what| self.data.fault("@env_args", what))
    }

    fn demo(&self, name: &str) -> Result<Node> {
        let node = self.data.group(name)?;
        node.ok_or_else(|| self.data.fault(name, "is not there"))
    }

    /// What demonstrations show: observations, else states.
    fn shown(
        &self,
        first: &str,
        entry: &Entry,
        wishes: &Wishes,
        controller: &str,
    ) -> Result<Shown> {
        let node = self.demo(first)?;
        if let Some(obs) = node.group("obs")? {
            return self
                .parts(&obs, first, entry, wishes)
                .map(Shown::Observations);
        }
        let missing = |why: &str| node.fault("obs", format!("is not there: {why}"));
        if wishes.keys.is_some() {
            return Err(missing("leave out --obs"));
        }
        if node.array("states")?.is_none() {
            return Err(missing(
                "observations are missing, and `states` are not there either",
            ));
        }
        let known = recordings(&entry.spec.id);
        let known = known.ok_or_else(|| {
            missing("observations are missing, and the task cannot be put into the `states`")
        })?;
        (known.states)(&entry.spec.id, controller).map(Shown::States)
    }

    /// What is taken of every observation: what was asked for, else what the task observes.
    fn parts(&self, obs: &Node, first: &str, entry: &Entry, wishes: &Wishes) -> Result<Parts> {
        let keys = match (&wishes.keys, &self.own) {
            (Some(keys), _) => keys.clone(),
            (None, Some(own)) => own_keys(own),
            (None, None) => {
                let keys = names::keys(&entry.spec.id, entry.spec.obs.state);
                keys.into_iter().map(|key| key.name).collect()
            }
        };
        let parts = Parts::chosen(obs, &keys)?;
        let spec = parts.spec();
        let needed = names::state_len(entry, !spec.cameras.is_empty());
        if spec.state != needed {
            let beside = if spec.cameras.is_empty() {
                ""
            } else {
                " beside pictures"
            };
            return Err(self.file.fault(format!(
                "cannot be used: {} of `data/{first}/obs` have {} numbers together, where {} has \
                 {needed}{beside}; choose keys with --obs",
                excerpt(&keys.join(", ")),
                spec.state,
                entry.spec.id
            )));
        }
        if wishes.keys.is_some() {
            self.check_order(&parts.state_keys(), &entry.spec.id, spec.state)?;
        }
        Ok(parts)
    }

    /// Refuses the keys of the state in another order than the task observes them in: to a policy
    /// they would mean something else.
    fn check_order(&self, keys: &[&str], task: &str, width: usize) -> Result<()> {
        let usual = names::keys(task, width);
        let usual: Vec<&str> = usual.iter().map(|key| key.name.as_str()).collect();
        let sorted = |keys: &[&str]| {
            let mut keys = keys.to_vec();
            keys.sort_unstable();
            keys.join(",")
        };
        if keys == usual || sorted(keys) != sorted(&usual) {
            return Ok(());
        }
        Err(self.file.fault(format!(
            "cannot be used with --obs {}: {task} observes these in the order {}",
            excerpt(&keys.join(",")),
            usual.join(",")
        )))
    }

    /// What a user should know of keys that are not the task's own.
    fn other_keys(&self, parts: &Parts, task: &str) -> Option<String> {
        let usual = names::keys(task, parts.spec().state);
        let usual: Vec<&str> = usual.iter().map(|key| key.name.as_str()).collect();
        let keys = parts.state_keys();
        (self.own.is_none() && keys != usual).then(|| {
            format!(
                "the state is made of {}, where {task} observes {}: a policy that learns from it \
                 sees other numbers in the task",
                excerpt(&keys.join(",")),
                usual.join(",")
            )
        })
    }

    /// Puts what older versions observe of objects into today's order; what is to be said of it.
    fn reorder(&self, parts: &mut Parts, task: &str) -> Option<String> {
        let args = self.args.as_ref()?;
        let places = older::places(task, &args.version)?;
        let version = match args.version.as_str() {
            "" => "1.4 or older (the file says no version)".to_owned(),
            version => excerpt(version),
        };
        parts.reorder_object(places).then(|| {
            format!(
                "the numbers of `object` were put from the order of robosuite {version} into that \
                 of 1.5, which the task observes"
            )
        })
    }

    /// Where the dataset is from.
    fn meta(&self, entry: &Entry, obs: ObsSpec, wishes: &Wishes, has_states: bool) -> Meta {
        let words = self.describe(wishes, has_states);
        if let Some(own) = &self.own {
            let stack = own.obs.cameras.first().map_or(1, |camera| camera.stack);
            let mut obs = obs;
            obs.cameras
                .iter_mut()
                .for_each(|camera| camera.stack = stack);
            let changes = changes(wishes);
            let mut demonstrator = own.demonstrator.clone();
            if !changes.is_empty() {
                demonstrator = format!("{demonstrator}; of these {}", changes.join(", "));
            }
            return Meta {
                task: entry.spec.id.clone(),
                obs,
                demonstrator,
                ..own.clone()
            };
        }
        Meta {
            task: entry.spec.id.clone(),
            engine: CATALOG.usual_engine(&entry.spec.id).to_owned(),
            seed: 0,
            code_version: CODE_VERSION.to_owned(),
            obs,
            act: entry.spec.act,
            action_repeat: 1,
            controller: String::new(),
            demonstrator: words,
        }
    }

    /// The demonstrator's distribution, in words.
    fn describe(&self, wishes: &Wishes, has_states: bool) -> String {
        let from = match &self.args {
            Some(args) => format!("{} ({})", self.what, args.shown()),
            None => self.what.clone(),
        };
        let mut words = vec![
            format!("imported from {from}"),
            "actions clipped to [-1, 1]".to_owned(),
        ];
        if has_states {
            words.push("observations made of its states".to_owned());
        }
        words.extend(changes(wishes));
        words.join(", ")
    }
}

/// What was left out, in words.
fn changes(wishes: &Wishes) -> Vec<String> {
    let mut changes = Vec::new();
    if let Some(filter) = &wishes.filter {
        changes.push(format!("those of the list {}", excerpt(filter)));
    }
    if wishes.successful_only {
        changes.push("successful episodes only".to_owned());
    }
    if wishes.trim {
        changes.push("cut after the first success or at the horizon".to_owned());
    }
    changes
}

/// The keys under which a dataset of ours was exported.
fn own_keys(own: &Meta) -> Vec<String> {
    let state = names::keys(&own.task, own.obs.state).into_iter();
    let cameras = own.obs.cameras.iter();
    let pictures = cameras.map(|camera| names::image_key(&camera.name));
    state.map(|key| key.name).chain(pictures).collect()
}

/// A refusal of wishes that files of robomimic alone can fulfil.
pub fn refuse_for_others(path: &Path, wishes: &Wishes) -> Result<()> {
    let flag = match (&wishes.keys, &wishes.filter) {
        (Some(_), _) => "--obs",
        (None, Some(_)) => "--filter",
        (None, None) => return Ok(()),
    };
    Err(Error::input(format!(
        "{flag} chooses among what an HDF5 file of robomimic holds, and {} is none: leave it out",
        path.display()
    )))
}
