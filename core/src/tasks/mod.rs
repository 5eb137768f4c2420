//! One file per task: observation, success, randomisation, scripted expert; written against [`crate::sim::Sim`].
