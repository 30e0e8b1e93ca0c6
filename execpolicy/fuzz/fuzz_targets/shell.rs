//! Any bytes as shell text.

#![no_main]

#[path = "../../tests/fuzz/shell_text.rs"]
mod shell_text;

libfuzzer_sys::fuzz_target!(|data: &[u8]| shell_text::shell_text(data));
