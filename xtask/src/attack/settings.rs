//! Every setting and every flag, at the edges of its range and beyond.

use super::Report;
use super::chance::Chance;
use super::ground::Ground;
use super::judge;
use super::program::Call;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

/// Values that hardly any setting takes.
const ODD: [&str; 28] = [
    "0",
    "-1",
    "1",
    "NaN",
    "nan",
    "inf",
    "-inf",
    "1e18",
    "1e400",
    "-1e400",
    "1e-320",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775808",
    "",
    " ",
    "[]",
    "{}",
    "true",
    "null",
    "0x10",
    "1_000",
    "'quoted'",
    "1.5",
    "\u{1b}[31mred\u{7}",
    "two\nlines",
    "\u{202e}turned",
    "a=b=c",
];
/// Characters of a value that is very long.
const LONG: usize = 100_000;
/// What the case multiplies by: coprime with any number of pairs that is no multiple of it.
const STRIDE: u64 = 7919;

/// Calls, and the flags of theirs that are attacked.
const FLAGS: [[&str; 2]; 9] = [
    [
        "run --config SMALL --finetune none --no-video --out new",
        "--demos --seed --seeds --checkpoint-every --keep-last --task --engine --pretrain \
         --finetune --policy --preset --device --set --config --demos-file --checkpoint \
         --resume",
    ],
    [
        "eval --checkpoint POLICY",
        "--episodes --seed --task --device --set --checkpoint",
    ],
    [
        "play --checkpoint POLICY --size 32x24 --out video.gif",
        "--episodes --seed --size --camera --speed --engine --device --task",
    ],
    [
        "demos --task lab/lift --demos 1 --out new.safetensors",
        "--task --demos --seed --from --expert --engine --set",
    ],
    [
        "tasks --only lab/lift --episodes 1",
        "--only --episodes --noise",
    ],
    [
        "theory --states 4 --actions 4 --horizon 2 --demos 1,3 --alpha 0.1 --repeats 2 \
         --out new",
        "--states --actions --horizon --demos --alpha --repeats --delta --seed",
    ],
    [
        "trace --task lab/lift --steps 2",
        "--task --seed --steps --noise --fixture --key",
    ],
    ["doctor", "--policy --out"],
    ["compare RUN --out new.html", "--csv --nonsense"],
];

/// Gives one setting or one flag one value.
pub fn attempt(
    ground: &Ground,
    case: u64,
    chance: &mut Chance,
    folder: &Path,
) -> Result<Report, String> {
    let before = judge::paths(folder);
    let (call, what) = if case % 4 == 3 {
        flag(ground, case / 4, folder)?
    } else {
        setting(ground, case - case / 4, chance, folder)?
    };
    // Between two looks at Ctrl-C, a step of the greatest size may take long; a second one ends it.
    let call = call.stopped_after(1.2).stopped_after(6.0);
    let outcome = call.patience(10.0).memory(6000).run()?;
    let mut report = Report::of(&outcome);
    report.what = what;
    let mut before = before;
    before.insert(folder.join("given.toml"));
    report
        .faults
        .extend(judge::leftovers(&outcome, &before, folder));
    Ok(report)
}

fn flag(ground: &Ground, case: u64, folder: &Path) -> Result<(Call, String), String> {
    let mut pairs = Vec::new();
    for [call, flags] in FLAGS {
        for flag in flags.split(' ') {
            let values = ODD.iter().map(|value| (*value).to_owned());
            let values = values.chain(["x".repeat(LONG), "latin-1 \u{e9}".to_owned()]);
            pairs.extend(values.map(|value| (call, flag, value)));
        }
    }
    let (call, flag, value) = &pairs[place(case, pairs.len())];
    let policy = ground.straight(["bc", "none"])?.folder;
    let mut words: Vec<OsString> = Vec::new();
    let mut rest = call.split(' ');
    while let Some(word) = rest.next() {
        // A flag that is given twice would be refused for that.
        if word == *flag {
            rest.next();
            continue;
        }
        words.push(match word {
            "SMALL" => ground.small().into_os_string(),
            "POLICY" => policy.join("seed-0/policy.safetensors").into_os_string(),
            "RUN" => policy.clone().into_os_string(),
            word => word.into(),
        });
    }
    words.push(flag.into());
    words.push(if value.starts_with("latin-1") {
        OsString::from_vec(b"caf\xe9".to_vec())
    } else {
        value.into()
    });
    let what = format!("{} {flag}", call.split(' ').next().unwrap_or_default());
    Ok((ground.call(folder).args(&words), what))
}

fn place(case: u64, count: usize) -> usize {
    (case.wrapping_mul(STRIDE) % count.max(1) as u64) as usize
}

