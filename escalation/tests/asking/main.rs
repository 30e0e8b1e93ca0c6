//! What is asked, in which words, and what follows from each answer. Nothing is run here: see `runs`.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests stop at the first surprise"
)]

mod cases;
mod clients;
mod ground;
mod holding;
mod hosts;
mod keys;
mod names;
mod on_record;
mod permits;
mod turns;
