//! The audit log from outside: who writes, what is in it, what a crash or a hand that changes it leaves behind.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests fail as tests do"
)]

mod events;
mod full;
mod log;
mod place;
mod reading;
mod redaction;
mod schema;
mod tampering;
mod torn;
mod writers;
