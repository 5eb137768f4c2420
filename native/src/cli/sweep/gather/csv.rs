//! `curves.csv` and its like: comma-separated values as RFC 4180 has them, one line a record.

use crate::report::sweep::data::{Point, PointKind, SweepRun};
use crate::terminal;
use protege_core::error::excerpt;
use protege_core::{Error, Result};
use std::path::Path;

/// The column that ends the labels.
const SEED: &str = "seed";

/// Every point of every run, one a line: labels, seed, kind, decisions, control_steps, success,
/// episodes.
pub fn curves(runs: &[SweepRun]) -> String {
    let mut text = header(
        runs,
        &["kind", "decisions", "control_steps", "success", "episodes"],
    );
    for run in runs {
        for point in &run.points {
            let mut fields = labels(run);
            fields.extend([
                point.kind.name().to_owned(),
                whole(point.decisions),
                whole(point.control_steps),
                point.success.to_string(),
                whole(point.episodes),
            ]);
            text += &line(&fields);
        }
    }
    text
}

/// One line a run: labels, seed, success before, last, final and kept, and the practice.
pub fn summary(runs: &[SweepRun]) -> String {
    let names = [
        "before",
        "last",
        "final",
        "kept",
        "episodes",
        "decisions",
        "control_steps",
    ];
    let mut text = header(runs, &names);
    for run in runs {
        let success = |point: Option<&Point>| point.map(|point| point.success);
        let rates = [
            success(run.before()),
            success(run.last()),
            run.final_success(),
            success(run.kept()),
        ];
        let mut fields = labels(run);
        fields.extend(rates.map(|rate| rate.map_or_else(String::new, |rate| rate.to_string())));
        let counts = [
            run.kept().and_then(|point| point.episodes),
            run.decisions(),
            run.control_steps(),
        ];
        fields.extend(counts.map(whole));
        text += &line(&fields);
    }
    text
}

/// The first line: dimensions, seed, and the other columns.
pub fn header(runs: &[SweepRun], names: &[&str]) -> String {
    let labels = runs.first().map_or(&[][..], |run| &run.labels);
    let keys = labels.iter().map(|(key, _)| key.clone());
    let names = names.iter().map(|name| (*name).to_owned());
    let fields: Vec<String> = keys.chain([SEED.to_owned()]).chain(names).collect();
    line(&fields)
}

fn labels(run: &SweepRun) -> Vec<String> {
    let values = run.labels.iter().map(|(_, value)| value.clone());
    values.chain([run.seed.to_string()]).collect()
}