fn setting(
    ground: &Ground,
    case: u64,
    chance: &mut Chance,
    folder: &Path,
) -> Result<(Call, String), String> {
    let settings = settings(ground)?;
    let pairs: Vec<(&str, String)> = settings
        .iter()
        .flat_map(|(key, range)| values(range).into_iter().map(|value| (key.as_str(), value)))
        .collect();
    let (key, value) = &pairs[place(case, pairs.len())];
    let mut words = words(ground, key)?;
    let in_file = chance.once_in(3);
    if in_file {
        let file = folder.join("given.toml");
        let section = key.rsplit_once('.').map_or("", |(section, _)| section);
        let name = key.rsplit('.').next().unwrap_or_default();
        let head = if section.is_empty() {
            String::new()
        } else {
            format!("[{section}]\n")
        };
        let small = fs::read_to_string(ground.small()).unwrap_or_default();
        let text = with_setting(&small, &head, name, value);
        fs::write(&file, text).map_err(|e| format!("{} ({e})", file.display()))?;
        words[2] = "given.toml".to_owned();
    } else {
        words.extend(["--set".to_owned(), format!("{key}={value}")]);
    }
    let way = if in_file { "in a file" } else { "--set" };
    Ok((ground.call(folder).args(&words), format!("{key} ({way})")))
}

/// Every setting with its range: those of methods as `protege methods` lists them, the rest from
/// a run's configuration.
fn settings(ground: &Ground) -> Result<Vec<(String, String)>, String> {
    let fields = ground
        .methods
        .iter()
        .filter_map(|row| row["fields"].as_array());
    let mut settings: Vec<(String, String)> = Vec::new();
    for field in fields.flatten() {
        let text = |name: &str| field[name].as_str().unwrap_or_default().to_owned();
        settings.push((text("key"), text("range")));
    }
    let file = ground.straight(["bc", "none"])?.folder.join("config.toml");
    let text = fs::read_to_string(&file).map_err(|e| format!("{} ({e})", file.display()))?;
    let mut section = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((name, _)) = line.split_once(" = ") {
            let key = format!("{section}{name}");
            if !settings.iter().any(|(known, _)| *known == key) {
                settings.push((key, String::new()));
            }
        }
    }
    Ok(settings)
}

/// The values that are tried, given a range such as `1 to 1e4`.
fn values(range: &str) -> Vec<String> {
    let mut values: Vec<String> = ODD.iter().map(|value| (*value).to_owned()).collect();
    values.push("x".repeat(LONG));
    if let Some((low, high)) = range.split_once(" to ") {
        let bounds = (low.parse::<f64>(), high.parse::<f64>());
        if let (Ok(low), Ok(high)) = bounds {
            let step = if high > 1.0 { 1.0 } else { 0.001 };
            let edges = [low, low - step, low + step, high, high - step, high + step];
            values.extend(edges.map(|edge| edge.to_string()));
            values.push(((low + high) / 2.0).round().to_string());
        }
    } else {
        let names = range
            .split(", ")
            .map(|name| name.trim_matches('`').to_owned());
        values.extend(names.filter(|name| !name.is_empty()));
    }
    values
}

/// A file of settings in which one has this value.
fn with_setting(text: &str, section: &str, name: &str, value: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(|line| format!("{line}\n")).collect();
    let begin = match section {
        "" => Some(0),
        section => lines
            .iter()
            .position(|line| line == section)
            .map(|at| at + 1),
    };
    let line = format!("{name} = {value}\n");
    let Some(begin) = begin else {
        lines.extend([section.to_owned(), line]);
        return lines.concat();
    };
    let of_section = lines[begin..]
        .iter()
        .take_while(|line| !line.starts_with('['));
    let set = format!("{name} = ");
    let known = of_section.clone().position(|line| line.starts_with(&set));
    match known {
        Some(at) => lines[begin + at] = line,
        None => lines.insert(begin, line),
    }
    lines.concat()
}

/// The call in which a setting is used.
fn words(ground: &Ground, key: &str) -> Result<Vec<String>, String> {
    let mut parts = key.split('.');
    let stage = parts.next().unwrap_or_default();
    let group = parts.next().unwrap_or_default().replace('_', "-");
    let method = ground.names(stage).into_iter().find(|name| *name == group);
    let small = ground.small().display().to_string();
    let stages = match (stage, method) {
        ("finetune", Some(method)) => ["bc", method],
        ("pretrain", Some(method)) => [method, "none"],
        _ => ["bc", "none"],
    };
    let [pretrain, finetune] = stages;
    let words = [
        "run",
        "--config",
        &small,
        "--pretrain",
        pretrain,
        "--finetune",
        finetune,
    ];
    let tail = ["--no-video", "--no-companion", "--out", "new"];
    Ok(words.into_iter().chain(tail).map(str::to_owned).collect())
}
