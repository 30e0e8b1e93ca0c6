// What people read has to be fit to be printed.

/// Fails for a text with control characters, or one that says nothing.
pub(crate) fn is_printable(text: &str) {
    assert!(!text.is_empty() && !text.chars().any(char::is_control), "{text:?}");
}

/// Fails unless message and help are lines, and the place is one that can be looked up.
pub(crate) fn is_usable(error: &impl std::fmt::Display, help: &str, position: Option<&policies::Position>) {
    is_printable(&error.to_string());
    is_printable(help);
    assert!(position.is_none_or(|at| at.line >= 1 && at.column >= 1), "{position:?}");
}
