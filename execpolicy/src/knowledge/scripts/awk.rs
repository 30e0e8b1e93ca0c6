//! `awk` programs. POSIX.1-2017, awk; gawk(1).

use crate::knowledge::guards::Effect;

/// What a program would do besides printing.
pub(crate) fn awk_effect(program: &str) -> Option<Effect> {
    // Raw text, strings included: indirect calls take the name of a function from a string.
    if names(program, "system") || program.contains('@') {
        return Some(Effect::RunsProgram);
    }
    let mut reader =
        Reader { text: program.chars().collect(), at: 0, last: Last::Operator, effect: None, unsure: false };
    let whole = reader.run();
    let effect = match whole {
        Ok(()) if !reader.unsure => reader.effect,
        // A slash that may begin a regular expression or divide: strings may not be what they seem.
        Ok(()) | Err(Unreadable) => reader.effect.max(if program.contains('|') {
            Some(Effect::RunsProgram)
        } else if program.contains('>') && program.contains("print") {
            Some(Effect::WritesFile)
        } else {
            None
        }),
    };
    effect.max(program.contains("/inet").then_some(Effect::Network))
}

/// Whether the identifier occurs.
fn names(program: &str, name: &str) -> bool {
    program.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == name)
}

/// A string or a regular expression without an end.
struct Unreadable;

/// What the token before was, as far as it says what a slash means.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Last {
    /// Behind it stands an operand: a slash begins a regular expression.
    Operator,
    /// It ended an operand: a slash divides.
    Operand,
    /// Either.
    Either,
}

struct Reader {
    text: Vec<char>,
    at: usize,
    last: Last,
    effect: Option<Effect>,
    unsure: bool,
}

impl Reader {
    fn run(&mut self) -> Result<(), Unreadable> {
        let mut printing = false;
        let mut depth = 0_usize;
        let mut reading = false;
        while let Some(c) = self.next() {
            match c {
                '#' => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.next();
                    }
                }
                '\\' => {
                    self.next();
                }
                '"' => {
                    self.delimited('"')?;
                    self.last = Last::Operand;
                }
                '/' => self.slash()?,
                '|' if self.peek() == Some('|') => {
                    self.next();
                    self.last = Last::Operator;
                }
                '|' => self.note(Effect::RunsProgram),
                '>' if printing && depth == 0 => self.redirection(),
                '<' if reading => self.source(),
                '(' | '[' => {
                    depth = depth.saturating_add(1);
                    self.last = Last::Operator;
                }
                ')' | ']' => {
                    depth = depth.saturating_sub(1);
                    self.last = if c == ')' { Last::Either } else { Last::Operand };
                }
                ';' | '{' | '}' => {
                    printing = false;
                    reading = false;
                    depth = 0;
                    self.last = Last::Operator;
                }
                c if c.is_alphanumeric() || matches!(c, '_' | '.') => {
                    let word = self.word(c);
                    printing = printing || matches!(word.as_str(), "print" | "printf");
                    reading = reading || word == "getline";
                    self.last = if is_keyword(&word) { Last::Operator } else { Last::Operand };
                }
                '+' | '-' if self.peek() == Some(c) => {
                    self.next();
                    self.last = Last::Either;
                }
                '\n' => self.last = Last::Operator,
                c if c.is_whitespace() => {}
                _ => self.last = Last::Operator,
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at = self.at.saturating_add(1);
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn word(&mut self, first: char) -> String {
        let mut word = String::from(first);
        // A number ends where a name begins and the other way round: `print.5` is `print .5`.
        let number = first.is_numeric() || first == '.';
        let continues = |c: &char| if number { c.is_numeric() || *c == '.' } else { is_of_a_name(*c) };
        while let Some(c) = self.peek().filter(continues) {
            word.push(c);
            self.next();
        }
        word
    }

    /// Reads up to the delimiter; a bracket expression may hide a slash.
    fn delimited(&mut self, delimiter: char) -> Result<String, Unreadable> {
        let mut text = String::new();
        loop {
            match self.next().ok_or(Unreadable)? {
                c if c == delimiter => return Ok(text),
                '\\' => {
                    self.next().ok_or(Unreadable)?;
                }
                '\n' => return Err(Unreadable),
                '[' if delimiter == '/' => {
                    // `[/]` ends the expression for some and not for others.
                    self.unsure = self.unsure || self.bracket_hides_a_slash();
                    text.push('[');
                }
                c => text.push(c),
            }
        }
    }

    fn bracket_hides_a_slash(&self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        rest.iter().skip(1).take_while(|c| **c != ']' && **c != '\n').any(|c| *c == '/')
            || rest.first() == Some(&'/')
    }

    fn slash(&mut self) -> Result<(), Unreadable> {
        match self.last {
            Last::Operand => self.last = Last::Operator,
            Last::Operator => {
                self.delimited('/')?;
                self.last = Last::Operand;
            }
            Last::Either => {
                self.unsure = true;
                self.last = Last::Operator;
            }
        }
        Ok(())
    }

    /// A redirection of `print`; to the standard streams it writes no file.
    fn redirection(&mut self) {
        while self.peek().is_some_and(|c| c == '>' || c == ' ') {
            self.next();
        }
        let stream = self
            .lone_literal(&[])
            .is_some_and(|name| matches!(name.as_str(), "/dev/stdout" | "/dev/stderr" | "/dev/null"));
        if !stream {
            self.note(Effect::WritesFile);
        }
    }

    /// What `getline <` reads: a name that is put together may be `/inet/…`, which opens a connection.
    fn source(&mut self) {
        while self.peek() == Some(' ') {
            self.next();
        }
        if self.lone_literal(&[')']).is_none_or(|name| name.starts_with("/inet")) {
            self.note(Effect::Network);
        }
    }

    /// A string without escapes, if nothing is joined to it.
    fn lone_literal(&mut self, also_ends: &[char]) -> Option<String> {
        if self.peek() != Some('"') {
            return None;
        }
        self.next();
        let from = self.at;
        let text = self.delimited('"').ok()?;
        let plain = text.chars().count().saturating_add(1) == self.at.saturating_sub(from);
        let mut behind = self.text.get(self.at..).unwrap_or_default().iter();
        let ends = behind.find(|c| !matches!(c, ' ' | '\t'));
        let ended = ends.is_none_or(|c| matches!(c, ';' | '}' | '\n') || also_ends.contains(c));
        self.last = Last::Operand;
        (plain && ended).then_some(text)
    }

    fn note(&mut self, effect: Effect) {
        self.effect = self.effect.max(Some(effect));
        self.last = Last::Operator;
    }
}

fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "print"
            | "printf"
            | "return"
            | "in"
            | "else"
            | "do"
            | "if"
            | "while"
            | "for"
            | "case"
            | "exit"
            | "delete"
            | "getline"
            | "BEGIN"
            | "END"
            | "switch"
            | "default"
            | "function"
            | "func"
            | "next"
            | "break"
            | "continue"
    )
}

