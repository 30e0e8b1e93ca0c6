//! The order in which variables are shown.
//!
//! Whoever sets many may hide one among them. So those through which programs load code come first, and those that only
//! change how something looks come last. It is an order and no judgement: all of them are counted, and all are shown.

use std::collections::BTreeMap;

use crate::exec::loaders::is_loader;

/// Families of names, besides those that make a program load code: where programs find programs and settings, whom
/// they ask on the network, and what runs for them.
const FAMILIES: &[&str] = &[
    "BASH", "CARGO", "CURL", "DYLD_", "GIT_", "GCONV", "JAVA", "LD_", "LESS", "MAKE", "NODE", "NPM_", "PERL",
    "PIP_", "PYTHON", "RUBY", "RUST", "SSH_", "SSL_", "SUDO_", "XDG_", "ZDOTDIR",
];
const NAMES: &[&str] =
    &["PATH", "HOME", "SHELL", "IFS", "PS4", "PROMPT_COMMAND", "BROWSER", "TMPDIR", "TERMINFO", "TERMCAP"];
/// What only changes how something looks.
const LOOKS: &[&str] = &["LC_", "LANG", "TERM", "COLUMNS", "LINES", "NO_COLOR", "TZ"];

/// All variables, with the weighty ones first, by name among equals.
pub(super) fn in_order(environment: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    let mut variables: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    variables.sort_by_key(|(name, _)| rank(name));
    variables
}

fn rank(name: &str) -> u8 {
    // Some programs know names in small letters: `http_proxy`, `npm_config_…`.
    let upper = name.to_ascii_uppercase();
    let begins = |families: &[&str]| families.iter().any(|family| upper.starts_with(family));
    if is_loader(name) || begins(FAMILIES) || NAMES.contains(&upper.as_str()) || upper.contains("PROXY") {
        0
    } else if begins(LOOKS) {
        2
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_weighty_hides_behind_the_alphabet() {
        let names =
            ["A", "LC_ALL", "http_proxy", "BASH_ENV", "Z", "GIT_SSH_COMMAND", "TERM", "LD_X", "PAGER"];
        let environment = names.map(|name| (name.to_owned(), String::new())).into();
        let order: Vec<&str> = in_order(&environment).into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            order,
            ["BASH_ENV", "GIT_SSH_COMMAND", "LD_X", "PAGER", "http_proxy", "A", "Z", "LC_ALL", "TERM"]
        );
    }
}
