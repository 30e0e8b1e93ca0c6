//! How far allowing rules let a command run.
//!
//! A rule on a program allows that program: not another one that it starts, not a script that it runs, not a
//! file of the same name elsewhere, and no option that makes it another tool. What a rule does not reach is a
//! *gap*, and a command with a gap is not allowed by rules; it runs like one that no rule speaks of.

use super::dissect::{Feed, is_elsewhere, is_trusted_shell};
use super::judge::shown;
use super::within::{Exploration, InnerScript, Within, explore};
use crate::command::{Word, all_literal, program_name};
use crate::knowledge::interpreters::Place;
use crate::knowledge::{self, Effect, GuardHit, WRAPPER_DEPTH_LIMIT};
use crate::policy::PrefixMatch;
use crate::shell::{self, Dialect, Directory, Source};
use crate::{Context, Origin, Policy};

/// What allowing rules say of one command.
pub(super) struct Permission<'p> {
    /// The rules.
    pub(super) rules: Vec<PrefixMatch<'p>>,
    /// How many words the longest of them names; 0 if there is none.
    pub(super) reach: usize,
    /// Why that is not enough.
    pub(super) gaps: Vec<Gap>,
    /// Options beyond the reach that run a program or write a file.
    pub(super) guards: Vec<GuardHit>,
}

/// Something that the rules do not speak of.
pub(super) struct Gap {
    /// In words for people.
    pub(super) why: String,
    /// The row of a table, if one says so.
    pub(super) source: Option<Origin>,
}

impl Permission<'_> {
    /// Whether it may run as it stands.
    pub(super) fn granted(&self) -> bool {
        self.reach > 0 && self.gaps.is_empty() && self.guards.is_empty()
    }

    fn gap(&mut self, why: impl Into<String>) {
        self.gaps.push(Gap { why: why.into(), source: None });
    }
}

/// Asks the allowing rules. `moved`: whether the command starts in another directory than its author sees.
pub(super) fn permission<'p>(
    policy: &'p Policy,
    argv: &[String],
    context: &Context<'_>,
    exploration: &Exploration,
    moved: bool,
    depth: usize,
) -> Permission<'p> {
    let rules = policy.allowing(argv, context.programs);
    let reach = rules.iter().map(|found| found.matched).max().unwrap_or(0);
    let words = Word::all(argv);
    let mut permission = Permission { rules, reach, gaps: Vec::new(), guards: Vec::new() };
    if reach == 0 {
        permission.guards = knowledge::guard_hits(&words);
    } else {
        Asker { policy, context, moved, depth }.examine(&words, reach, exploration, &mut permission);
    }
    permission
}

/// Who wants to know, and where the command stands.
#[derive(Clone, Copy)]
struct Asker<'a> {
    policy: &'a Policy,
    context: &'a Context<'a>,
    moved: bool,
    depth: usize,
}

