//! The picture of the idea: where BC and PostBC put their actions at the same states.

use super::axes::extent;
use super::html::{escape, short};
use super::parts::{both, figure};
use super::plot;
use super::{ActionPlot, ActionPlotState};
use protege_core::run::stats::std;

/// The section; empty without states and spread.
pub fn section(action_plot: &ActionPlot) -> String {
    if action_plot.states.is_empty() && action_plot.spread.is_empty() {
        return String::new();
    }
    let panels = if action_plot.states.is_empty() {
        String::new()
    } else {
        panels(action_plot)
    };
    let spread = if action_plot.spread.len() < 2 {
        String::new()
    } else {
        spread(action_plot)
    };
    format!(
        "<section><h2>Where BC and PostBC put their actions</h2>\n\
         <p class=\"lede\">Both policies learned from the same demonstrations. BC repeats them; \
         PostBC also keeps every action that the demonstrations do not\n\
         rule out, so that reinforcement learning finds something to choose from. {}</p>\n\
         {panels}{spread}</section>",
        escape(&finding(action_plot))
    )
}

/// What the numbers say, in one sentence.
fn finding(action_plot: &ActionPlot) -> String {
    let ratios = action_plot
        .states
        .iter()
        .map(|state| (ratio(state), state.label.as_str()))
        .filter(|r| r.0.is_finite());
    let mut ratios: Vec<(f64, &str)> = ratios.collect();
    ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (Some(least), Some(most)) = (ratios.first(), ratios.last()) else {
        return String::new();
    };
    if ratios.len() == 1 {
        return format!(
            "Here PostBC’s actions spread {:.1} times as wide as BC’s.",
            most.0
        );
    }
    format!(
        "Here its actions spread {:.1} times as wide as BC’s at “{}” and {:.1} times at “{}”.",
        least.0, least.1, most.0, most.1
    )
}

fn panels(action_plot: &ActionPlot) -> String {
    let (center, window) = window(action_plot);
    let one = |state: &ActionPlotState| {
        let bc = short_spread(&state.bc);
        let post_bc = short_spread(&state.post_bc);
        let label = format!(
            "{}: the demonstrator's action is {} = {}, {} = {}; the standard deviation of {} \
             sampled actions is {bc} for BC and of {} sampled actions {post_bc} for PostBC.",
            state.label,
            action_plot.axes[0],
            short(hundredths(state.demo[0].into())),
            action_plot.axes[1],
            short(hundredths(state.demo[1].into())),
            state.bc.len(),
            state.post_bc.len(),
        );
        format!(
            "<figure class=\"panel\"><figcaption><b>{}</b></figcaption>\
             <div class=\"square\">{}</div>\n\
             <p class=\"spread\"><span class=\"key post\">PostBC</span> ±{post_bc} \
             <span class=\"key bc\">BC</span> ±{bc}</p></figure>",
            escape(&state.label),
            plot::actions(state, center, window, &label)
        )
    };
    let panels: String = action_plot.states.iter().map(one).collect();
    format!(
        "<p class=\"legend\"><span class=\"key post\">PostBC</span><span class=\"key bc\">BC</span>\
         <span class=\"key demo\">demonstrator</span></p>\n\
         <div class=\"panels\">{panels}</div>\n\
         <p class=\"note\">One square a state, one dot a sampled action: <i>{}</i> across, \
         <i>{}</i> up. Every square spans {} in both; grey lines mark 0.\n\
         ± is the standard deviation.</p>",
        escape(&action_plot.axes[0]),
        escape(&action_plot.axes[1]),
        short(hundredths(window))
    )
}

fn spread(action_plot: &ActionPlot) -> String {
    let wider = action_plot
        .spread
        .iter()
        .filter(|p| p.post_bc > 1.5 * p.bc)
        .count() as f64
        / action_plot.spread.len() as f64;
    let widest = action_plot
        .spread
        .iter()
        .max_by(|a, b| a.post_bc.total_cmp(&b.post_bc))
        .map_or((0.0, 0.0, 0.0), |p| (p.step, p.post_bc, p.bc));
    let label = format!(
        "Standard deviation of the actions along a demonstration. PostBC is widest at step {}, {} \
         against {} of BC, and more than half as wide again as BC at {:.0}% of the steps.",
        short(widest.0),
        short(hundredths(widest.1)),
        short(hundredths(widest.2)),
        100.0 * wider
    );
    let svg = both(|width| plot::spread(&action_plot.spread, &label, width));
    figure(
        "Spread of the actions along a demonstration",
        "Standard deviation of the sampled actions, mean over their components.",
        &svg,
    )
}

/// How many times as wide PostBC's actions are as BC's.
fn ratio(state: &ActionPlotState) -> f64 {
    spread_of(&state.post_bc) / spread_of(&state.bc)
}

/// The standard deviation of sampled actions, mean over both components.
fn spread_of(actions: &[[f32; 2]]) -> f64 {
    let of = |axis: usize| {
        std(&actions
            .iter()
            .map(|a| f64::from(a[axis]))
            .collect::<Vec<_>>())
    };
    (of(0) + of(1)) / 2.0
}

fn short_spread(actions: &[[f32; 2]]) -> String {
    format!("{:.2}", spread_of(actions))
}

/// The center and the side of the square that holds all actions of all states.
fn window(action_plot: &ActionPlot) -> ([f64; 2], f64) {
    let range = |axis: usize| {
        let of = |state: &'_ ActionPlotState| {
            [&state.bc[..], &state.post_bc[..], &[state.demo]]
                .concat()
                .into_iter()
                .map(move |a| f64::from(a[axis]))
        };
        extent(action_plot.states.iter().flat_map(of))
    };
    let x = range(0);
    let y = range(1);
    let side = (x.end - x.start).max(y.end - y.start).max(0.1) * 1.1;
    ([(x.start + x.end) / 2.0, (y.start + y.end) / 2.0], side)
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
