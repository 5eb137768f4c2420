//! The promises of the pages, on made-up runs.

use super::canvas::{GREY, GRID, INK, MUTED, PAPER, SERIES};
use super::*;
use protege_core::finetune::Quality;
use protege_core::rng::Rng;

/// A made-up run: success rises from about a third with the steps, each seed in its own way.
pub fn example(pretrain: &str, finetune: &str, seeds: u64, points: usize, skill: f64) -> Report {
    let curves: Vec<SeedCurve> = (0..seeds)
        .map(|seed| SeedCurve {
            seed,
            points: curve(seed, points, skill),
        })
        .collect();
    let per_seed: Vec<SeedRow> = curves
        .iter()
        .map(|c| row(c.seed, c.points.last().map_or(0.5, |p| p.1)))
        .collect();
    let total = |pick: fn(&SeedRow) -> &Outcome| {
        per_seed
            .iter()
            .map(|r| pick(r).counts())
            .fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
    };
    let before = total(|r| &r.before);
    let after = total(|r| &r.after);
    Report {
        task: "lab/pick-place".into(),
        pretrain: pretrain.into(),
        finetune: finetune.into(),
        preset: "cpu".into(),
        seeds: (0..seeds).collect(),
        demos: 5,
        before: Outcome::new(before.0, before.1),
        after: Outcome::new(after.0, after.1),
        at_end: None,
        env_steps: 120_000 * seeds,
        decisions: 15_000 * seeds,
        wall_s: 284.3,
        curves,
        losses: losses(seeds),
        action_plot: Some(action_plot()),
        videos: videos::Videos::None,
        world: None,
        improvement: None,
        per_seed,
        config_toml: "task = \"lab/pick-place\"\npreset = \"cpu\"\n\n\
             [pretrain.post_bc]\nensemble = 100\nalpha = 1.0\nlearning_rate = 1e-4\n"
            .into(),
        command: format!(
            "protege run --task lab/pick-place --pretrain {pretrain} --finetune {finetune} --demos \
             5 --seeds {seeds} --preset cpu --out runs/x"
        ),
        version: "protege 0.1.0, burn 0.22.1, rapier 0.36.1".into(),
        notes: Vec::new(),
    }
}

fn curve(seed: u64, points: usize, skill: f64) -> Curve {
    let mut rng = Rng::new(seed, "example", points as u64);
    let rate = rng.range(3.0, 6.0);
    let last = points.max(2) - 1;
    let height = |t: f64, noise: f64| {
        (0.34 + (skill - 0.34) * (1.0 - (-rate * t).exp()) + 0.05 * noise).clamp(0.0, 1.0)
    };
    (0..points)
        .map(|i| i as f64 / last as f64)
        .map(|t| {
            (
                120_000.0 * t,
                (height(t, rng.normal()) * 50.0).round() / 50.0,
            )
        })
        .collect()
}

fn row(seed: u64, success: f64) -> SeedRow {
    let mut rng = Rng::new(seed, "episodes", 0);
    let outcomes: Vec<bool> = (0..50).map(|_| rng.uniform() < success).collect();
    let after = Outcome::new(outcomes.iter().filter(|&&o| o).count(), 50);
    let before = Outcome::new((0..50).filter(|_| rng.uniform() < 0.36).count(), 50);
    SeedRow {
        seed,
        demos: 5,
        before,
        after,
        at_end: None,
        env_steps: 120_000,
        wall_s: 71.0 + seed as f64,
        outcomes,
    }
}

fn losses(seeds: u64) -> Vec<Series> {
    let one = |name: &str, seed: u64, scale: f64, floor: f64| {
        let mut rng = Rng::new(seed, name, 0);
        let value = |i: usize, noise: f64| {
            floor
                + scale * (-(i as f64) / 250.0).exp() * (1.0 + 0.1 * noise)
                + scale * 0.004 * noise.abs()
        };
        Series {
            name: name.into(),
            seed,
            points: (0..2000)
                .map(|i| (i as f64, value(i, rng.normal())))
                .collect(),
        }
    };
    let names = [
        ("loss/pretrain", 1.0, 0.02),
        ("loss/ensemble", 0.6, 0.05),
        ("loss/critic", 4.0, 0.3),
        ("loss/actor", 2.0, -1.5),
    ];
    names
        .iter()
        .flat_map(|&(name, scale, floor)| (0..seeds).map(move |seed| one(name, seed, scale, floor)))
        .collect()
}

