//! Films for a run's report: the first evaluation episodes of its first seed, before finetuning and
//! after.

use crate::cli::answer::bug;
use crate::cli::cast::Cast;
use crate::cli::machine::{Stop, device, share_work};
use crate::cli::plan::{Folder, Plan};
use crate::dashboard::Dashboard;
use crate::engines::{has_meshes, renderer};
use crate::film::{Camera, Film, Look, Quality, gif};
use crate::report::films::{Clip, Films, Group, SPEED};
use protege_core::run::FinetuneMethod;
use protege_core::{Error, Result};

/// Episodes of each policy.
const EPISODES: u64 = 3;
/// Frames a second.
const RATE: f64 = 12.0;
/// Frames of a film at most, so that the page stays small.
const FRAMES: f64 = 60.0;
/// Seconds that the end of an episode can be looked at.
const REST_S: f64 = 1.0;

/// Films of a finished run; what keeps them from being made is said in the report, and keeps
/// nothing else from being done.
pub fn of_run(folder: &Folder, plan: &Plan, dashboard: &Dashboard, stop: &Stop) -> Films {
    let (Some(&seed), true) = (plan.seeds.first(), plan.films && !stop.wished()) else {
        return Films::None;
    };
    let mut bar = dashboard.seed(seed);
    bar.phase("films", 1);
    let films = shoot(folder, plan, seed, stop);
    bar.finish(if films.is_ok() { "filmed" } else { "no films" });
    films.map_or_else(
        |why| Films::Missing(format!("There are no films of episodes: {why}.")),
        Films::Shown,
    )
}

/// Both policies at once, each on a thread of its own.
fn shoot(folder: &Folder, plan: &Plan, seed: u64, stop: &Stop) -> Result<Vec<Group>> {
    let after = Cast::policy(
        &folder.seed(seed).join("policy.safetensors"),
        None,
        device(&plan.device)?,
    )?;
    let mut casts = vec![("After pretraining", after.pretrained())];
    if after.config.finetune.method != FinetuneMethod::NONE {
        casts = vec![
            ("Before finetuning", after.pretrained()),
            ("After finetuning", after),
        ];
    }
    let film = |(name, cast): (&str, Cast)| -> Result<Group> {
        let _threads = share_work(1);
        // With shadows, meshes would take longer than the run.
        let quality = if has_meshes(&cast.config.task) {
            Quality::Fast
        } else {
            Quality::Light
        };
        let look = Look {
            width: 240,
            height: 180,
            camera: None,
            quality,
        };
        let mut camera = Camera {
            draw: renderer(&cast.config.task, &look)?,
            look: &look,
            rate: RATE,
            speed: SPEED,
        };
        // A long episode is filmed with fewer frames a second.
        let longest = cast.horizon()? as f64 * camera.draw.control_s() / SPEED;
        camera.rate = RATE.min(FRAMES / longest);
        let clips = (0..EPISODES)
            .take_while(|_| !stop.wished())
            .map(|episode| clip(&cast, episode, &mut camera))
            .collect::<Result<_>>()?;
        Ok(Group {
            name: name.to_owned(),
            clips,
        })
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = casts
            .into_iter()
            .map(|cast| scope.spawn(|| film(cast)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| Err(bug(&*panic))))
            .collect()
    })
}

fn clip(cast: &Cast, episode: u64, camera: &mut Camera<'_>) -> Result<Clip> {
    let (mut film, played) = cast.film(episode, camera)?;
    let last = film
        .frames
        .last()
        .cloned()
        .ok_or_else(|| Error::failed("a film has no frame"))?;
    film.rest(REST_S);
    let still = gif(&Film {
        frames: vec![last],
        ..film.clone()
    })?;
    let start = format!("start {} of seed {}", episode + 1, cast.config.seed);
    Ok(Clip {
        start,
        success: played.success,
        steps: played.steps,
        size: (film.width, film.height),
        gif: gif(&film)?,
        still,
    })
}
