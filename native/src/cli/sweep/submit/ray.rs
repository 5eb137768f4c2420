//! Ray: a task for each cell, which waits for those that it begins with.

use super::{Handover, Step, filled};
use protege_core::{Error, Result};
use serde_json::json;

/// Its file may not be called as the package is, which it would be taken for.
const SCRIPT: &str = include_str!("ray_driver.py");

/// Submits the driver as a job; the command line.
pub fn submit(handover: &Handover<'_>) -> Result<Vec<String>> {
    if handover.wishes.at_once.is_some() {
        return Err(Error::input(
            "--at-once has no effect with ray, which has as many at a time as it has cores: leave \
             it out",
        ));
    }
    let needs = |&cell: &usize| json!([cell, handover.sweep.plan.cells[cell].needs()]);
    let cells: Vec<_> = handover
        .left
        .iter()
        .flat_map(|(_, cells)| cells)
        .map(needs)
        .collect();
    // JSON's texts and lists are Python's.
    let script = filled(
        SCRIPT,
        &[
            ("PROGRAM", &json!(handover.program).to_string()),
            ("SWEEP", &json!(handover.folder).to_string()),
            ("THREADS", &handover.sweep.plan.session.threads.to_string()),
            ("CELLS", &json!(cells).to_string()),
        ],
    );
    let script = handover.write("ray_driver.py", &script)?;
    let mut arguments = vec!["job".to_owned(), "submit".to_owned()];
    arguments.extend(handover.wishes.flags.iter().cloned());
    arguments.extend(["--", "python3"].map(str::to_owned));
    arguments.push(script.to_string_lossy().into_owned());
    let step = Step::new("ray", &arguments);
    let shown = step.shown.clone();
    handover.run(step)?;
    Ok(vec![shown])
}
