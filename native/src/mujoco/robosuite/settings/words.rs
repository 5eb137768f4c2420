//! Settings of the controller in words, as `env.controller` has them: `version=1.4 kp=100`.

use super::{ControllerSettings, InputFrame};
use protege_core::error::excerpt;
use protege_core::{Error, Result};

/// What sentences say of the words that there are.
const KNOWN: &str = "version (1.4 or 1.5), lite_physics, uncouple_pos_ori (true or false), \
                     input_ref_frame (base or world), kp, damping_ratio, input_min, input_max, \
                     output_min and output_max (a number, or six with commas)";
/// robosuite up to 1.4, whose controller was another one.
const OLD: &str = "1.4";
/// From 1.5 on.
const NEW: &str = "1.5";

impl ControllerSettings {
    /// Reads words `name=value` with spaces between, over those of robosuite 1.5.2, or with
    /// `version=1.4` of 1.4.1.
    ///
    /// # Errors
    /// Names the first word that is unknown, there twice, or has an impossible value.
    pub fn from_words(words: &str) -> Result<Self> {
        let pairs = words.split_whitespace().map(pair);
        let pairs = pairs.collect::<Result<Vec<_>>>()?;
        let twice = |i: usize| pairs[..i].iter().any(|(name, _)| *name == pairs[i].0);
        if let Some(i) = (0..pairs.len()).find(|&i| twice(i)) {
            return Err(unfit(pairs[i].0, pairs[i].1, "it is there twice"));
        }
        let version = pairs.iter().find(|(name, _)| *name == "version");
        let mut settings = match version {
            Some((_, OLD)) => Self::up_to_1_4(),
            None | Some((_, NEW)) => Self::default(),
            Some((name, value)) => return Err(unfit(name, value, "it must be 1.4 or 1.5")),
        };
        for (name, value) in pairs {
            settings.read_word(name, value)?;
        }
        match settings.fault() {
            None => Ok(settings),
            Some(fault) => Err(unfit(fault.name, &fault.shown(), fault.remedy)),
        }
    }

    fn read_word(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "version" => {}
            "lite_physics" => self.lite_physics = boolean(name, value)?,
            "uncouple_pos_ori" => self.uncoupled = boolean(name, value)?,
            "input_ref_frame" => {
                self.input_frame = match value {
                    "base" => InputFrame::Base,
                    "world" => InputFrame::World,
                    _ => return Err(unfit(name, value, "it must be base or world")),
                }
            }
            "kp" => self.kp = six(name, value)?,
            "damping_ratio" => self.damping_ratio = six(name, value)?,
            "input_min" => self.input_min = six(name, value)?,
            "input_max" => self.input_max = six(name, value)?,
            "output_min" => self.output_min = six(name, value)?,
            "output_max" => self.output_max = six(name, value)?,
            "input_type" if value == "delta" => {}
            "input_type" => return Err(unfit(name, value, ABSOLUTE)),
            _ => return Err(unfit(name, value, &format!("the names are {KNOWN}"))),
        }
        Ok(())
    }

    /// The shortest words that mean these settings; none: those of 1.5.2. What actions are has no
    /// word: absolute ones are not played ([`ABSOLUTE`]).
    pub fn to_words(&self) -> String {
        let mut words = Vec::new();
        let usual = if self.keeps_rotation {
            words.push(format!("version={OLD}"));
            Self::up_to_1_4()
        } else {
            Self::default()
        };
        if self.lite_physics != usual.lite_physics {
            words.push(format!("lite_physics={}", self.lite_physics));
        }
        if self.uncoupled != usual.uncoupled {
            words.push(format!("uncouple_pos_ori={}", self.uncoupled));
        }
        if self.input_frame != usual.input_frame {
            words.push(format!("input_ref_frame={}", self.input_frame.name()));
        }
        let numbers = self.numbers().into_iter().zip(usual.numbers());
        for ((name, own), (_, usual)) in numbers {
            if own != usual {
                words.push(format!("{name}={}", joined(own)));
            }
        }
        words.join(" ")
    }

    /// The settings that are numbers, by robosuite's names.
    pub fn numbers(&self) -> [(&'static str, &[f64; 6]); 6] {
        [
            ("kp", &self.kp),
            ("damping_ratio", &self.damping_ratio),
            ("input_min", &self.input_min),
            ("input_max", &self.input_max),
            ("output_min", &self.output_min),
            ("output_max", &self.output_max),
        ]
    }

    /// The first number that no controller can have, or that is not played here.
    pub fn fault(&self) -> Option<Fault> {
        for (name, numbers) in self.numbers() {
            let (low, high, remedy) = match name {
                "kp" => (0.0, 1e4, "set numbers from 0 to 10000"),
                "damping_ratio" => (0.0, 10.0, "set numbers from 0 to 10"),
                // Actions of datasets and policies lie there.
                "input_min" | "input_max" => (-1.0, 1.0, "set numbers from -1 to 1"),
                _ => (-10.0, 10.0, "set numbers from -10 to 10 (m, rad)"),
            };
            let odd = numbers.iter().find(|v| !(low..=high).contains(*v));
            if let Some(&value) = odd {
                return Some(Fault {
                    name,
                    value,
                    remedy,
                });
            }
        }
        let mut pairs = self.input_max.iter().zip(&self.input_min);
        let narrow = pairs.find(|(max, min)| max <= min)?;
        Some(Fault {
            name: "input_max",
            value: *narrow.0,
            remedy: "set numbers above input_min",
        })
    }
}

/// Why actions that are places are not played.
pub const ABSOLUTE: &str = "actions here are ways to go, within [-1, 1], where poses do not fit";

/// A number that cannot be.
pub struct Fault {
    /// Its setting, by robosuite's name.
    pub name: &'static str,
    /// The number.
    pub value: f64,
    /// What to set instead.
    pub remedy: &'static str,
}

impl Fault {
    /// The number, in few digits.
    pub fn shown(&self) -> String {
        if self.value.abs() < 1e9 {
            return self.value.to_string();
        }
        format!("{:e}", self.value)
    }
}

impl InputFrame {
    /// robosuite's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::World => "world",
        }
    }
}

fn pair(word: &str) -> Result<(&str, &str)> {
    word.split_once('=').ok_or_else(|| {
        Error::input(format!(
            "env.controller has the word `{}` without `=`: write name=value; the names are {KNOWN}",
            excerpt(word)
        ))
    })
}

fn boolean(name: &str, value: &str) -> Result<bool> {
    let parsed = value.parse();
    parsed.map_err(|_| unfit(name, value, "it must be true or false"))
}

/// One number for all six, or six with commas.
fn six(name: &str, value: &str) -> Result<[f64; 6]> {
    let numbers = value.split(',').map(str::parse::<f64>);
    let numbers = numbers.collect::<std::result::Result<Vec<_>, _>>();
    let numbers = numbers.unwrap_or_default();
    if let [number] = numbers[..] {
        return Ok([number; 6]);
    }
    let six = numbers.try_into();
    six.map_err(|_| unfit(name, value, "it must be a number, or six with commas"))
}

fn joined(numbers: &[f64; 6]) -> String {
    if numbers.iter().all(|number| *number == numbers[0]) {
        return numbers[0].to_string();
    }
    let numbers = numbers.map(|number| number.to_string());
    numbers.join(",")
}

fn unfit(name: &str, value: &str, why: &str) -> Error {
    Error::input(format!(
        "env.controller has {}={}: {why}",
        excerpt(name),
        excerpt(value)
    ))
}
