//! Prefix rules of any number of files, compiled, and the three ways of asking them.
//!
//! [`Policy::check`] is what the report prints: the established reading, word for word. Sessions ask
//! [`Policy::restrictive`] and [`Policy::allowing`] instead, which differ from it in one direction only:
//! a prohibition is found in more places, a permission in fewer.

pub(crate) mod fold;
mod index;
pub(crate) mod missing;
pub(crate) mod paths;

use std::collections::{BTreeMap, BTreeSet};

use crate::Programs;
use crate::command::Word;
use crate::policy::index::{Hits, Index, RuleId};
pub use crate::policy::missing::MissingRules;
use crate::rule::{HostExecutable, NetworkRule, PrefixRule, RuleSet};

/// Whether a program that is named by a path may match rules for its bare name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resolution {
    /// Rules see the first word as it is written.
    AsWritten,
    /// Where no rule matches that, rules for the last component are tried: `--resolve-host-executables`.
    ByBasename,
}

/// A rule that covers a command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PrefixMatch<'a> {
    /// The rule.
    pub rule: &'a PrefixRule,
    /// How many words of the command it covers.
    pub matched: usize,
    /// Whether it covers the command whatever its unknown words become.
    pub certain: bool,
    /// The covered words in the command's own spelling; only the known ones if not `certain`. The first is
    /// the bare name if the rule was found by it.
    pub matched_prefix: Vec<String>,
    /// The path behind the bare name, if the rule was found by that.
    pub resolved_program: Option<String>,
}

/// Rules, ready to be asked. Later sets add to earlier ones and never weaken what those restrict.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    rules: Vec<PrefixRule>,
    network: Vec<NetworkRule>,
    host_executables: BTreeMap<String, HostExecutable>,
    allowing: Index,
    restrictive: Index,
    missing: Vec<MissingRules>,
}

impl FromIterator<RuleSet> for Policy {
    fn from_iter<I: IntoIterator<Item = RuleSet>>(sets: I) -> Self {
        let mut policy = Self::default();
        for set in sets {
            policy.add(set);
        }
        policy
    }
}

impl Policy {
    /// Appends the rules of one more file. A list of paths for a program's name replaces an earlier one.
    pub fn add(&mut self, set: RuleSet) {
        for rule in set.prefix {
            let index = if rule.decision.restricts() { &mut self.restrictive } else { &mut self.allowing };
            index.add(self.rules.len(), &rule);
            self.rules.push(rule);
        }
        self.network.extend(set.network);
        for host in set.host_executables {
            self.host_executables.insert(host.name.clone(), host);
        }
    }

    /// Notes that rules which belong here could not be read.
    ///
    /// From then on each part of a command that rules do not allow, and that no rule asks about or refuses, is
    /// asked about as if a rule said so: refused under `never`, and where the approval policy has `rules` off.
    /// What rules do speak of is judged as before. No rule is offered where nothing else would ask: it would
    /// silence the question for good, and let the command out of the sandbox besides, while the file that
    /// may forbid it stays broken.
    pub fn add_missing(&mut self, missing: MissingRules) {
        self.missing.push(missing);
    }

    /// The rules that could not be read, in load order.
    pub fn missing(&self) -> &[MissingRules] {
        &self.missing
    }

    /// All prefix rules in load order.
    pub fn rules(&self) -> &[PrefixRule] {
        &self.rules
    }

    /// All network rules in load order.
    pub fn network_rules(&self) -> &[NetworkRule] {
        &self.network
    }

    /// The paths that may go by a bare name, by name, as they finally hold.
    pub fn host_executables(&self) -> &BTreeMap<String, HostExecutable> {
        &self.host_executables
    }