fn action_plot() -> ActionPlot {
    let labels = [
        "over the object",
        "closing on it",
        "lifting",
        "on the way to the goal",
        "between two demonstrations",
        "far from every demonstration",
    ];
    let mut rng = Rng::new(0, "portrait", 0);
    let mut state = |(i, label): (usize, &&str)| {
        let narrow = 0.035 + 0.006 * i as f64;
        let wide = 0.04 + 0.055 * i as f64;
        let demo = [rng.range(-0.6, 0.6), rng.range(-0.5, 0.5)];
        let mut cloud = |width: f64| {
            (0..200)
                .map(|_| [0, 1].map(|a| (demo[a] + width * rng.normal()).clamp(-1.0, 1.0) as f32))
                .collect()
        };
        ActionPlotState {
            label: label.to_string(),
            bc: cloud(narrow),
            post_bc: cloud(wide),
            demo: demo.map(|v| v as f32),
        }
    };
    let states = labels.iter().enumerate().map(&mut state).collect();
    let gap = |i: f64, center: f64, width: f64| (-((i - center) / width).powi(2)).exp();
    let spread = (0..100).map(f64::from).map(|i| SpreadPoint {
        step: i,
        bc: 0.04 + 0.01 * gap(i, 30.0, 20.0),
        post_bc: 0.05 + 0.2 * gap(i, 34.0, 11.0) + 0.12 * gap(i, 78.0, 8.0),
    });
    ActionPlot {
        axes: ["dx".into(), "dy".into()],
        states,
        spread: spread.collect(),
    }
}

/// Rates at the last step are on the page where they were measured, and nowhere else.
#[test]
fn success_at_the_last_step_is_told_where_it_was_measured() {
    let at_end = AtEnd {
        before: Outcome::new(10, 50),
        after: Outcome::new(40, 50),
    };
    let page = render(&Report {
        at_end: Some(at_end),
        ..example("post-bc", "dsrl", 1, 3, 0.9)
    });
    assert!(
        page.contains(
            "success at the last step: 20% (11–33%) before finetuning, 80% (67–89%) after."
        )
    );
    assert!(!render(&example("post-bc", "dsrl", 1, 3, 0.9)).contains("last step"));
}

/// Runs of every shape: one seed and four, no point to many, with and without an action plot,
/// nothing finetuned.
fn shapes() -> Vec<Report> {
    let bare = Report {
        action_plot: None,
        curves: vec![],
        losses: vec![],
        per_seed: vec![],
        ..example("bc", "none", 1, 0, 0.4)
    };
    let empty = Report {
        action_plot: Some(ActionPlot {
            axes: Default::default(),
            states: vec![],
            spread: vec![],
        }),
        ..example("bc", "none", 1, 1, 0.4)
    };
    vec![
        example("post-bc", "dsrl", 4, 10, 0.93),
        example("post-bc", "best-of-n", 1, 2, 0.7),
        bare,
        empty,
    ]
}

fn pages() -> Vec<String> {
    let mut pages: Vec<String> = shapes().iter().map(render).collect();
    pages.extend([compare::render(&shapes()), compare::render(&[])]);
    pages.extend(
        [(vec![1, 10, 1000], 6), (vec![1], 2), (vec![5000], 2)]
            .map(|(demos, states)| theory::render(&theory::tests::example(demos, states))),
    );
    pages
}

/// A world model's predictions stand beside what happened, and a page without one says nothing of
/// it.
#[test]
fn a_world_model_is_shown_beside_what_happened() {
    let quality = Quality {
        rewards: [vec![0.0, 0.1, 0.9], vec![0.0, 0.0, 1.0]],
        values: [vec![0.7, 0.8, 0.9], vec![0.9, 0.95, 1.0]],
        consistency: vec![0.001, 0.002],
    };
    let world = world::World {
        quality,
        success: true,
        planner_share: Some(0.75),
    };
    let page = render(&Report {
        world: Some(world),
        ..example("post-bc", "td-mpc", 1, 3, 0.9)
    });
    assert!(
        page.contains("<h2>World model</h2>")
            && page.contains("ended in a success")
            && page.contains("75%")
    );
    assert!(page.contains("predicted ends at 0.9, real ends at 1"));
    assert!(!render(&example("post-bc", "dsrl", 1, 3, 0.9)).contains("World model"));
}

/// Where a small policy began stands beside the pretrained one, with the largest drop; a reward
/// that does not vary is called what it is, and a page without either says nothing of it.
#[test]
fn an_improvement_tells_its_drop_and_a_constant_reward() {
    let series = |name: &str, last: f64| Series {
        name: name.into(),
        seed: 3,
        points: vec![(0.0, 1.0), (1000.0, last)],
    };
    let improvement = |spread: f64| improvement::Improvement {
        starts: vec![improvement::Start {
            seed: 3,
            base: 0.45,
            start: 0.5,
            lowest: 0.38,
        }],
        monitors: vec![series("reward/std", spread), series("policy/kl", 2.0)],
    };
    let page = |spread: f64| {
        render(&Report {
            improvement: Some(improvement(spread)),
            ..example("bc", "csil", 1, 3, 0.9)
        })
    };
    let varied = page(0.5);
    assert!(
        varied.contains("<h2>Improvement</h2>")
            && varied.contains("<td>45%</td><td>50%</td><td>38%</td><td>−7</td>")
    );
    assert!(
        varied.contains("policy/kl against steps")
            && varied.contains("deviation of 0.5")
            && !varied.contains("constant")
    );
    assert!(page(1e-6).contains("all but constant"));
    assert!(!render(&example("bc", "dsrl", 1, 3, 0.9)).contains("Improvement"));
}