#[cfg(test)]
mod tests {
    use super::awk_effect;
    use crate::knowledge::guards::Effect;

    #[test]
    fn what_programs_do() {
        let harmless = [
            "{print $1}",
            "NR > 1 {print}",
            "/a|b/ {print $2}",
            "{if ($1 > 3) print $2}",
            "BEGIN{FS=\"|\"} {print $1}",
            "$1 || $2",
            "{s += $1} END {print s / NR}",
            "{print ($1 > 2)}",
            "{print > \"/dev/stderr\"}",
            "NR>=10 && NR<=20",
            "{gsub(/>/, \"x\"); print}",
            "length($0) > 80",
            "{print .5, 1e5, 0x1F}",
            "{while ((getline line < \"f\") > 0) print line}",
            "{a[$1]++} END {for (k in a) print k, a[k]}",
        ];
        for program in harmless {
            assert_eq!(awk_effect(program), None, "{program}");
        }
        let runs = [
            "BEGIN{system(\"id\")}",
            "BEGIN { system (\"id\") }",
            "{print | \"sh\"}",
            "BEGIN{\"id\" | getline x}",
            "BEGIN{\"id\"|getline}",
            "{print |& \"sh\"}",
            "@load \"x\"",
            "BEGIN{f=\"system\";@f(\"id\")}",
            "BEGIN{if(1) /\"/; print \"id\" | \"sh\"; /\"/}",
            "{x = \"unterminated | ",
        ];
        for program in runs {
            assert_eq!(awk_effect(program), Some(Effect::RunsProgram), "{program}");
        }
        for program in [
            "{print > \"f\"}",
            "{print $1 >> \"f\"}",
            "{printf(\"%s\", $1) > f}",
            "{print 1,\n2 > \"f\"}",
            "{print > $1}",
            "{print > \"/dev/stderr\" \"x\"}",
            "BEGIN{print.5>\"/path\"}",
            "BEGIN{print 1>\"/dev/nul\\154\"}",
            "BEGIN{print 1>\"/\\dev/null\"}",
            "BEGIN{print 1 > \"/in\" \"et/tcp/0/h/80\"}",
        ] {
            assert_eq!(awk_effect(program), Some(Effect::WritesFile), "{program}");
        }
        for program in [
            "BEGIN{getline x < (\"/in\" \"et/tcp/0/h/80\")}",
            "BEGIN{getline < \"/in\" \"et/tcp/0/h/80\"}",
            "BEGIN{getline x < f}",
            "BEGIN{getline x < \"/inet4/tcp/0/h/80\"}",
            "BEGIN{getline x < \"/in\\145t/tcp/0/h/80\"}",
        ] {
            assert_eq!(awk_effect(program), Some(Effect::Network), "{program}");
        }
    }
}