    /// Every rule that covers the command, as the report prints them: rules for the first word as it is
    /// written, and only if there are none, and if `resolve` says so, rules for its last component.
    /// `cwd` is absolute and completes relative programs.
    pub fn check(&self, argv: &[String], resolve: Resolution, cwd: &str) -> Vec<PrefixMatch<'_>> {
        self.check_with(&self.host_executables, argv, resolve, cwd)
    }

    /// [`Policy::check`] under another policy's lists of paths.
    pub(crate) fn check_with(
        &self,
        host_executables: &BTreeMap<String, HostExecutable>,
        argv: &[String],
        resolve: Resolution,
        cwd: &str,
    ) -> Vec<PrefixMatch<'_>> {
        let Some((program, rest)) = argv.split_first() else { return Vec::new() };
        let exact = self.find_all(program, rest);
        if !exact.is_empty() || resolve == Resolution::AsWritten {
            return self.matches(&exact, program, rest, None);
        }
        let path = paths::absolute(cwd, program);
        let Some(name) = paths::last_component(&path) else { return Vec::new() };
        if host_executables.get(name).is_some_and(|host| !host.paths.contains(&path)) {
            return Vec::new();
        }
        let found = self.find_all(name, rest);
        self.matches(&found, name, rest, Some(&path))
    }

    /// Every restricting rule that covers the command, or may cover it.
    ///
    /// Wider than [`Policy::check`] on purpose: the last component of any path counts, relative or not, and
    /// `host_executable` does not excuse a program, or a copy at another path would escape the prohibition.
    /// A rule that matches only if an unknown word becomes something is not `certain`; of those, the first
    /// of each decision is given, so that the answer stays short however many rules there are.
    pub fn restrictive(&self, words: &[Word]) -> Vec<PrefixMatch<'_>> {
        let Some((program, rest)) = words.split_first() else { return Vec::new() };
        let Some(program) = program.literal() else {
            let mut hits = Hits::default();
            self.restrictive.find_words(None, rest, &mut hits);
            return self.possible(hits.possible, &BTreeSet::new(), &[]);
        };
        let mut matches: Vec<PrefixMatch<'_>> = Vec::new();
        let mut certain = BTreeSet::new();
        let mut possible = Vec::new();
        for name in paths::names_of(program) {
            let mut hits = Hits::default();
            self.restrictive.find_words(Some(&name), rest, &mut hits);
            hits.certain.retain(|id| certain.insert(*id));
            possible.extend(hits.possible);
            if hits.certain.is_empty() {
                continue;
            }
            let path = (name != program).then_some(program);
            matches.extend(self.matches(&hits.certain, &name, &known(rest), path));
        }
        if possible.is_empty() {
            return matches;
        }
        let words: Vec<String> = std::iter::once(program.to_owned()).chain(known(rest)).collect();
        matches.extend(self.possible(possible, &certain, &words));
        matches
    }

    /// Every allowing rule that covers the command.
    ///
    /// Narrower than [`Policy::check`] on purpose: rules for a bare name cover a path only if it is
    /// absolute as written, without `..` (which a symbolic link may lead elsewhere), not replaceable by the
    /// sandboxed side, and in the name's `host_executable` list where there is one. A rule on the text of
    /// the first word, be it a relative path, is its author's own word and matches that text alone.
    pub fn allowing(&self, argv: &[String], programs: &dyn Programs) -> Vec<PrefixMatch<'_>> {
        let Some((program, rest)) = argv.split_first() else { return Vec::new() };
        let exact = find(&self.allowing, program, rest);
        if !exact.is_empty() {
            return self.matches(&exact, program, rest, None);
        }
        if !paths::plainly_absolute(program) {
            return Vec::new();
        }
        let path = paths::absolute("/", program);
        let Some(name) = paths::last_component(&path) else { return Vec::new() };
        if !self.may_use_name(&path, name) || programs.replaceable(&path) {
            return Vec::new();
        }
        let mut found = find(&self.allowing, name, rest);
        found.retain(|&id| self.rules.get(id).is_some_and(|rule| self.may_use_name(&path, &rule.program)));
        self.matches(&found, name, rest, Some(&path))
    }

    /// The rules that cover exactly these words, by their position in [`Policy::rules`].
    pub(crate) fn covering(&self, words: &[String]) -> Vec<usize> {
        words.split_first().map(|(program, rest)| self.find_all(program, rest)).unwrap_or_default()
    }

    fn may_use_name(&self, path: &str, name: &str) -> bool {
        self.host_executables.get(name).is_none_or(|host| host.paths.contains(path))
    }

    fn find_all(&self, program: &str, rest: &[String]) -> Vec<RuleId> {
        let mut found = find(&self.allowing, program, rest);
        self.restrictive.find(program, rest, &mut found);
        found
    }

    /// Rules under the program's own spelling come first, the others after them, each in load order.
    fn matches(
        &self,
        found: &[RuleId],
        program: &str,
        rest: &[String],
        path: Option<&str>,
    ) -> Vec<PrefixMatch<'_>> {
        let mut rules: Vec<(bool, RuleId, &PrefixRule)> = found
            .iter()
            .filter_map(|&id| self.rules.get(id).map(|rule| (rule.program != program, id, rule)))
            .collect();
        rules.sort_unstable_by_key(|&(other_spelling, id, _)| (other_spelling, id));
        let matched = |rule: &PrefixRule| {
            let rest = rest.iter().take(rule.rest.len()).cloned();
            std::iter::once(program.to_owned()).chain(rest).collect()
        };
        rules
            .into_iter()
            .map(|(_, _, rule)| PrefixMatch {
                rule,
                matched: rule.length(),
                certain: true,
                matched_prefix: matched(rule),
                resolved_program: path.map(str::to_owned),
            })
            .collect()
    }

    /// The first of each decision.
    fn possible(
        &self,
        mut found: Vec<RuleId>,
        certain: &BTreeSet<RuleId>,
        known: &[String],
    ) -> Vec<PrefixMatch<'_>> {
        found.sort_unstable();
        let mut seen = BTreeSet::new();
        found
            .into_iter()
            .filter(|id| !certain.contains(id))
            .filter_map(|id| self.rules.get(id))
            .filter(|rule| seen.insert(rule.decision))
            .map(|rule| PrefixMatch {
                rule,
                matched: rule.length(),
                certain: false,
                matched_prefix: known.iter().take(rule.length()).cloned().collect(),
                resolved_program: None,
            })
            .collect()
    }
}

fn find(index: &Index, program: &str, rest: &[String]) -> Vec<RuleId> {
    let mut found = Vec::new();
    index.find(program, rest, &mut found);
    found
}

/// The words before the first unknown one.
fn known(words: &[Word]) -> Vec<String> {
    crate::command::literal_prefix(words).into_iter().map(str::to_owned).collect()
}
