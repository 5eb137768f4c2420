//! How good a run's world model is, where finetuning has made one.

use crate::cli::machine::device;
use crate::cli::plan::{Folder, Plan};
use crate::cli::player::Player;
use crate::episode::{EpisodeObserver, Moment};
use crate::files::metrics::read_metrics;
use crate::report::world::World;
use pollster::block_on;
use protege_core::Result;
use protege_core::data::Episode;

/// Decisions ahead that predictions are compared for.
const AHEAD: usize = 10;

/// What the first evaluation episode of the first seed says; none without a world model.
///
/// # Errors
/// When the policy cannot be read, or the simulator or the device fails.
pub fn of_run(folder: &Folder, plan: &Plan) -> Result<Option<World>> {
    let Some(&seed) = plan.seeds.first() else {
        return Ok(None);
    };
    let player = Player::policy(
        &folder.seed(seed).join("policy.safetensors"),
        None,
        device(&plan.device)?,
    )?;
    let Some((acting, device)) = player.policy_and_device() else {
        return Ok(None);
    };
    let mut notes = Notes::default();
    let played = player.play(0, &mut [&mut notes])?;
    let Some(quality) = block_on(acting.quality(&notes.episode, AHEAD, &device))? else {
        return Ok(None);
    };
    let lines = read_metrics(&folder.seed(seed))?;
    let planner_share = lines
        .iter()
        .rev()
        .find_map(|line| *line.values.get("policy/planner_share")?);
    Ok(Some(World {
        quality,
        success: played.success,
        planner_share,
    }))
}

/// Writes an episode down.
#[derive(Default)]
struct Notes {
    episode: Episode,
    /// What is being done.
    action: Vec<f32>,
}

impl EpisodeObserver for Notes {
    fn on_moment(&mut self, moment: &Moment<'_>) -> Result<()> {
        match (moment.last, moment.decision) {
            (Some(step), _) => self.episode.push(&self.action, step.reward, &step.obs),
            (None, Some(decision)) => {
                self.episode = Episode::start(moment.seed, &decision.obs);
            }
            (None, None) => {}
        }
        self.action = moment.action.map(<[f32]>::to_vec).unwrap_or_default();
        Ok(())
    }
}
