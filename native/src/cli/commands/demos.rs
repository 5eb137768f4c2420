//! `protege demos`: demonstrations into a file, from a scripted expert, from an expert network or
//! from recordings of others.

use crate::cli::answer::{self, Answer, Output};
use crate::cli::machine::device;
use crate::cli::session::seed::watch;
use crate::cli::settings::Settings;
use crate::dashboard::Dashboard;
use crate::engines::{self, CATALOG, inputs};
use crate::expert::{ExpertEnv, Network};
use crate::files::check_writable;
use crate::robomimic::{self, Source, Wishes, is_hdf5, refuse_for_others};
use crate::terminal;
use protege_core::data::Dataset;
use protege_core::error::excerpt;
use protege_core::run::{Config, Demonstrations, Purpose, Run};
use protege_core::{Error, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  protege demos --task lab/assembly --demos 20 --out assembly.safetensors
  protege demos --demos 50 --set demos.noise=0.2 --out noisy.safetensors
  protege demos --task adroit/door --expert expert_door-v0.safetensors    a network demonstrates
  protege demos --task adroit/door --from door-v0_demos.safetensors --successful-only --trim
  protege demos --from low_dim_v15.hdf5 --filter 20_percent --trim                 of robomimic
  protege run --demos-file noisy.safetensors                              learn from them";

/// Arguments of `demos`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// A network to demonstrate instead of the scripted expert: a safetensors file in the layout of
    /// DAPG's policies
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    expert: Option<PathBuf>,
    /// Demonstrations that others have recorded, instead of recording any: an HDF5 file of
    /// robomimic, which says of which task they are, or arrays in safetensors (tasks adroit/*)
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The keys of robomimic's observations, in this order: numbers become the state, pictures
    /// those of cameras [default: those that the task observes]
    #[arg(long, value_name = "KEYS", value_delimiter = ',', requires = "from")]
    obs: Vec<String>,
    /// Of robomimic's demonstrations, those that this list of the file names: `mask/NAME`
    #[arg(long, value_name = "NAME", requires = "from")]
    filter: Option<String>,
    /// Of recorded demonstrations, keep those that succeed
    #[arg(long, requires = "from")]
    successful_only: bool,
    /// Cut recorded demonstrations after their first success, and at the task's horizon: what
    /// learners expect
    #[arg(long, requires = "from")]
    trim: bool,
    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "demos.safetensors")]
    out: PathBuf,
}

/// Demonstrations, and what else is to be said about them.
struct Collected {
    dataset: Dataset,
    json: Value,
    text: String,
}

/// Records or imports, and writes.
///
/// # Errors
/// When a setting or a file is wrong, the expert fails or the file cannot be written.
pub fn answer(args: &Args, output: Output) -> Result<Answer> {
    let recorded = recorded(args)?;
    let mut settings = args.settings.before_finetuning();
    if let Some(source) = &recorded
        && !settings.gives("task")?
    {
        settings.task = Some(source.task()?);
    }
    let config = settings.resolve(None)?;
    if let Some(note) = settings.check(&config, purpose(args))? {
        terminal::note(&format!("note: {note}"));
    }
    check_writable(&args.out)?;
    let Collected {
        dataset,
        json: mut also,
        text: remark,
    } = match (&args.expert, &args.from, &recorded) {
        (Some(path), ..) => guided(&config, path, output)?,
        (None, _, Some(source)) => of_robomimic(&config, source, args)?,
        (None, Some(path), None) => imported(&config, path, args)?,
        (None, None, None) => scripted(&config, output)?,
    };
    dataset.check()?;
    crate::files::write_pieces(&args.out, |file| dataset.write(file))?;
    let episodes = dataset.episodes.len();
    let steps = dataset.episodes.iter().map(|e| e.len()).sum::<usize>();
    let mut json = json!({
        "task": config.task,
        "seed": config.seed,
        "episodes": episodes,
        "steps": steps,
        "demos_file": answer::path(&args.out),
    });
    if let (Some(json), Some(also)) = (json.as_object_mut(), also.as_object_mut()) {
        json.append(also);
    }
    let text = format!(
        "{episodes} demonstrations of {}, {steps} steps: {}\n{remark}",
        config.task,
        terminal::path(&args.out)
    );
    Ok(Answer { json, text })
}

fn purpose(args: &Args) -> Purpose {
    if args.from.is_some() {
        return Purpose::Import;
    }
    Purpose::Record {
        scripted: args.expert.is_none(),
    }
}

/// From the task's scripted expert.
fn scripted(config: &Config, output: Output) -> Result<Collected> {
    let mut run = Run::new(config.clone(), inputs(), device("cpu")?)?;
    let mut bar = Dashboard::new(!output.quiet);
    watch(&mut run, &mut bar, |run, _| run.demos().is_some())?;
    bar.finish("demonstrations recorded");
    let dataset = run
        .demos()
        .cloned()
        .ok_or_else(|| Error::failed("the run ended without demonstrations"))?;
    Ok(Collected {
        dataset,
        json: json!({}),
        text: String::new(),
    })
}

/// From an expert network.
fn guided(config: &Config, path: &Path, output: Output) -> Result<Collected> {
    let (dataset, attempts) = of_expert(config, path, output, &|| false)?;
    let text = format!(
        "the expert succeeded in {} of {attempts} attempts\n",
        dataset.episodes.len()
    );
    Ok(Collected {
        dataset,
        json: json!({ "attempts": attempts }),
        text,
    })
}

