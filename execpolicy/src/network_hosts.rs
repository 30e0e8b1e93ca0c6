//! Network rules of any number of files as two lists of hosts.

use std::collections::BTreeSet;

use crate::Decision;
use crate::rule::NetworkRule;

/// The hosts that rule files allow and deny, whatever the protocol.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NetworkHosts {
    /// Allowed by the last rule that says anything of them.
    pub allowed: BTreeSet<String>,
    /// Forbidden by the last rule that says anything of them.
    pub denied: BTreeSet<String>,
}

impl NetworkHosts {
    /// Applies the rules in order. A rule that asks for a prompt leaves a host where it is: the prompt is
    /// what hosts of neither list get.
    pub fn compile<'a>(rules: impl IntoIterator<Item = &'a NetworkRule>) -> Self {
        let mut hosts = Self::default();
        for rule in rules {
            match rule.decision {
                Decision::Allow => {
                    hosts.denied.remove(&rule.host);
                    hosts.allowed.insert(rule.host.clone());
                }
                Decision::Forbidden => {
                    hosts.allowed.remove(&rule.host);
                    hosts.denied.insert(rule.host.clone());
                }
                Decision::Prompt | Decision::PromptUser => {}
            }
        }
        hosts
    }

    /// Joins what two authorities say: a host that either denies is denied, whoever spoke last.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let denied: BTreeSet<String> = self.denied.union(&other.denied).cloned().collect();
        let allowed =
            self.allowed.union(&other.allowed).filter(|host| !denied.contains(*host)).cloned().collect();
        Self { allowed, denied }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::NetworkHosts;
    use crate::rules_file::load;
    use crate::{Limits, Policy};

    #[test]
    fn no_beats_yes_between_authorities() {
        let hosts = |allowed: &[&str], denied: &[&str]| {
            let set = |hosts: &[&str]| hosts.iter().map(|host| (*host).to_owned()).collect::<BTreeSet<_>>();
            NetworkHosts { allowed: set(allowed), denied: set(denied) }
        };
        let (one, other) = (hosts(&["a", "b"], &["c"]), hosts(&["c", "d"], &["a"]));
        let expect = hosts(&["b", "d"], &["a", "c"]);
        assert_eq!(one.clone().join(other.clone()), expect);
        assert_eq!(other.join(one), expect);
    }

    #[test]
    fn the_last_writer_wins() {
        let text = r#"
network_rule("a", "http", "allow")
network_rule("A.", "https", "deny")
network_rule("b", "https", "forbidden")
network_rule("b:443", "https", "allow")
network_rule("b", "https", "prompt")
network_rule("c", "https", "prompt")
"#;
        let rules = load("a.rules", text, &Policy::default(), &Limits::default()).unwrap();
        let hosts = NetworkHosts::compile(&rules.network);
        assert_eq!(hosts.denied.into_iter().collect::<Vec<_>>(), ["a"]);
        assert_eq!(hosts.allowed.into_iter().collect::<Vec<_>>(), ["b"]);
    }
}
