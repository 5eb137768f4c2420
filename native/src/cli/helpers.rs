//! Others that play episodes for a run: `--workers`.

use crate::terminal;
use crate::workers::{Client, Secret};
use protege_core::finetune::FinetuneMethod;
use protege_core::play::Elsewhere;
use protege_core::policy::PolicyKind;
use protege_core::run::Config;
use protege_core::{Error, Result};
use std::path::PathBuf;
use std::sync::Arc;

/// Who plays, too; none of it changes the numbers.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Helpers {
    /// Workers (`protege worker`) that play episodes, too: host:port, with commas between
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    pub workers: Vec<String>,
    /// The file that holds the workers' token [default: what PROTEGE_TOKEN holds]
    #[arg(long, value_name = "FILE", requires = "workers")]
    pub token_file: Option<PathBuf>,
}

impl Helpers {
    /// The way to them; none where there are none.
    ///
    /// # Errors
    /// When they could play nothing of such a run, an address is none, or who is there is no worker
    /// of this version that knows the token.
    pub fn find(&self, config: &Config, device: &str) -> Result<Option<Arc<dyn Elsewhere>>> {
        if self.workers.is_empty() {
            return Ok(None);
        }
        check(config, device)?;
        let secret = Secret::find(self.token_file.as_deref())?;
        let client = Client::connect(&self.workers, secret)?;
        let method = config.finetune.method;
        if method != FinetuneMethod::NONE && !method.plays_elsewhere() {
            terminal::note(&format!(
                "note: finetune.method {} learns while it practices: workers play evaluations only",
                method.id()
            ));
        }
        Ok(Some(Arc::new(client)))
    }
}

/// Refuses what workers cannot play with the same numbers.
fn check(config: &Config, device: &str) -> Result<()> {
    if config.policy.kind == PolicyKind::Served {
        return Err(Error::input(
            "--workers has no effect here: a served policy is asked from one place; leave it out",
        ));
    }
    if device.split(':').next() != Some("cpu") {
        return Err(Error::input(format!(
            "--workers has no effect with --device {device}: workers compute on CPUs, with other \
             last digits; leave one of them out"
        )));
    }
    Ok(())
}
