//! Finetuning: reinforcement learning that finishes what pretraining began. One folder, one page of docs each.

pub mod best_of_n;
