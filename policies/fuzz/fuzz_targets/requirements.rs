//! Any bytes as a requirements file.

#![no_main]

#[path = "../../tests/fuzz/requirements_text.rs"]
mod requirements_text;
#[path = "../../tests/fuzz/words.rs"]
mod words;

libfuzzer_sys::fuzz_target!(|data: &[u8]| requirements_text::requirements_text(data));