fn whole(number: Option<u64>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

/// Fields as a line.
pub fn line(fields: &[String]) -> String {
    let safe: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
    safe.join(",") + "\n"
}

fn quoted(field: &str) -> String {
    match field.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}

/// The runs of a file of points, which [`curves`] or `protege compare --csv` wrote.
///
/// # Errors
/// Names the file, the line and what is wrong with it.
pub fn read(path: &Path) -> Result<Vec<SweepRun>> {
    let bytes = crate::files::read(path)?;
    let text = String::from_utf8(bytes).map_err(|_| "it is no UTF-8 text".to_owned());
    text.and_then(|text| parse(&text)).map_err(|why| {
        Error::input(format!(
            "{} is no file of learning curves ({why}); curves.csv of `protege sweep gather` is one",
            terminal::path(path)
        ))
    })
}

/// The same of a text.
fn parse(text: &str) -> std::result::Result<Vec<SweepRun>, String> {
    let mut records = records(text)?.into_iter();
    let (_, header) = records.next().ok_or("it is empty")?;
    let columns = Columns::of(&header)?;
    let mut runs: Vec<SweepRun> = Vec::new();
    for (number, record) in records {
        let (labels, seed, point) = columns
            .point(&header, &record)
            .map_err(|why| format!("line {number}: {why}"))?;
        match runs.last_mut() {
            Some(run) if run.labels == labels && run.seed == seed => run.points.push(point),
            _ => runs.push(SweepRun {
                labels,
                seed,
                points: vec![point],
            }),
        }
    }
    refuse_scattered(&runs)?;
    if columns.kind.is_none() {
        runs.iter_mut().for_each(|run| name_kinds(&mut run.points));
    }
    Ok(runs)
}

/// Where the columns are.
struct Columns {
    labels: usize,
    kind: Option<usize>,
    decisions: Option<usize>,
    control_steps: Option<usize>,
    success: usize,
    episodes: Option<usize>,
}

impl Columns {
    fn of(header: &[String]) -> std::result::Result<Self, String> {
        let place = |name: &str| header.iter().position(|own| own == name);
        let must = |name: &str| place(name).ok_or(format!("it has no column {name}"));
        Ok(Self {
            labels: must(SEED)?,
            kind: place("kind"),
            decisions: place("decisions"),
            // As `protege compare` calls them.
            control_steps: place("control_steps").or_else(|| place("env_steps")),
            success: must("success")?,
            episodes: place("episodes"),
        })
    }

    /// The labels, the seed and the point of a line.
    #[allow(clippy::type_complexity, reason = "taken apart at once")]
    fn point(
        &self,
        header: &[String],
        record: &[String],
    ) -> std::result::Result<(Vec<(String, String)>, u64, Point), String> {
        if record.len() != header.len() {
            return Err(format!(
                "it has {} fields in place of {}",
                record.len(),
                header.len()
            ));
        }
        let count = |place: Option<usize>| match place.map(|i| (&header[i], &record[i][..])) {
            None | Some((_, "")) => Ok(None),
            Some((name, text)) => match text.parse() {
                Ok(count) => Ok(Some(count)),
                Err(_) => Err(format!("{name} is {}, not a whole number", excerpt(text))),
            },
        };
        let success = &record[self.success];
        let rate = success.parse().ok().filter(|s| (0.0..=1.0).contains(s));
        let kind = match self.kind {
            None => PointKind::Curve,
            Some(place) => kind(&record[place])?,
        };
        let labels = header.iter().zip(record).take(self.labels);
        let labels = labels.map(|(key, value)| (key.clone(), value.clone()));
        let seed = count(Some(self.labels))?.ok_or("it has no seed")?;
        let point = Point {
            kind,
            decisions: count(self.decisions)?,
            control_steps: count(self.control_steps)?,
            success: rate.ok_or(format!(
                "success is {}, not a number from 0 to 1",
                excerpt(success)
            ))?,
            episodes: count(self.episodes)?,
        };
        Ok((labels.collect(), seed, point))
    }
}

fn kind(name: &str) -> std::result::Result<PointKind, String> {
    let mut all = PointKind::ALL.into_iter();
    all.find(|kind| kind.name() == name).ok_or(format!(
        "kind is {}, not before, curve or kept",
        excerpt(name)
    ))
}

/// Lines of one run stand together: those that do not are of two runs with the same name.
fn refuse_scattered(runs: &[SweepRun]) -> std::result::Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    match runs
        .iter()
        .find(|run| !seen.insert((&run.labels, run.seed)))
    {
        None => Ok(()),
        Some(run) => {
            let names: Vec<&str> = run.labels.iter().map(|(_, value)| &value[..]).collect();
            Err(format!(
                "the lines of {}, seed {} do not stand together",
                excerpt(&names.join(", ")),
                run.seed
            ))
        }
    }
}

/// What points are in files that do not say: the first is the pretrained policy's. The last is that
/// of the agent that was kept, where the one before was measured at the same step of practice.
fn name_kinds(points: &mut [Point]) {
    let count = points.len();
    if let Some(first) = points.first_mut() {
        first.kind = PointKind::Before;
    }
    if count > 2 && points[count - 1].control_steps == points[count - 2].control_steps {
        points[count - 1].kind = PointKind::Kept;
    }
}

