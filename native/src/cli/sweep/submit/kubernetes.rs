//! Kubernetes: an Indexed Job whose pods share the sweep's folder. Untested: no cluster was at
//! hand.

use super::{Handover, Step, filled};
use crate::cli::shell::quoted;
use protege_core::error::nearest_few;
use protege_core::{Error, Result};
use std::path::Path;

const JOB: &str = include_str!("kubernetes.yaml");
/// What the cluster is to be told, as NAME=VALUE.
const NAMES: [&str; 3] = ["image", "claim", "mount"];

/// Applies the job; the command line.
pub fn submit(handover: &Handover<'_>) -> Result<Vec<String>> {
    let [image, claim, mount] = values(&handover.wishes.flags)?;
    let mount = mount.unwrap_or_else(|| parent(&handover.folder));
    let (Some(image), Some(claim)) = (image, claim) else {
        return Err(Error::input(
            "kubernetes needs the name of an image with this program and of a volume claim with \
             the sweep's folder: end the command line with -- image=NAME claim=NAME [mount=PATH]",
        ));
    };
    let cells: Vec<usize> = handover
        .left
        .iter()
        .flat_map(|(_, cells)| cells.clone())
        .collect();
    let list = handover.write_list("kubernetes.cells", &cells)?;
    let at_once = handover.wishes.at_once.unwrap_or(cells.len() as u32);
    let job = filled(
        JOB,
        &[
            ("NAME", &name(&handover.folder)),
            ("COUNT", &cells.len().to_string()),
            ("AT_ONCE", &at_once.to_string()),
            ("IMAGE", &image),
            ("CLAIM", &claim),
            ("MOUNT", &mount),
            ("PROGRAM", &quoted(handover.program.as_os_str())),
            ("SWEEP", &quoted(handover.folder.as_os_str())),
            ("LIST", &quoted(list.as_os_str())),
            ("THREADS", &handover.sweep.plan.session.threads.to_string()),
        ],
    );
    let file = handover.write("kubernetes.yaml", &job)?;
    let arguments = ["apply", "-f"].map(str::to_owned);
    let file = file.to_string_lossy().into_owned();
    let step = Step::new("kubectl", &[&arguments[..], &[file]].concat());
    let shown = step.shown.clone();
    handover.run(step)?;
    Ok(vec![shown])
}

/// The values of [`NAMES`] among NAME=VALUE.
fn values(flags: &[String]) -> Result<[Option<String>; 3]> {
    let mut found = [None, None, None];
    for flag in flags {
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        let place = NAMES.iter().position(|known| *known == name);
        let (Some(place), false) = (place, value.is_empty()) else {
            return Err(Error::input(format!(
                "kubernetes has no use for `{}`: write {} as NAME=VALUE",
                protege_core::error::excerpt(flag),
                nearest_few(name, &NAMES)
            )));
        };
        found[place] = Some(value.to_owned());
    }
    Ok(found)
}

fn parent(folder: &Path) -> String {
    let parent = folder.parent().unwrap_or(folder);
    parent.to_string_lossy().into_owned()
}

/// A name as Kubernetes takes it: small letters, digits and hyphens.
fn name(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let plain = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() => c,
        _ => '-',
    };
    let name: String = name.chars().map(plain).take(40).collect();
    format!("protege-{}", name.trim_matches('-'))
}
