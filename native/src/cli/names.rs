//! Names on the command line: those of the methods, and checks against the names that there are.

use protege_core::error::{excerpt, nearest_few};
use protege_core::method::MethodInfo;
use protege_core::policy::PolicyKind;
use protege_core::run::Config;
use protege_core::{Error, Result, finetune, pretrain};

/// The stages that have methods.
pub const STAGES: [&str; 2] = ["pretrain", "finetune"];

/// The methods of a stage, in the order of the code.
pub fn infos(stage: &str) -> &'static [&'static MethodInfo] {
    match stage {
        "pretrain" => &pretrain::INFOS,
        _ => &finetune::INFOS,
    }
}

/// The names of a stage's methods.
pub fn methods(stage: &str) -> Vec<String> {
    let infos = infos(stage).iter();
    infos.map(|info| info.id.to_owned()).collect()
}

/// What `--help` says of `--pretrain` and `--finetune`: `Pretraining method: bc, sigma-bc, ...`.
pub fn help(kind: &str, title: &str, default: &str) -> String {
    let names = methods(kind).join(", ");
    format!("{title} method: {names}; see `protege methods` [default: {default}]")
}

/// The names of a configuration's pretraining and finetuning. A policy that another program serves
/// was pretrained by nobody here.
pub fn of(config: &Config) -> (String, String) {
    let pretrain = match config.policy.kind {
        PolicyKind::Served => PolicyKind::Served.name(),
        _ => config.pretrain.method.id(),
    };
    let finetune = config.finetune.method.id();
    (pretrain.to_owned(), finetune.to_owned())
}

/// Checks a name against those there are.
///
/// # Errors
/// Names what is unknown, and the nearest names.
pub fn known(what: &str, name: &str, names: Vec<String>) -> Result<()> {
    if names.iter().any(|known| known == name) {
        return Ok(());
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let near = nearest_few(name, &names);
    let name = excerpt(name);
    Err(Error::input(format!(
        "there is no {what} `{name}`; did you mean {near}?"
    )))
}
