//! Files of robomimic (robomimic.github.io/docs/datasets/overview.html), HDF5: read as datasets of
//! ours, and written from them.
//!
//! | file | what |
//! |---|---|
//! | `hdf5/` | reading HDF5, guarded: all that knows the crate |
//! | `env_args.rs`, `names.rs` | which task is shown; what they call tasks and observations |
//! | `demo.rs`, `observations.rs` | a demonstration as an episode |
//! | `import.rs`, `lists.rs`, `found.rs` | a file as a dataset |
//! | `export.rs`, `writer.rs` | a dataset as a file; writing HDF5 |
//! | `marks.rs` | what our own files say beside, so that nothing is lost there and back |

mod demo;
mod env_args;
mod export;
mod found;
mod hdf5;
mod import;
mod lists;
mod marks;
mod names;
mod observations;
mod older;
mod writer;

pub use export::{Export, Exported};
pub use import::{Imported, Source, Wishes, is_hdf5, refuse_for_others};
