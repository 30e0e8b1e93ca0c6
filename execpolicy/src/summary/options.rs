//! Telling options from operands, for tools whose accepted options are listed.

/// The options of a tool under which it only prints. Any other makes its command unknown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Grammar {
    /// Short options without a value.
    pub(super) flags: &'static str,
    /// Short options with a value, attached or in the next word.
    pub(super) values: &'static str,
    /// Long options without a value, or with an optional one behind `=`; between spaces.
    pub(super) long_flags: &'static str,
    /// Long options with a value, behind `=` or in the next word; between spaces.
    pub(super) long_values: &'static str,
    /// Whether `-5` is a number of lines.
    pub(super) numbers: bool,
    /// Whether `-e` and `--regexp` take the next word as a pattern, whatever it looks like.
    pub(super) patterns: bool,
    /// Whether the first operand ends the options, as for tools that start another.
    pub(super) operand_ends: bool,
}

/// How an option was spelled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Name<'a> {
    /// `-x`
    Short(char),
    /// `--word`
    Long(&'a str),
    /// `-5`
    Number,
}

/// The words of a command, told apart.
#[derive(Debug, Default)]
pub(super) struct Words<'a> {
    /// Every option with its value, in order.
    options: Vec<(Name<'a>, Option<&'a str>)>,
    /// Everything else, in order.
    pub(super) operands: Vec<&'a str>,
    /// How many operands stand before `--`, if it was there.
    pub(super) before_dashes: Option<usize>,
}

impl<'a> Words<'a> {
    /// The values given for the option that has these two spellings.
    pub(super) fn values(&self, short: char, long: &str) -> impl Iterator<Item = &'a str> {
        self.options
            .iter()
            .filter(move |(name, _)| *name == Name::Short(short) || *name == Name::Long(long))
            .filter_map(|(_, value)| *value)
    }

    /// Whether the option was given under any of its spellings.
    pub(super) fn has(&self, short: char, longs: &[&str]) -> bool {
        self.options.iter().any(|(name, _)| match name {
            Name::Short(given) => *given == short,
            Name::Long(given) => longs.contains(given),
            Name::Number => false,
        })
    }

    /// Whether every value given for one of these short options is a number. Some tools take the next word
    /// for a value only if it is one.
    pub(super) fn numeric(&self, shorts: &str) -> bool {
        self.options.iter().all(|(name, value)| match (name, value) {
            (Name::Short(short), Some(value)) if shorts.contains(*short) => is_number(value),
            _ => true,
        })
    }

    /// Every option with its value.
    pub(super) fn options(&self) -> &[(Name<'a>, Option<&'a str>)] {
        &self.options
    }
}

impl Grammar {
    /// Short options only, and none with numbers: what most small tools have.
    pub(super) const fn short(flags: &'static str, values: &'static str) -> Self {
        Self {
            flags,
            values,
            long_flags: "",
            long_values: "",
            numbers: false,
            patterns: false,
            operand_ends: false,
        }
    }

    /// Tells the words behind the program's name apart; `None` if an option is not listed.
    ///
    /// Options are looked for behind operands too, where GNU and clap look for them; a tool that does not
    /// takes them for operands, which can do no more than print.
    pub(super) fn parse<'a>(&self, arguments: &'a [String]) -> Option<Words<'a>> {
        let mut words = Words::default();
        let mut rest = arguments.iter().map(String::as_str);
        while let Some(word) = rest.next() {
            if word == "--" {
                words.before_dashes = Some(words.operands.len());
                words.operands.extend(rest.by_ref());
            } else if let Some(long) = word.strip_prefix("--") {
                words.options.push(self.long(long, &mut rest)?);
            } else if let Some(shorts) = word.strip_prefix('-').filter(|shorts| !shorts.is_empty()) {
                self.shorts(shorts, &mut rest, &mut words)?;
            } else {
                words.operands.push(word);
                if self.operand_ends {
                    words.operands.extend(rest.by_ref());
                }
            }
        }
        Some(words)
    }

    /// One option that began with two dashes.
    fn long<'a>(
        &self,
        option: &'a str,
        rest: &mut impl Iterator<Item = &'a str>,
    ) -> Option<(Name<'a>, Option<&'a str>)> {
        let (name, attached) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        if lists(self.long_flags, name) {
            return Some((Name::Long(name), attached));
        }
        if !lists(self.long_values, name) {
            return None;
        }
        let value = match attached {
            Some(value) => value,
            None => next_value(rest, self.patterns && name == "regexp")?,
        };
        Some((Name::Long(name), Some(value)))
    }

    /// A bundle of short options, the last of which may have a value.
    fn shorts<'a>(
        &self,
        bundle: &'a str,
        rest: &mut impl Iterator<Item = &'a str>,
        words: &mut Words<'a>,
    ) -> Option<()> {
        if self.numbers && is_number(bundle) {
            words.options.push((Name::Number, Some(bundle)));
            return Some(());
        }
        let mut letters = bundle.chars();
        while let Some(letter) = letters.next() {
            if self.flags.contains(letter) {
                words.options.push((Name::Short(letter), None));
            } else if self.values.contains(letter) {
                let value = match letters.as_str() {
                    "" => next_value(rest, self.patterns && letter == 'e')?,
                    attached => attached,
                };
                words.options.push((Name::Short(letter), Some(value)));
                return Some(());
            } else {
                return None;
            }
        }
        Some(())
    }
}

/// Whether a word is one of those in a list.
fn lists(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|listed| listed == word)
}

/// The next word as a value. One that looks like an option is taken only where it is a pattern or a number:
/// elsewhere some versions of a tool take the word for the option that it looks like (`ag -A --pager=x`).
fn next_value<'a>(rest: &mut impl Iterator<Item = &'a str>, pattern: bool) -> Option<&'a str> {
    rest.next().filter(|value| match value.strip_prefix('-') {
        Some(number) => pattern || is_number(number),
        None => true,
    })
}

/// Whether `text` is digits only.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{Grammar, Words};

    const GRAMMAR: Grammar = Grammar {
        flags: "nq",
        values: "eA",
        long_flags: "color",
        long_values: "after",
        numbers: true,
        patterns: true,
        operand_ends: false,
    };

    fn words(argv: &[&str]) -> Vec<String> {
        argv.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn spellings() {
        let argv = words(&[
            "-nqA3",
            "-e",
            "-x",
            "a",
            "--after=1",
            "--after",
            "2",
            "--color=never",
            "-5",
            "--",
            "-b",
        ]);
        let Words { operands, before_dashes, options } = GRAMMAR.parse(&argv).expect("all are listed");
        assert_eq!(operands, ["a", "-b"]);
        assert_eq!(before_dashes, Some(1));
        assert_eq!(options.len(), 8);
    }

    #[test]
    fn what_is_not_listed_is_refused() {
        for argv in [
            &["-x"] as &[&str],
            &["-nx"],
            &["--aft", "1"],
            &["--colo"],
            &["-e"],
            &["-A", "--pager=x"],
            &["--after", "-x"],
            &["a", "-x"],
        ] {
            assert!(GRAMMAR.parse(&words(argv)).is_none(), "{argv:?}");
        }
    }

    #[test]
    fn only_patterns_may_look_like_options() {
        let argv = words(&["-e", "-x"]);
        assert!(GRAMMAR.parse(&argv).is_some());
        assert!(Grammar { patterns: false, ..GRAMMAR }.parse(&argv).is_none());
    }

    #[test]
    fn a_single_dash_is_an_operand() {
        assert_eq!(GRAMMAR.parse(&words(&["-"])).expect("an operand").operands, ["-"]);
    }
}