/// Demonstrations of an expert network, and the attempts that they took.
///
/// # Errors
/// When the network cannot be read or does not fit the task, the simulator fails, or `stopped`.
pub fn of_expert(
    config: &Config,
    path: &Path,
    output: Output,
    stopped: &dyn Fn() -> bool,
) -> Result<(Dataset, u64)> {
    config.check(&CATALOG)?;
    let bytes = crate::files::read(path)?;
    let env = engines::make(&config.task, &config.engine)?;
    let network = Network::from_bytes(&bytes, &path.display().to_string(), env.spec())?;
    let words = format!(
        "expert network {}, action noise {}, successful episodes only",
        name(path),
        config.demos.noise
    );
    let env = Box::new(ExpertEnv::new(env, network));
    let mut demos = Demonstrations::with_env(config, env, words, &CATALOG)?;
    let mut bar = Dashboard::new(!output.quiet);
    bar.phase("demos", config.demos.count as u64);
    while demos.dataset().episodes.len() < config.demos.count {
        if stopped() {
            bar.finish("stopped");
            return Err(Error::Stopped("stopped while recording".to_owned()));
        }
        demos.step()?;
        bar.advance(demos.dataset().episodes.len() as u64, "");
    }
    bar.finish("demonstrations recorded");
    Ok((demos.dataset().clone(), demos.attempts()))
}

/// A file's name without its folder, which says nothing to others.
fn name(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// The file of robomimic that is named, if it is one.
fn recorded(args: &Args) -> Result<Option<Source>> {
    let Some(path) = &args.from else {
        return Ok(None);
    };
    if !is_hdf5(path) {
        refuse_for_others(path, &wishes(args, None))?;
        return Ok(None);
    }
    Source::open(path, &name(path)).map(Some)
}

fn wishes(args: &Args, count: Option<usize>) -> Wishes {
    Wishes {
        keys: (!args.obs.is_empty()).then(|| args.obs.clone()),
        filter: args.filter.clone(),
        successful_only: args.successful_only,
        trim: args.trim,
        count,
    }
}

/// From a file of robomimic.
fn of_robomimic(config: &Config, source: &Source, args: &Args) -> Result<Collected> {
    // Without a wish for a number all are wanted.
    let asked = args.settings.gives("demos.count")?;
    let count = asked.then_some(config.demos.count);
    let imported = source.import(&config.task, &wishes(args, count))?;
    let robomimic::Imported {
        mut dataset,
        recorded,
        successful,
        replayed,
        notes,
    } = imported;
    let held = dataset.meta.action_repeat;
    if config.env.action_repeat != held {
        return Err(Error::input(format!(
            "the recorded actions were held for {held} control steps: leave env.action_repeat at \
             {held} for --from"
        )));
    }
    for note in &notes {
        terminal::note(&format!("note: {note}"));
    }
    if let Some(count) = count {
        dataset = dataset.take(count)?;
    }
    let json = json!({
        "recorded": recorded,
        "successful": successful,
        "replayed": replayed,
        "notes": notes,
    });
    let read = dataset.episodes.len();
    let place = match &args.filter {
        Some(list) => format!("its list {}", excerpt(list)),
        None => "the file".to_owned(),
    };
    let text = format!("{recorded} in {place}, of which {read} were taken\n");
    Ok(Collected {
        dataset,
        json,
        text,
    })
}

/// From recordings of others.
#[cfg(feature = "mujoco")]
fn imported(config: &Config, path: &Path, args: &Args) -> Result<Collected> {
    use crate::mujoco::suite::{Choice, Imported};
    use crate::mujoco::suites;
    let Some(import) = suites::of(&config.task)?.import() else {
        let able = suites::ALL.iter().filter(|suite| suite.import().is_some());
        let tasks: Vec<String> = able
            .flat_map(|suite| suite.tasks())
            .map(|task| task.spec.id)
            .collect();
        return Err(Error::input(format!(
            "{} is no HDF5 file, as robomimic's are, and --from imports others of {} only, not of \
             {}: name one of these with --task, or an HDF5 file",
            terminal::path(path),
            tasks.join(", "),
            config.task
        )));
    };
    if config.env.action_repeat != 1 {
        return Err(Error::input(
            "recordings have one action per control step: leave env.action_repeat at 1 for --from",
        ));
    }
    let choice = Choice {
        successful_only: args.successful_only,
        trim: args.trim,
    };
    let imported = import(
        &crate::files::read(path)?,
        &name(path),
        &config.task,
        choice,
    )?;
    let Imported {
        dataset,
        recorded,
        successful,
        replayed,
    } = imported;
    // Without a wish for a number all are wanted.
    let dataset = if args.settings.gives("demos.count")? {
        dataset.take(config.demos.count)?
    } else {
        dataset
    };
    let json = json!({ "recorded": recorded, "successful": successful, "replayed": replayed });
    let text = format!(
        "{recorded} in {}: {successful} succeed, {replayed} were played again from their starts\n",
        terminal::path(path)
    );
    Ok(Collected {
        dataset,
        json,
        text,
    })
}

/// From recordings of others, which need MuJoCo.
#[cfg(not(feature = "mujoco"))]
fn imported(_: &Config, _: &Path, _: &Args) -> Result<Collected> {
    Err(Error::input(
        "--from plays recordings on MuJoCo: this program was built without it; build it with \
         `--features mujoco`",
    ))
}
