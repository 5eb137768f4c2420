//! The page of the tabular theory: what each estimator keeps of the demonstrator's actions, and
//! what that costs.

use super::canvas::{GREY, SERIES, Size};
use super::html::{count, escape, json, plural, short};
use super::loglog::{Frame, Look, Track, plot};
use super::page;
use super::parts::{both, figure, shell, table};
use protege_core::theory::{
    Matched, Method, Row, StudyConfig, coverage_bound, theorem_alpha, theorem_lambda,
};
use serde::{Deserialize, Serialize};

/// Colors, as places in [`SERIES`]: those that the methods have on the other pages.
const POST_BC: usize = 0;
const BC: usize = 1;
const NOISE: usize = 2;

/// How many numbers of demonstrations have a panel of their own.
const PANELS: usize = 3;

/// All that the page shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Theory {
    /// What was studied.
    pub config: StudyConfig,
    /// One row for every number of demonstrations, method and alpha.
    pub rows: Vec<Row>,
    /// Uniform noise at PostBC's cost.
    pub matched: Vec<Matched>,
    /// The command line that repeats the study.
    pub command: String,
    /// The program's version.
    pub version: String,
}

impl Theory {
    /// The rows of a method with the theorem's alpha, one for every number of demonstrations.
    fn theorem(&self, method: Method) -> Vec<&Row> {
        self.rows
            .iter()
            .filter(|row| row.arm.theorem && row.arm.method == method)
            .collect()
    }

    /// The rows of a method at one number of demonstrations, every alpha, ascending.
    fn sweep(&self, method: Method, demos: usize) -> Vec<&Row> {
        self.rows
            .iter()
            .filter(|row| !row.arm.theorem && row.arm.method == method && row.demos == demos)
            .collect()
    }

    /// Uniform noise at PostBC's cost for a number of demonstrations.
    fn matched(&self, demos: usize) -> Option<&Matched> {
        self.matched.iter().find(|found| found.demos == demos)
    }
}

/// The page.
pub fn render(theory: &Theory) -> String {
    let body = [
        head(theory),
        plane(theory),
        growth(theory),
        sweeps(theory),
        figures(theory),
        meaning(),
        reproduce(theory),
    ]
    .concat();
    page("Coverage and suboptimality", &body, &json(theory))
}

fn head(theory: &Theory) -> String {
    let size = theory.config.size;
    format!(
        r#"<header><p class="over">protege · the tabular theory of PostBC</p>
<h1>Coverage and suboptimality</h1>
<p class="methods">{}, {}, {}; {}</p></header>
<section class="headline"><p class="lede">{}</p></section>"#,
        plural(size.states, "state"),
        plural(size.actions, "action"),
        plural(size.horizon, "step"),
        plural(theory.config.repeats, "data set"),
        escape(&finding(theory))
    )
}

/// What one sees, in plain words: the end of the curves.
pub fn finding(theory: &Theory) -> String {
    let last = |method| theory.theorem(method).last().copied();
    let (Some(bc), Some(post_bc)) = (last(Method::Bc), last(Method::PostBc)) else {
        return "Nothing was measured.".to_owned();
    };
    let demos = plural(post_bc.demos, "demonstration");
    let noise = theory
        .matched(post_bc.demos)
        .map_or(String::new(), |noise| {
            let ratio = post_bc.coverage / noise.coverage;
            let less = if ratio >= 1.5 {
                format!(", {} times less", two_digits(ratio))
            } else {
                String::new()
            };
            format!(
                "; uniform noise that costs as much gives {}{less}",
                share(noise.coverage)
            )
        });
    let bc = if bc.coverage > 0.0 {
        format!("BC gives {}", share(bc.coverage))
    } else {
        "BC never tries some of them".to_owned()
    };
    format!(
        "With {demos} PostBC gives each of the demonstrator’s actions at least {} of the \
         probability that the demonstrator gives it, and loses {} of the {} of an episode{noise}; \
         {bc}.",
        share(post_bc.coverage),
        two_digits(post_bc.suboptimality),
        plural(theory.config.size.horizon, "reward")
    )
}

