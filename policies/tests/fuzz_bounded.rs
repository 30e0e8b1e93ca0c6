//! The fuzz targets, run for a few seconds over mutations of a corpus.
//!
//! `FUZZ_SECONDS` sets how long (default 5), `FUZZ_SEED` repeats a run. The targets with coverage feedback
//! are in `fuzz/`.

#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[path = "fuzz/config_text.rs"]
mod config_text;
#[path = "../../execpolicy/tests/fuzz/driver.rs"]
mod driver;
#[path = "fuzz/requirements_text.rs"]
mod requirements_text;
#[path = "fuzz/words.rs"]
mod words;

/// Pieces that TOML, config files and requirements find interesting.
const PIECES: &[&str] = &[
    "'",
    "\"",
    "'''",
    "\"\"\"",
    "\\",
    "\\u0000",
    "\\U0010ffff",
    "\n",
    "\r\n",
    " ",
    "\t",
    "=",
    ".",
    ",",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "{}",
    "[]",
    "#",
    ":",
    "*",
    "**/",
    "?",
    "~",
    "~/",
    "/",
    "..",
    "-1",
    "0x1",
    "1e9",
    "nan",
    "2026-01-01",
    "true",
    "false",
    "\0",
    "\x1b[2J",
    "\u{202e}",
    "\u{feff}",
    "é",
    "`",
    "a",
    "a.b.c.d.e.f = 1\n",
    "strict = true\n",
    "permissions",
    "filesystem",
    "extends = 'p'\n",
    "':root' = 'write'\n",
    "':workspace_roots'",
    "':danger-full-access'",
    "deny_read = ['/']\n",
    "default_permissions = 'p'\n",
    "allowed_permission_profiles",
    "allowed_sandbox_modes = ['read-only']\n",
    "allowed_web_search_modes = []\n",
    "{ match = 'regex', expression = '(' }",
    "{ token = 'x' }",
    "any_of = ['a', 'b']",
    "decision = 'prompt'",
    "hostname_patterns = ['*']",
    "granular",
    "'deny'",
    "'read'",
    "writable_roots",
];

#[test]
fn config_text() {
    driver::run(config_text::config_text, "config", PIECES);
}

#[test]
fn requirements_text() {
    driver::run(requirements_text::requirements_text, "requirements", PIECES);
}
