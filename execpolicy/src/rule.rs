//! What rule files declare, as types. Reading them is `rules_file`, matching them is `policy`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Decision, Origin};

/// One position of a pattern.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum PatternToken {
    /// Exactly this word.
    Single(String),
    /// One of these words; never empty.
    AnyOf(Vec<String>),
}

impl PatternToken {
    /// The words that fit, in the order in which they were written.
    pub fn alternatives(&self) -> &[String] {
        match self {
            Self::Single(word) => std::slice::from_ref(word),
            Self::AnyOf(words) => words,
        }
    }
}

/// How the words of a rule are compared with the words of a command.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Spelling {
    /// Byte for byte.
    Exact,
    /// Under full Unicode case folding (Unicode Standard, section 3.13, D144): `canonical_matching = True`.
    Folded,
}

/// Commands that begin with these words, and what is decided of them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PrefixRule {
    /// The first word: a bare program name, or a path.
    pub program: String,
    /// The words that must follow, in order.
    pub rest: Vec<PatternToken>,
    /// The decision.
    pub decision: Decision,
    /// Why, in the words of the rule's author, as written.
    pub justification: Option<String>,
    /// How words are compared.
    pub spelling: Spelling,
    /// Where it was written.
    pub origin: Origin,
}

impl PrefixRule {
    /// How many words of a command it covers: never zero.
    pub fn length(&self) -> usize {
        self.rest.len().saturating_add(1)
    }
}

/// What a network rule speaks of.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Protocol {
    /// `http`
    Http,
    /// `https`, also written `https_connect` and `http-connect`.
    Https,
    /// `socks5_tcp`
    Socks5Tcp,
    /// `socks5_udp`
    Socks5Udp,
}

impl Protocol {
    /// The canonical word of rule files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5Tcp => "socks5_tcp",
            Self::Socks5Udp => "socks5_udp",
        }
    }
}

/// What is decided of one host.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct NetworkRule {
    /// Lower case, without port, brackets and trailing dots.
    pub host: String,
    /// The protocol.
    pub protocol: Protocol,
    /// Allow, prompt or forbidden.
    pub decision: Decision,
    /// Why, as written.
    pub justification: Option<String>,
    /// Where it was written.
    pub origin: Origin,
}

/// The only paths that may go by a bare name where an *allowing* rule names it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct HostExecutable {
    /// One path component.
    pub name: String,
    /// Absolute, lexically normal, each ending in `name`. Empty: no path may use the name.
    pub paths: BTreeSet<String>,
    /// Where it was written.
    pub origin: Origin,
}

/// Everything that one rule file, or one administrator's table of rules, declares.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct RuleSet {
    /// In the order of evaluation.
    pub prefix: Vec<PrefixRule>,
    /// In the order of evaluation.
    pub network: Vec<NetworkRule>,
    /// In the order of evaluation; of two with one name the later holds.
    pub host_executables: Vec<HostExecutable>,
}

/// What [`RuleSet::restricting`] left out, by where it was written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Dropped {
    /// Prefix rules that allow.
    pub prefix: Vec<Origin>,
    /// Network rules that allow.
    pub network: Vec<Origin>,
    /// Lists of paths for a program's name.
    pub host_executables: Vec<Origin>,
}

impl Dropped {
    /// How many declarations were left out.
    pub fn count(&self) -> usize {
        self.prefix.len().saturating_add(self.network.len()).saturating_add(self.host_executables.len())
    }

    /// Where they were written, in the order of [`RuleSet`].
    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.prefix.iter().chain(&self.network).chain(&self.host_executables)
    }
}

impl RuleSet {
    /// What restricts, and nothing else: for files whose author may narrow a policy and not widen it (I10).
    ///
    /// Lists of paths go, too: one replaces an earlier one, and so could let another file's allowing rule match
    /// a program that lies elsewhere. Adding the result to a policy loosens no verdict.
    pub fn restricting(self) -> (Self, Dropped) {
        let mut dropped = Dropped::default();
        let keep = |decision: Decision, origin: &Origin, dropped: &mut Vec<Origin>| {
            let keep = decision.restricts();
            if !keep {
                dropped.push(origin.clone());
            }
            keep
        };
        let Self { mut prefix, mut network, host_executables } = self;
        prefix.retain(|rule| keep(rule.decision, &rule.origin, &mut dropped.prefix));
        network.retain(|rule| keep(rule.decision, &rule.origin, &mut dropped.network));
        dropped.host_executables = host_executables.into_iter().map(|host| host.origin).collect();
        (Self { prefix, network, host_executables: Vec::new() }, dropped)
    }
}

#[cfg(test)]
mod tests {
    use crate::rules_file::load;
    use crate::{Decision, Limits, Policy};

    #[test]
    fn only_what_restricts_is_kept_and_the_rest_is_named() {
        let text = r#"
prefix_rule(["git"])
prefix_rule(["git", "push"], "prompt")
prefix_rule(["rm"], "forbidden")
network_rule("a", "https", "allow")
network_rule("b", "https", "prompt")
network_rule("c", "https", "deny")
host_executable("git", ["/opt/git"])
"#;
        let rules = load("p.rules", text, &Policy::default(), &Limits::default()).unwrap();
        let (kept, dropped) = rules.restricting();
        let decisions: Vec<_> = kept.prefix.iter().map(|rule| rule.decision).collect();
        assert_eq!(decisions, [Decision::Prompt, Decision::Forbidden]);
        let hosts: Vec<_> = kept.network.iter().map(|rule| rule.host.as_str()).collect();
        assert_eq!(hosts, ["b", "c"]);
        assert_eq!(kept.host_executables, []);
        let lines: Vec<_> = dropped.origins().map(ToString::to_string).collect();
        assert_eq!(lines, ["p.rules:2", "p.rules:5", "p.rules:8"]);
        assert_eq!(dropped.count(), 3);
        assert_eq!(kept.clone().restricting(), (kept, super::Dropped::default()));
    }
}
