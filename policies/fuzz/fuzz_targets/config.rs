//! Any bytes as a config file.

#![no_main]

#[path = "../../tests/fuzz/config_text.rs"]
mod config_text;
#[path = "../../tests/fuzz/words.rs"]
mod words;

libfuzzer_sys::fuzz_target!(|data: &[u8]| config_text::config_text(data));
