//! Any bytes as a rule file.

#![no_main]

#[path = "../../tests/fuzz/rule_text.rs"]
mod rule_text;

libfuzzer_sys::fuzz_target!(|data: &[u8]| rule_text::rule_text(data));
