//! What the commands share, and the tests of it use.

pub mod files;