/// The keys of the curves.
fn legend(entries: &[(&str, &str)]) -> String {
    let key = |(class, name): &(&str, &str)| format!(r#"<span class="key {class}">{name}</span>"#);
    format!(
        r#"<p class="legend">{}</p>"#,
        entries.iter().map(key).collect::<String>()
    )
}

const KEYS: [(&str, &str); 4] = [
    ("c0", "PostBC"),
    ("c1", "BC"),
    ("c2", "uniform noise at PostBC’s cost"),
    ("c2 open", "uniform noise with PostBC’s alpha"),
];

/// A curve of what `of` picks.
fn track<T>(
    colour: usize,
    look: Look,
    rows: impl IntoIterator<Item = T>,
    of: impl Fn(T) -> (f64, f64),
) -> Track {
    Track {
        colour: SERIES[colour],
        look,
        points: rows.into_iter().map(of).collect(),
    }
}

/// The four curves, drawn as what `of` makes of (demonstrations, coverage, suboptimality).
fn tracks(theory: &Theory, of: fn(f64, f64, f64) -> (f64, f64)) -> Vec<Track> {
    let row = |r: &Row| of(r.demos as f64, r.coverage, r.suboptimality);
    vec![
        track(
            NOISE,
            Look::Rings,
            theory.theorem(Method::UniformNoise),
            row,
        ),
        track(NOISE, Look::Dots, &theory.matched, |m| {
            of(m.demos as f64, m.coverage, m.suboptimality)
        }),
        track(BC, Look::Dots, theory.theorem(Method::Bc), row),
        track(POST_BC, Look::Dots, theory.theorem(Method::PostBc), row),
    ]
}

/// The picture: coverage across, suboptimality up, one curve an estimator.
fn plane(theory: &Theory) -> String {
    let tracks = tracks(theory, |_, coverage, suboptimality| {
        (coverage, suboptimality)
    });
    let frame = Frame::of(&tracks);
    let notes: Vec<_> = theory
        .theorem(Method::PostBc)
        .iter()
        .map(|row| ((row.coverage, row.suboptimality), short(row.demos as f64)))
        .collect();
    let label = format!("Suboptimality against coverage. {}", ends(theory));
    let svg = both(|width| {
        plot(
            &frame,
            &tracks,
            &notes,
            "coverage",
            Size {
                width,
                height: 300.0 + 0.18 * width,
            },
            &label,
        )
    });
    let note = "Right is better, and down is better. Each curve goes from few demonstrations to \
        many; PostBC’s points say how many.";
    format!(
        r#"<section><h2>What is kept, and what it costs</h2>{}{}</section>"#,
        legend(&KEYS),
        figure("Suboptimality against coverage", note, &svg)
    )
}

/// The last point of each curve, in words.
fn ends(theory: &Theory) -> String {
    let row = |name: &str, r: &Row| {
        format!(
            "{name}: coverage {}, suboptimality {}",
            two_digits(r.coverage),
            two_digits(r.suboptimality)
        )
    };
    let methods = [
        ("BC", Method::Bc),
        ("PostBC", Method::PostBc),
        ("uniform noise with PostBC's alpha", Method::UniformNoise),
    ];
    let mut ends: Vec<String> = methods
        .iter()
        .filter_map(|(name, method)| Some(row(name, theory.theorem(*method).last().copied()?)))
        .collect();
    let at_cost = theory.matched.last();
    ends.extend(at_cost.map(|noise| {
        format!(
            "uniform noise at PostBC's cost: coverage {}",
            two_digits(noise.coverage)
        )
    }));
    let demos = theory.config.demos.last().copied().unwrap_or(0);
    format!(
        "At {}: {}.",
        plural(demos, "demonstration"),
        ends.join("; ")
    )
}

/// Both figures against the number of demonstrations.
fn growth(theory: &Theory) -> String {
    let size = Size {
        width: 426.0,
        height: 330.0,
    };
    let draw = |heading: &str, note: &str, frame: &Frame, tracks: &[Track]| {
        let label = format!("{heading} against demonstrations. {}", ends(theory));
        figure(
            heading,
            note,
            &plot(frame, tracks, &[], "demonstrations", size, &label),
        )
    };
    let guide = |points| Track {
        colour: GREY,
        look: Look::Guide,
        points,
    };
    let mut coverage = tracks(theory, |t, coverage, _| (t, coverage));
    coverage.push(guide(promised(theory)));
    let mut loss = tracks(theory, |t, _, loss| (t, loss));
    let frame = Frame::of(&loss);
    loss.push(guide(rate(theory)));
    format!(
        r#"<section><h2>As demonstrations grow</h2>{}<div class="pair">{}{}</div>{}</section>"#,
        legend(&KEYS),
        draw(
            "Coverage",
            "Grey: what Lemma 1 promises PostBC.",
            &Frame::of(&coverage),
            &coverage
        ),
        draw(
            "Suboptimality",
            "Grey: the rate log T / T, to PostBC’s last point.",
            &frame,
            &loss
        ),
        constant(theory)
    )
}

/// What the same rate does not say: how far PostBC is from BC.
fn constant(theory: &Theory) -> String {
    let last = |method| theory.theorem(method).last().copied();
    let Some((bc, post_bc)) = last(Method::Bc)
        .zip(last(Method::PostBc))
        .filter(|(bc, _)| bc.suboptimality > 0.0)
    else {
        return String::new();
    };
    format!(
        "<p class=\"note after\">The theorem bounds both losses by one rate, not by one constant: \
         with {} PostBC loses {} times what BC loses.\n\
         A smaller alpha costs less, as the next picture shows.</p>",
        plural(bc.demos, "demonstration"),
        two_digits(post_bc.suboptimality / bc.suboptimality)
    )
}

/// Lemma 1 at every number of demonstrations.
fn promised(theory: &Theory) -> Vec<(f64, f64)> {
    let StudyConfig { size, delta, .. } = theory.config;
    let bound = |t: usize| {
        coverage_bound(
            size,
            theorem_alpha(size, t),
            theorem_lambda(size, t),
            delta,
            1.0,
        )
    };
    // With delta 0 nothing is promised.
    theory
        .config
        .demos
        .iter()
        .map(|&t| (t as f64, bound(t)))
        .filter(|p| p.1 > 0.0)
        .collect()
}

/// The theorem's rate, log T / T, through PostBC's last point.
fn rate(theory: &Theory) -> Vec<(f64, f64)> {
    let post_bc = theory.theorem(Method::PostBc);
    let Some(last) = post_bc.last().filter(|row| row.demos > 2) else {
        return Vec::new();
    };
    let of = |t: f64| t.ln() / t;
    let constant = last.suboptimality / of(last.demos as f64);
    // Before T = e the rate rises.
    let first = std::f64::consts::E.log10();
    let steps =
        (0..=60).map(|i| first + (f64::from(i) / 60.0) * ((last.demos as f64).log10() - first));
    steps
        .map(|log| 10f64.powf(log))
        .map(|t| (t, constant * of(t)))
        .collect()
}

/// The trade that alpha offers, at a few numbers of demonstrations.
fn sweeps(theory: &Theory) -> String {
    let demos = spread(&theory.config.demos);
    let point = |row: &Row| (row.coverage, row.suboptimality);
    let of = |demos: usize| {
        let bc = theory
            .theorem(Method::Bc)
            .into_iter()
            .filter(move |row| row.demos == demos);
        [
            track(
                NOISE,
                Look::Dots,
                theory.sweep(Method::UniformNoise, demos),
                point,
            ),
            track(BC, Look::Dots, bc, point),
            track(
                POST_BC,
                Look::Dots,
                theory.sweep(Method::PostBc, demos),
                point,
            ),
        ]
    };
    let frame = Frame::of(
        &demos
            .iter()
            .flat_map(|&demos| of(demos))
            .collect::<Vec<_>>(),
    );
    let panel = |&demos: &usize| {
        let last = |method| {
            theory
                .sweep(method, demos)
                .last()
                .map_or((0.0, 0.0), |row| point(row))
        };
        let noise = last(Method::UniformNoise);
        let post_bc = last(Method::PostBc);
        let label = format!(
            "Suboptimality against coverage at {}. With the largest alpha uniform noise has \
             coverage {} and suboptimality {}, PostBC {} and {}.",
            plural(demos, "demonstration"),
            two_digits(noise.0),
            two_digits(noise.1),
            two_digits(post_bc.0),
            two_digits(post_bc.1)
        );
        figure(
            &plural(demos, "demonstration"),
            "",
            &plot(
                &frame,
                &of(demos),
                &[],
                "coverage",
                Size {
                    width: 280.0,
                    height: 280.0,
                },
                &label,
            ),
        )
    };
    let alphas = &theory.config.alphas;
    let range = alphas
        .first()
        .zip(alphas.last())
        .map_or(String::new(), |(a, b)| format!("{a} to {b}"));
    format!(
        "<section><h2>The trade that alpha offers</h2>{}\n\
         <p class=\"note\">Suboptimality, up, against coverage, across. One point for each alpha, \
         from {range}; λ is the theorem’s.</p>\n\
         <div class=\"multiples\">{}</div></section>",
        legend(&[KEYS[0], KEYS[1], ("c2", "uniform noise")]),
        demos.iter().map(panel).collect::<String>()
    )
}

/// At most [`PANELS`] of the numbers, spread over the list, the last one always.
fn spread(demos: &[usize]) -> Vec<usize> {
    let panels = PANELS.min(demos.len());
    (1..=panels)
        .map(|i| demos[demos.len() * i / panels - 1])
        .collect()
}

fn figures(theory: &Theory) -> String {
    let columns = [
        "demon\u{ad}strations",
        "BC loses",
        "PostBC loses",
        "noise with PostBC’s alpha loses",
        "PostBC covers",
        "noise at PostBC’s cost covers",
        "PostBC over noise",
    ];
    let of = |method| theory.theorem(method).into_iter();
    let losses = of(Method::Bc)
        .zip(of(Method::PostBc))
        .zip(of(Method::UniformNoise));
    let rows: String = losses
        .map(|((bc, post_bc), noise)| row(bc, post_bc, noise, theory.matched(bc.demos)))
        .collect();
    format!(
        "<section><h2>Figures</h2>{}<p class=\"note\">Losses are means over the data sets, with \
         their standard error; coverage is what {:.0}% of the\n\
         data sets reach.</p></section>",
        table("Coverage and suboptimality", "", &columns, &rows),
        100.0 * (1.0 - theory.config.delta)
    )
}

fn row(bc: &Row, post_bc: &Row, noise: &Row, matched: Option<&Matched>) -> String {
    let loss = |row: &Row| {
        format!(
            "{} <small>±{}</small>",
            two_digits(row.suboptimality),
            two_digits(row.standard_error)
        )
    };
    let dash = || "–".to_owned();
    let times = |matched: &Matched| format!("{}×", two_digits(post_bc.coverage / matched.coverage));
    format!(
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
         <td><b>{}</b></td></tr>",
        count(bc.demos as u64),
        loss(bc),
        loss(post_bc),
        loss(noise),
        two_digits(post_bc.coverage),
        matched.map_or_else(dash, |m| two_digits(m.coverage)),
        matched
            .filter(|m| m.coverage > 0.0)
            .map_or_else(dash, times)
    )
}

fn meaning() -> String {
    "<section><h2>What the words mean</h2>\n\
     <p>The problem is a random MDP small enough to be solved exactly. At every state half of the \
     actions are good, all others lose what is left of\n\
     the episode. The demonstrator takes good actions only, some often and some rarely; some \
     states are common and some are rare.</p>\n\
     <p><b>Suboptimality</b> is what a policy earns less than the demonstrator, out of one reward \
     a step. <b>Coverage</b> is the smallest ratio,\n\
     over all steps, states and actions, of the policy’s probability to the demonstrator’s. An \
     action of coverage 0 is never tried, and no amount of\n\
     practice finds out what it is worth.</p>\n\
     <p><b>BC</b> repeats what it saw. <b>Uniform noise</b> gives every action the same share \
     alpha at every state. <b>PostBC</b> widens\n\
     only what is uncertain: at a state that was visited n times, by alpha λ / (n + λ). With the \
     theorem’s settings,\n\
     λ = max{A, 4 log HT} and alpha = 1 / max{A, H, log HT} for A actions, H steps and T \
     demonstrations, its loss has the bound that BC’s has\n\
     in order of magnitude, H² S log T / T.</p></section>"
        .to_owned()
}

fn reproduce(theory: &Theory) -> String {
    format!(
        "<section><h2>Reproduce</h2><p>This command repeats the study, to the last \
         digit:</p>{}</section>\n\
         <footer><p>{} · seed {}</p></footer>",
        shell(&theory.command),
        escape(&theory.version),
        theory.config.seed
    )
}

/// A share of a probability, with two digits that matter: `1.6%`.
fn share(value: f64) -> String {
    format!("{}%", two_digits(100.0 * value))
}

/// A number with two digits that matter: `0.00057`, `0.016`, `28`, `3.1e−6`.
fn two_digits(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0" } else { "–" }.to_owned();
    }
    // Of the rounded value: 0.999 is written 1.0.
    let rounded = format!("{value:.1e}").parse().unwrap_or(value);
    let magnitude = (rounded.abs().log10() + 1e-9).floor() as i32;
    match magnitude {
        ..=-6 => format!("{value:.1e}").replace('-', "−"),
        1.. => count(value.round() as u64),
        _ => format!("{value:.*}", (1 - magnitude) as usize),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use protege_core::theory::{Size, Study, matched};

    /// A small study, measured.
    pub fn example(demos: Vec<usize>, states: usize) -> Theory {
        let size = Size {
            horizon: 3,
            states,
            actions: 4,
        };
        let study = Study::new(StudyConfig {
            size,
            demos,
            alphas: vec![0.001, 0.03, 1.0],
            repeats: 10,
            delta: 0.1,
            seed: 1,
        })
        .unwrap();
        let rows = study.summarise(&(0..10).map(|i| study.measure(i)).collect::<Vec<_>>());
        let matched = matched(&rows);
        Theory {
            config: study.config().clone(),
            rows,
            matched,
            command: "protege theory".into(),
            version: "protege".into(),
        }
    }

    /// The sentence says what the numbers say, whoever is ahead.
    #[test]
    fn the_finding_follows_the_numbers() {
        let theory = example(vec![1, 100, 3000], 8);
        let sentence = finding(&theory);
        assert!(
            sentence.starts_with("With 3\u{202f}000 demonstrations PostBC gives each of ")
                && sentence.contains("times less"),
            "{sentence}"
        );
        assert!(
            sentence.ends_with("BC never tries some of them."),
            "{sentence}"
        );
        let none = Theory {
            rows: vec![],
            ..theory.clone()
        };
        assert_eq!(finding(&none), "Nothing was measured.");
        let mut even = theory;
        let kept = even.theorem(Method::PostBc).last().unwrap().coverage;
        even.matched.iter_mut().for_each(|m| m.coverage = kept);
        assert!(!finding(&even).contains("times less"));
    }

    /// Programs can read a page's data back.
    #[test]
    fn the_numbers_of_a_study_can_be_read_back() {
        let theory = example(vec![1, 10], 5);
        let page = render(&theory);
        let data = page
            .split("id=\"report-data\">")
            .nth(1)
            .and_then(|rest| rest.split("</script>").next())
            .unwrap();
        let read: Theory = serde_json::from_str(data).unwrap();
        let key = |t: &Theory| {
            t.rows
                .iter()
                .map(|r| (r.demos, r.arm.method, r.arm.theorem))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (&read.config, key(&read), read.matched.len()),
            (&theory.config, key(&theory), theory.matched.len())
        );
    }

    /// Numbers keep two digits that matter.
    #[test]
    fn numbers_keep_two_digits() {
        let cases = [
            (0.000_571, "0.00057"),
            (0.016_1, "0.016"),
            (0.00999, "0.010"),
            (0.999, "1.0"),
            (9.97, "10"),
            (27.6, "28"),
            (0.0, "0"),
            (3.1e-7, "3.1e−7"),
            (f64::NAN, "–"),
        ];
        for (value, text) in cases {
            assert_eq!(two_digits(value), text);
        }
    }

    /// Panels are few, ascending, and end with the last.
    #[test]
    fn panels_are_spread_over_the_list() {
        assert_eq!(
            spread(&[1, 3, 10, 30, 100, 300, 1000, 3000, 10_000]),
            [10, 300, 10_000]
        );
        assert_eq!((spread(&[5]), spread(&[5, 6])), (vec![5], vec![5, 6]));
    }
}
