//! The fuzz targets, run for a few seconds over mutations of a corpus.
//!
//! `FUZZ_SECONDS` sets how long (default 5), `FUZZ_SEED` repeats a run. The targets with coverage feedback
//! are in `fuzz/`.

#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[path = "fuzz/driver.rs"]
mod driver;
#[path = "fuzz/rule_text.rs"]
mod rule_text;
#[path = "fuzz/shell_text.rs"]
mod shell_text;

/// Pieces that shells and rule files find interesting.
const PIECES: &[&str] = &[
    "'",
    "\"",
    "\\",
    "\n",
    " ",
    "\t",
    ";",
    "&",
    "|",
    "<",
    ">",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "$",
    "`",
    "*",
    "~",
    "#",
    "=",
    "!",
    "$(",
    "${",
    "$((",
    "))",
    "<<E\n",
    "\nE\n",
    "<<-E\n",
    "<<<",
    "&>",
    ">&",
    "|&",
    "&&",
    "||",
    "$'",
    "$\"",
    "case x in",
    "esac",
    "if ",
    "then",
    "for i in",
    "do ",
    "done",
    ";;",
    "f()",
    "2>",
    "\r",
    "\0",
    "\u{a0}",
    "é",
    "[[",
    "{a,b}",
    "a",
    "prefix_rule(",
    "pattern=[\"git\", ",
    "decision=\"prompt\"",
    "canonical_matching=True",
    "network_rule(\"h\", \"http\", \"deny\")\n",
    "host_executable(\"git\", [\"/usr/bin/git\"])\n",
    "match=[\"git a\"]",
    "X = [",
    "'''",
    "\\x41",
    "\\u00e9",
    "# ",
    "\u{feff}",
    "0x1",
    "f\"{",
];

#[test]
fn shell_text() {
    driver::run(shell_text::shell_text, "shell", PIECES);
}

#[test]
fn rule_text() {
    driver::run(rule_text::rule_text, "rules", PIECES);
}
