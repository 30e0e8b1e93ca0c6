//! The commands that a command consists of: itself, and those of the scripts among its words.

use std::collections::{BTreeSet, VecDeque};

use execpolicy::Word;
use execpolicy::command::all_literal;
use execpolicy::knowledge::{Inner, Place, code_word, interpreter, look_through};
use execpolicy::shell::{self, Directory, RedirectionKind, SimpleCommand, Source};

/// How many words are looked at.
const MAX_WORDS: usize = 4_096;

/// How deep shells inside of shells are looked into.
const MAX_DEPTH: usize = 8;

/// What was found.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Commands {
    /// The known words of each, the whole command first.
    pub(super) list: Vec<Vec<String>>,
    /// Words that have to be files, since an interpreter takes its code from there.
    pub(super) code_files: BTreeSet<String>,
    /// Whether something else than these words may decide what runs: a variable, a pattern, another folder, input, code
    /// for an interpreter. Also when there are too many words to look at.
    pub(super) is_in_doubt: bool,
}

impl Commands {
    /// Those of the command `argv`.
    pub(super) fn of(argv: &[String]) -> Self {
        let mut found = Self::default();
        let mut waiting = VecDeque::from([(argv.to_vec(), 0_usize)]);
        let mut left = MAX_WORDS;
        while let Some((words, depth)) = waiting.pop_front() {
            let Some(rest) = left.checked_sub(words.len()) else {
                found.is_in_doubt = true;
                break;
            };
            left = rest;
            for script in found.scripts(&words) {
                match depth < MAX_DEPTH {
                    true => waiting.extend(script.into_iter().map(|words| (words, depth.saturating_add(1)))),
                    false => found.is_in_doubt = true,
                }
            }
            found.list.push(words);
        }
        found
    }

    /// The commands of each script among the words. A shell or interpreter may stand behind other words (`env`,
    /// `xargs`), so each word is taken for the name of one.
    fn scripts(&mut self, words: &[String]) -> Vec<Vec<Vec<String>>> {
        let words = Word::all(words);
        let mut scripts = self.behind(&words);
        for start in 0..words.len() {
            let Some(words) = words.get(start..) else { break };
            if let Some(invocation) = shell::invocation(words) {
                self.is_in_doubt |= !invocation.constructs.is_empty();
                match invocation.source {
                    Source::Script { text, .. } => {
                        let script = shell::read(&text, invocation.dialect);
                        self.is_in_doubt |= !script.is_plain();
                        scripts.push(script.commands.iter().map(|command| self.command(command)).collect());
                    }
                    Source::File { word } => self.code_at(words, word),
                    Source::Nothing => {}
                    Source::Stdin | Source::Unclear(_) => self.is_in_doubt = true,
                }
            } else if words.first().and_then(Word::literal).is_some_and(|name| interpreter(name).is_some()) {
                match code_word(words).map(|code| code.place) {
                    Some(Place::Word(word)) => self.code_at(words, word),
                    Some(Place::Stdin | Place::Unclear) => self.is_in_doubt = true,
                    None => {}
                }
            }
        }
        scripts
    }

    /// What a wrapper starts, such as `env` or `find -exec`.
    fn behind(&mut self, words: &[Word]) -> Vec<Vec<Vec<String>>> {
        let found = look_through(words);
        self.is_in_doubt |= found.unclear.is_some();
        let mut commands = Vec::new();
        for inner in found.inner {
            match inner {
                Inner::Command { words, .. } => {
                    self.is_in_doubt |= all_literal(&words).is_none();
                    commands.push(words.iter().filter_map(Word::literal).map(str::to_owned).collect());
                }
                // Of which shell is another question.
                Inner::Script { .. } => self.is_in_doubt = true,
            }
        }
        if commands.is_empty() { Vec::new() } else { vec![commands] }
    }

    fn code_at(&mut self, words: &[Word], index: usize) {
        match words.get(index).and_then(Word::literal) {
            Some(name) => {
                self.code_files.insert(name.to_owned());
            }
            None => self.is_in_doubt = true,
        }
    }

    fn command(&mut self, command: &SimpleCommand) -> Vec<String> {
        let reads_a_file = command.redirections.iter().any(|redirection| match redirection.operator {
            RedirectionKind::Read | RedirectionKind::ReadWrite => redirection.target != shell::Target::Null,
            RedirectionKind::HereDocument | RedirectionKind::HereString => true,
            RedirectionKind::Write
            | RedirectionKind::Append
            | RedirectionKind::Clobber
            | RedirectionKind::Duplicate
            | RedirectionKind::WriteBoth
            | RedirectionKind::AppendBoth => false,
        });
        self.is_in_doubt |= reads_a_file
            || command.directory != Directory::Initial
            || !command.assignments.is_empty()
            || all_literal(&command.words).is_none();
        command.words.iter().filter_map(Word::literal).map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(argv: &[&str]) -> Commands {
        Commands::of(&argv.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn plain_commands_are_what_their_words_say() {
        for argv in [
            &["git", "push"][..],
            &["bash", "-lc", "git push && ./deploy.sh > log"],
            &["bash", "deploy.sh"],
            &["env", "bash", "-c", "sh -c 'git push'"],
            &["python3", "run.py", "x"],
        ] {
            assert!(!of(argv).is_in_doubt, "{argv:?}");
        }
        assert_eq!(of(&["timeout", "5", "python3", "run.py"]).code_files, BTreeSet::from(["run.py".into()]));
        let inner = of(&["env", "bash", "-c", "sh -c 'git push'"]).list;
        assert_eq!(inner.last().unwrap(), &["git", "push"]);
        assert!(
            of(&["timeout", "5", "nice", "/opt/tool", "x"])
                .list
                .contains(&vec!["/opt/tool".into(), "x".into()])
        );
    }

    #[test]
    fn what_else_decides_leaves_doubt() {
        for script in [
            "cd sub && ./deploy.sh",
            "bash < deploy.sh",
            "cat deploy.sh | bash",
            "./dep*.sh",
            "F=deploy; ./$F.sh",
            "bash \"$PWD/deploy.sh\"",
            "bash -c \"$(cat deploy.sh)\"",
            "if true; then ./deploy.sh; fi",
            "f() { ./deploy.sh; }; f",
            "eval 'bash deploy.sh'",
            ". ./deploy.sh",
            "PATH=.:$PATH deploy",
            "bash",
        ] {
            assert!(of(&["bash", "-c", script]).is_in_doubt, "{script}");
            assert!(of(&["env", "sh", "-c", script]).is_in_doubt, "behind another: {script}");
        }
        assert!(of(&["x"; MAX_WORDS + 1]).is_in_doubt);
    }
}