impl Asker<'_> {
    /// What of a command lies beyond the first `reach` words, which a rule names.
    fn examine(&self, words: &[Word], reach: usize, exploration: &Exploration, found: &mut Permission<'_>) {
        for hit in knowledge::guard_hits(words) {
            if hit.words.start < reach || !is_known(words, &hit) {
                continue;
            }
            if hit.effect == Effect::ReadsConfig {
                let why = format!("the rule does not name `{}`: {}", hit.option, hit.note.why);
                found.gaps.push(Gap { why, source: Some(hit.note.origin.clone()) });
            } else {
                found.guards.push(hit);
            }
        }
        self.code(words, reach, found);
        if self.moved && trusts_its_directory(words) {
            found.gap("it starts in another directory, and what it does depends on what lies there");
        }
        if shell::invocation(words).is_none() {
            self.inner(words, reach, exploration, found);
        }
    }

    /// The code of shells and interpreters.
    fn code(&self, words: &[Word], reach: usize, found: &mut Permission<'_>) {
        let Some(code) = knowledge::code_word(words) else { return };
        match code.place {
            Place::Word(index) if index < reach => {
                let path = words.get(index).and_then(Word::literal).unwrap_or_default();
                if self.moved && !path.starts_with('/') {
                    found.gap("the rule names a script, and another directory holds another one");
                }
            }
            Place::Word(_) | Place::Stdin | Place::Unclear => {
                if !self.allows_call(words) {
                    let named = shell::join(&shown(words.get(..reach).unwrap_or(words)));
                    found.gap(format!("the rule names only `{named}`, not the code that it runs"));
                }
            }
        }
    }

    /// The commands and scripts that it starts, and that neither the rule names nor other rules allow.
    fn inner(&self, words: &[Word], reach: usize, exploration: &Exploration, found: &mut Permission<'_>) {
        let mut settled_elsewhere = false;
        // What may only perhaps be a command is one where commands belong; in the arguments of other tools it
        // is for the guards on their options to say.
        let program = words.first().and_then(Word::literal).unwrap_or_default();
        let wrapper = knowledge::is_wrapper(program_name(program));
        for within in exploration.direct().filter(|within| !within.in_script) {
            let named = within.named_at.map_or(0, |at| reach.saturating_sub(at));
            if !within.certain && named == 0 && !wrapper {
                continue;
            }
            match self.beyond(within, named) {
                Some(rest) if rest.gaps.is_empty() && rest.guards.is_empty() => {}
                _ if within.certain && self.allows(&within.words) => settled_elsewhere = true,
                Some(rest) => {
                    found.gaps.extend(rest.gaps);
                    found.guards.extend(rest.guards);
                }
                None => {
                    let inner = shell::join(&shown(&within.words));
                    found.gap(format!("the rule does not name `{inner}`, which it starts"));
                }
            }
        }
        for script in &exploration.scripts {
            if names_script(words, reach, script) || !(wrapper || script.certain) {
                continue;
            }
            if script.certain && self.allows_text(script) {
                settled_elsewhere = true;
            } else {
                found.gap("the rule does not name the script that it runs");
            }
        }
        for why in &exploration.unclear {
            found.gap(format!("the rule does not say what it starts: {why}"));
        }
        // Rules that allow what stands inside speak of it as it is outside.
        if settled_elsewhere && knowledge::environment_changes(words) {
            found.gap("it changes the environment of what it starts, and no rule speaks of that");
        }
    }

    /// What of an inner command lies beyond the words of it that the rule names; `None` if it names none.
    fn beyond(&self, within: &Within, named: usize) -> Option<Permission<'static>> {
        if named == 0 {
            return None;
        }
        let mut rest = Permission { rules: Vec::new(), reach: named, gaps: Vec::new(), guards: Vec::new() };
        match self.deeper() {
            Some(deeper) => {
                let exploration = explore(&within.words, &Feed::Nothing, None);
                deeper.examine(&within.words, named, &exploration, &mut rest);
            }
            None => rest.gap("more commands stand one behind the other than are looked at"),
        }
        Some(rest)
    }

    fn deeper(&self) -> Option<Self> {
        let depth = self.depth.saturating_add(1);
        (depth <= WRAPPER_DEPTH_LIMIT).then_some(Self { depth, ..*self })
    }

    /// Whether rules allow this command in the same sense.
    fn allows(&self, words: &[Word]) -> bool {
        let (Some(argv), Some(deeper)) = (all_literal(words), self.deeper()) else { return false };
        let exploration = explore(words, &Feed::Nothing, None);
        permission(self.policy, &argv, self.context, &exploration, self.moved, deeper.depth).granted()
    }

    /// Whether a nested shell's script is plain, and rules allow each of its commands.
    fn allows_call(&self, words: &[Word]) -> bool {
        let Some(invocation) = shell::invocation(words) else { return false };
        let Source::Script { text, .. } = invocation.source else { return false };
        let program = words.first().and_then(Word::literal);
        invocation.constructs.is_empty()
            && program.is_some_and(|program| is_trusted_shell(program, self.context.programs))
            && self.allows_script(&text, invocation.dialect)
    }

    fn allows_text(&self, script: &InnerScript) -> bool {
        self.allows_script(&script.text, script.dialect)
    }

    fn allows_script(&self, text: &str, dialect: Dialect) -> bool {
        let script = shell::read(text, dialect);
        script.is_plain()
            && script.commands.iter().all(|command| {
                let moved = match &command.directory {
                    Directory::Initial => self.moved,
                    elsewhere @ (Directory::Path(_) | Directory::Unknown) => {
                        self.context.moved || is_elsewhere(elsewhere, self.context.cwd)
                    }
                };
                command.redirections.iter().all(|redirection| !redirection.writes)
                    && Asker { moved, ..*self }.allows(&command.words)
            })
    }
}

/// Whether a rule that reaches so far names what stands there.
pub(super) fn named(at: Option<usize>, reach: usize) -> bool {
    at.is_some_and(|at| at < reach)
}

/// Whether a rule names a script: its one word, or where it is joined from several, or gets arguments, all.
fn names_script(words: &[Word], reach: usize, script: &InnerScript) -> bool {
    let Some(at) = script.named_at else { return false };
    let two: Vec<&str> = words.iter().skip(at).take(2).filter_map(Word::literal).collect();
    let joined = two.len() == 2 && script.text.starts_with(&two.join(" "));
    reach >= words.len() || named(Some(at), reach) && !joined && !knowledge::environment_changes(words)
}

/// Whether all words of a hit are known. One that is known only when it runs may be any option: a rule that
/// names the command before it speaks of that, too, and in a script it would ask about every variable.
pub(super) fn is_known(words: &[Word], hit: &GuardHit) -> bool {
    let words = words.get(hit.words.clone()).unwrap_or_default();
    words.iter().all(|word| word.literal().is_some())
}

/// Whether its words may mean something else in another directory: a relative program is another file there,
/// git runs what the configuration of the repository around it says (git-config(1), `core.fsmonitor`), and
/// build tools run what lies there. What only reads and prints does not.
fn trusts_its_directory(words: &[Word]) -> bool {
    knowledge::known_safe(words).is_none()
}
