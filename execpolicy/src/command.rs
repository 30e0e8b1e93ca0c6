//! A command as far as it is known before it runs.

use std::ops::Range;

/// One word of a command.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Word {
    /// This text, whatever happens: one argument.
    Literal(String),
    /// Known only when it runs. It may become any text, several words, or none.
    Unknown,
}

impl Word {
    /// The text, if it is known.
    pub fn literal(&self) -> Option<&str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Unknown => None,
        }
    }

    /// The words of an argv, all known.
    pub fn all<S: AsRef<str>>(argv: &[S]) -> Vec<Self> {
        argv.iter().map(|word| Self::Literal(word.as_ref().to_owned())).collect()
    }
}

/// The words up to the first that is not known: the positions of these, and only these, are certain.
pub fn literal_prefix(words: &[Word]) -> Vec<&str> {
    words.iter().map_while(Word::literal).collect()
}

/// The whole command, if every word is known.
pub fn all_literal(words: &[Word]) -> Option<Vec<String>> {
    words.iter().map(|word| word.literal().map(str::to_owned)).collect()
}

/// Bytes of a script, from the first to one past the last.
pub type Span = Range<usize>;

/// The last component of a program's path: what people call it. `/usr/bin/git` and `./git` are `git`.
pub fn program_name(program: &str) -> &str {
    program.rsplit('/').find(|part| !part.is_empty() && *part != ".").unwrap_or(program)
}

#[cfg(test)]
mod tests {
    use super::{Word, literal_prefix, program_name};

    #[test]
    fn program_names() {
        for (path, name) in
            [("git", "git"), ("/usr/bin/git", "git"), ("./git", "git"), ("a/git/", "git"), ("/", "/")]
        {
            assert_eq!(program_name(path), name, "{path}");
        }
    }

    #[test]
    fn the_literal_prefix_ends_at_the_first_unknown_word() {
        let words = [Word::Literal("a".into()), Word::Unknown, Word::Literal("b".into())];
        assert_eq!(literal_prefix(&words), ["a"]);
    }
}