/// A page is whole without a network: it names no address and loads nothing.
#[test]
fn a_page_loads_nothing() {
    for page in pages() {
        for loader in [
            "http://", "https://", "src=", "href=", "url(", "@import", "<link", "<iframe",
        ] {
            assert!(!page.contains(loader), "found {loader}");
        }
    }
}

/// Whoever cannot see a plot is told its numbers, and no page holds a value that is no number.
#[test]
fn every_plot_speaks() {
    for page in pages() {
        for plot in page.split("<svg").skip(1) {
            let label = plot
                .split("aria-label=\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next())
                .unwrap();
            assert!(
                plot.starts_with(" role=\"img\"") && label.chars().any(|c| c.is_ascii_digit()),
                "{label}"
            );
            assert!(plot.contains("</svg>"));
        }
        let text = page.split("<script").next().unwrap();
        assert!(!text.contains("NaN") && !text.contains(">inf"));
    }
}

/// Names and configuration from outside never become markup, wherever they stand.
#[test]
fn names_from_outside_are_escaped() {
    let evil = || "</script><script>alert('{body}\" &')</script>".to_string();
    let mut report = example("post-bc", "dsrl", 2, 3, 0.9);
    report.task = evil();
    report.pretrain = evil();
    report.finetune = evil();
    report.preset = evil();
    report.config_toml = evil();
    report.command = evil();
    report.version = evil();
    report.notes = vec![evil()];
    report.losses[0].name = evil();
    let action_plot = report.action_plot.as_mut().unwrap();
    action_plot.states[0].label = evil();
    action_plot.axes = [evil(), evil()];
    for page in [
        render(&report),
        compare::render(&[report.clone(), report.clone()]),
    ] {
        assert_eq!(
            (
                page.matches("<script").count(),
                page.matches("</script").count()
            ),
            (1, 1)
        );
        assert!(
            !page.split("<script").next().unwrap().contains("alert('"),
            "a quote came through"
        );
    }
}

/// Programs can read a page's data back.
#[test]
fn the_numbers_can_be_read_back() {
    let report = example("post-bc", "dsrl", 2, 5, 0.9);
    let page = render(&report);
    let data = page
        .split("id=\"report-data\">")
        .nth(1)
        .and_then(|rest| rest.split("</script>").next())
        .unwrap();
    let read: Report = serde_json::from_str(data).unwrap();
    assert_eq!(
        (&read.per_seed[1].outcomes, &read.config_toml),
        (&report.per_seed[1].outcomes, &report.config_toml)
    );
    assert_eq!(
        (read.after.counts(), read.losses.len()),
        (report.after.counts(), report.losses.len())
    );
    assert!((read.curves[1].points[3].1 - report.curves[1].points[3].1).abs() < 1e-12);
}

/// Every color of a plot is one that the style sheet turns dark in the dark.
#[test]
fn every_color_has_its_theme_variable() {
    for colour in [INK, MUTED, GRID, PAPER, GREY].iter().chain(&SERIES) {
        let hex = format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2);
        for property in ["fill", "stroke"] {
            assert!(
                include_str!("style.css")
                    .contains(&format!("[{property}=\"{hex}\"] {{ {property}: var(--")),
                "{property} {hex}"
            );
        }
    }
}

/// A page says in words whether finetuning helped, and does not sell chance as progress.
#[test]
fn the_verdict_follows_the_interval() {
    let run = |before, after| Report {
        before: Outcome::new(before, 100),
        after: Outcome::new(after, 100),
        ..example("post-bc", "dsrl", 1, 2, 0.9)
    };
    assert!(render(&run(30, 90)).contains("raised success by 60 points"));
    assert!(render(&run(90, 30)).contains("lowered success by 60 points"));
    assert!(render(&run(50, 55)).contains("which may be chance"));
}

/// Two runs of the same methods are told apart on a page that compares them.
#[test]
fn compared_runs_have_distinct_names() {
    let run = example("post-bc", "dsrl", 1, 2, 0.9);
    let page = compare::render(&[
        run.clone(),
        Report {
            demos: 10,
            ..run.clone()
        },
        run,
    ]);
    for name in [
        "PostBC → DSRL, 5 demos (1)",
        "PostBC → DSRL, 10 demos",
        "PostBC → DSRL, 5 demos (3)",
    ] {
        assert!(page.contains(name), "{name}");
    }
}
