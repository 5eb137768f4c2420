//! Videos for a run's report: the first evaluation episodes of its first seed, before finetuning
//! and after.

use crate::cli::answer::bug;
use crate::cli::machine::{Stop, device, share_work};
use crate::cli::plan::{Folder, Plan};
use crate::cli::player::Player;
use crate::dashboard::Dashboard;
use crate::engines::{has_meshes, renderer};
use crate::report::videos::{Clip, Group, SPEED, Videos};
use crate::video::{Camera, FrameSink, GifWriter, Quality, RenderOptions, still};
use protege_core::Result;
use protege_core::run::FinetuneMethod;

/// Episodes of each policy.
const EPISODES: u64 = 3;
/// Frames a second.
const RATE: f64 = 12.0;
/// Frames of a video at most, so that the page stays small.
const FRAMES: f64 = 60.0;
/// Seconds that the end of an episode can be looked at.
const REST_S: f64 = 1.0;

/// Videos of a finished run; what keeps them from being made is said in the report, and keeps
/// nothing else from being done.
pub fn of_run(folder: &Folder, plan: &Plan, dashboard: &Dashboard, stop: &Stop) -> Videos {
    let (Some(&seed), true) = (plan.seeds.first(), plan.videos && !stop.requested()) else {
        return Videos::None;
    };
    let mut bar = dashboard.seed(seed);
    bar.phase("videos", 1);
    let videos = shoot(folder, plan, seed, stop);
    bar.finish(if videos.is_ok() {
        "recorded"
    } else {
        "no videos"
    });
    videos.map_or_else(
        |why| Videos::Missing(format!("There are no videos of episodes: {why}.")),
        Videos::Shown,
    )
}

/// Both policies at once, each on a thread of its own.
fn shoot(folder: &Folder, plan: &Plan, seed: u64, stop: &Stop) -> Result<Vec<Group>> {
    let after = Player::policy(
        &folder.seed(seed).join("policy.safetensors"),
        None,
        device(&plan.device)?,
    )?;
    let mut players = vec![("After pretraining", after.pretrained())];
    if after.config.finetune.method != FinetuneMethod::NONE {
        players = vec![
            ("Before finetuning", after.pretrained()),
            ("After finetuning", after),
        ];
    }
    let video = |(name, player): (&str, Player)| -> Result<Group> {
        let _threads = share_work(1);
        // With shadows, meshes would take longer than the run.
        let quality = if has_meshes(&player.config.task) {
            Quality::Fast
        } else {
            Quality::Light
        };
        let render_options = RenderOptions {
            width: 240,
            height: 180,
            camera: None,
            quality,
        };
        let mut camera = Camera {
            draw: renderer(&player.config.task, &render_options)?,
            render_options: &render_options,
            rate: RATE,
            speed: SPEED,
        };
        // A long episode is recorded with fewer frames a second.
        let longest = player.horizon()? as f64 * camera.draw.control_s() / SPEED;
        camera.rate = RATE.min(FRAMES / longest);
        let clips = (0..EPISODES)
            .take_while(|_| !stop.requested())
            .map(|episode| clip(&player, episode, &mut camera))
            .collect::<Result<_>>()?;
        Ok(Group {
            name: name.to_owned(),
            clips,
        })
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = players
            .into_iter()
            .map(|player| scope.spawn(|| video(player)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| Err(bug(&*panic))))
            .collect()
    })
}

fn clip(player: &Player, episode: u64, camera: &mut Camera<'_>) -> Result<Clip> {
    let size = (camera.render_options.width, camera.render_options.height);
    let mut sink = ClipSink {
        gif: GifWriter::new(Vec::new(), size)?,
        last: Vec::new(),
    };
    let played = player.video(episode, camera, REST_S, &mut sink)?;
    let start = format!("start {} of seed {}", episode + 1, player.config.seed);
    Ok(Clip {
        start,
        success: played.success,
        steps: played.steps,
        size,
        gif: sink.gif.finish()?,
        still: still(size, &sink.last)?,
    })
}

/// A GIF and its last frame.
struct ClipSink {
    gif: GifWriter<Vec<u8>>,
    last: Vec<u8>,
}

impl FrameSink for ClipSink {
    fn frame(&mut self, pixels: &[u8], seconds: f64) -> Result<()> {
        self.last = pixels.to_vec();
        self.gif.frame(pixels, seconds)
    }
}
