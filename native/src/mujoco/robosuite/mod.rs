//! robosuite's manipulation tasks (robosuite 1.5.2) on MuJoCo: a Panda arm that stands at a table.

mod package;
mod scene;
