//! How long a command may be (I12).

use super::{ExecRequest, Unprepared};

/// How long one word or variable may be, in bytes. execve(2), `MAX_ARG_STRLEN`.
const MAX_WORD: usize = 128 * 1024;

/// How long all words and variables, and what the agent says of them, may be together, in bytes.
const MAX_TOGETHER: usize = 1024 * 1024;

/// Refuses what is longer than that. To be called before anything takes the words apart.
///
/// # Errors
/// [`Unprepared::TooLong`].
pub(super) fn check(request: &ExecRequest) -> Result<(), Unprepared> {
    let variable =
        |(name, value): (&String, &String)| name.len().saturating_add(value.len()).saturating_add(1);
    let variables = request.environment.iter().map(variable);
    let executed = request.argv.iter().map(String::len).chain(variables);
    let said = request.justification.iter().chain(request.prefix_rule.iter().flatten()).map(String::len);
    // Each is ended by one more byte, so that empty ones count, too.
    let together = executed
        .clone()
        .chain(said)
        .fold(0_usize, |sum, length| sum.saturating_add(length).saturating_add(1));
    if executed.into_iter().any(|length| length >= MAX_WORD) {
        return Err(Unprepared::TooLong { what: "a word or variable", limit: MAX_WORD });
    }
    if together > MAX_TOGETHER {
        return Err(Unprepared::TooLong { what: "words and variables", limit: MAX_TOGETHER });
    }
    Ok(())
}
