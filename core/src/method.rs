//! What there is to say of a method without running it.
//!
//! A method's own folder holds its row ([`crate::pretrain::Method`], [`crate::finetune::Method`]):
//! this, and the functions that make it. The command line, reports, docs and the page read the
//! rows. This part of a row refers to no code, so that the page, which does not learn, can read it
//! without loading what learns.

pub(crate) use crate::error::or_list;
use crate::error::{excerpt, nearest_few};
use crate::policy::PolicyKind;
use crate::settings::Choice;
use crate::{Error, Result};
use std::future::Future;
use std::pin::Pin;

/// What a method does in its own time. It need not move between threads, and in a browser it
/// cannot.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// What there is to say of a method.
#[derive(Debug, PartialEq)]
pub struct MethodInfo {
    /// As configurations, flags and files write it: `best-of-n`. Its settings have the same name,
    /// with `_` for `-`.
    pub id: &'static str,
    /// As people write it: `best-of-N`.
    pub label: &'static str,
    /// What it does, in one sentence for visitors of the page.
    pub sentence: &'static str,
    /// What it is, in one line for those who choose among methods.
    pub about: &'static str,
    /// Where it was published.
    pub paper: Option<Paper>,
    /// Its color on the page, where it has a lane of its own.
    pub color: Option<Color>,
    /// Kinds of policy that it can train, or improve.
    pub policies: &'static [PolicyKind],
    /// Why no others: completes "it ...".
    pub(crate) because: &'static str,
    /// Pixels along each side of the smallest pictures that it can learn from; none: it learns from
    /// states only.
    pub(crate) smallest_image: Option<usize>,
    /// Whether it decides on every action by itself, and not on chunks.
    pub per_step: bool,
    /// Whether it learns from demonstrations.
    pub demos: DemoUse,
    /// What it lets one look into, beside success.
    pub(crate) insights: &'static [Insight],
    /// Whether the page offers it.
    pub on_page: bool,
}

/// Whether a method learns from demonstrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DemoUse {
    /// It has no use for them.
    Unused,
    /// From those that there are; whether it can do without depends on its settings.
    Optional,
    /// It cannot do without.
    Required,
}

/// Where a method was published.
#[derive(Debug, PartialEq, Eq)]
pub struct Paper {
    /// Authors and year.
    pub citation: &'static str,
    /// Its address.
    pub link: &'static str,
}

/// A color in two lights.
#[derive(Debug, PartialEq, Eq)]
pub struct Color {
    /// The custom property and class of the style sheets, without `--`.
    pub name: &'static str,
    /// In the 3D view of a light page, `#rrggbb`.
    pub light: &'static str,
    /// In that of a dark page.
    pub dark: &'static str,
}

/// What reports and the page can show of a method, beside success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insight {
    /// How widely its policy spreads its actions, beside a policy of plain cloning.
    Spread,
    /// A model of the task, whose predictions can be compared with what happens.
    WorldModel,
    /// How learning beside the pretrained policy began, and how far it fell.
    Improvement,
    /// A reward that is learned.
    LearnedReward,
}

impl MethodInfo {
    /// Whether it can train or improve policies of this kind.
    pub(crate) fn accepts(&self, kind: PolicyKind) -> bool {
        self.policies.contains(&kind)
    }

    /// Whether it acts beside a pretrained policy that goes on deciding on chunks: on every action,
    /// and whatever the policy's kind, even one that another program serves.
    pub(crate) fn acts_beside(&self) -> bool {
        self.per_step && self.accepts(PolicyKind::Served)
    }

    /// Whether it lets one look into this.
    pub fn shows(&self, insight: Insight) -> bool {
        self.insights.contains(&insight)
    }
}

/// The method called `id`, for `stage` ("pretraining" or "finetuning").
///
/// # Errors
/// Names the nearest.
pub(crate) fn by_id(
    stage: &str,
    methods: &[&'static MethodInfo],
    id: &str,
) -> Result<&'static MethodInfo> {
    if let Some(method) = methods.iter().find(|method| method.id == id) {
        return Ok(method);
    }
    let names: Vec<&str> = methods.iter().map(|method| method.id).collect();
    let near = nearest_few(id, &names);
    let id = excerpt(id);
    Err(Error::input(format!(
        "there is no {stage} method `{id}`; did you mean {near}?"
    )))
}

/// The names of methods, as values of a setting.
pub(crate) const fn choices<const N: usize>(methods: &[&'static MethodInfo; N]) -> [Choice; N] {
    let none = Choice {
        name: "",
        meaning: "",
    };
    let mut choices = [none; N];
    let mut i = 0;
    while i < N {
        choices[i].name = methods[i].id;
        choices[i].meaning = methods[i].about;
        i += 1;
    }
    choices
}