/// Lines taken apart, each with its number.
fn records(text: &str) -> std::result::Result<Vec<(usize, Vec<String>)>, String> {
    let mut records = Vec::new();
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut is_quoted = false;
    let (mut number, mut begun) = (1, 1);
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        number += usize::from(sign == '\n');
        match (is_quoted, sign) {
            (true, '"') if signs.peek() == Some(&'"') => field.extend(signs.next()),
            (true, '"') => is_quoted = false,
            (false, '"') if field.is_empty() => is_quoted = true,
            (false, ',') => fields.push(std::mem::take(&mut field)),
            (false, '\r') if signs.peek() == Some(&'\n') => {}
            (false, '\n') => {
                fields.push(std::mem::take(&mut field));
                records.push((begun, std::mem::take(&mut fields)));
                begun = number;
            }
            (_, other) => field.push(other),
        }
    }
    if is_quoted {
        return Err(format!("line {begun}: a quotation mark is not closed"));
    }
    if !field.is_empty() || !fields.is_empty() {
        fields.push(field);
        records.push((begun, fields));
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u64, task: &str) -> SweepRun {
        let point = |kind, step, success| Point {
            kind,
            decisions: Some(step),
            control_steps: Some(4 * step),
            success,
            episodes: Some(50),
        };
        SweepRun {
            labels: vec![
                ("task".to_owned(), task.to_owned()),
                ("arm".to_owned(), "a \"b\", c".to_owned()),
            ],
            seed,
            points: vec![
                point(PointKind::Before, 0, 0.1),
                point(PointKind::Curve, 0, 0.3),
                point(PointKind::Curve, 10, 0.7),
                point(PointKind::Kept, 10, 0.66),
            ],
        }
    }

    /// What is written is read again, names with commas and quotation marks included.
    #[test]
    fn what_is_written_is_read_again() {
        let runs = [run(0, "lab/lift"), run(1, "lab/lift"), run(0, "two\nlines")];
        assert_eq!(parse(&curves(&runs)).unwrap(), runs);
        assert!(curves(&runs).contains("\"a \"\"b\"\", c\",0,before,0,0,0.1,50\n"));
        let line = summary(&runs).lines().nth(1).unwrap().to_owned();
        assert_eq!(
            line,
            "lab/lift,\"a \"\"b\"\", c\",0,0.1,0.7,0.5,0.66,50,10,40"
        );
    }

    /// Files without kinds say by their steps what each point is.
    #[test]
    fn kinds_follow_from_the_steps() {
        let text = "task,seed,env_steps,success\n\
                    t,0,0,0.5\nt,0,9,0.25\nt,0,9,0.75\nt,1,0,0.5\nt,1,9,0.5\nt,2,0,1\n";
        let kinds: Vec<Vec<&str>> = parse(text)
            .unwrap()
            .iter()
            .map(|run| run.points.iter().map(|point| point.kind.name()).collect())
            .collect();
        let expected: [&[&str]; 3] = [
            &["before", "curve", "kept"],
            &["before", "curve"],
            &["before"],
        ];
        assert_eq!(kinds, expected);
    }

    /// What is wrong is named with its line.
    #[test]
    fn faults_are_named() {
        for (text, words) in [
            ("", "it is empty"),
            ("task,success\n", "no column seed"),
            ("seed,success\n0\n", "line 2: it has 1 fields in place of 2"),
            ("seed,success\n0,2\n", "line 2: success is 2"),
            ("seed,success\n0,nan\n", "line 2: success is nan"),
            ("seed,success\n-1,1\n", "line 2: seed is -1"),
            ("seed,kind,success\n0,late,1\n", "kind is late"),
            (
                "seed,success\n0,1\n1,1\n0,1\n",
                "seed 0 do not stand together",
            ),
            (
                "seed,success\n\"0,1\n",
                "line 2: a quotation mark is not closed",
            ),
        ] {
            let found = parse(text).unwrap_err();
            assert!(found.contains(words), "{text:?}: {found}");
        }
    }
}
