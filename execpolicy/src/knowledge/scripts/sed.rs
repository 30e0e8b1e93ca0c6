//! `sed` scripts. sed(1); POSIX.1-2017, sed; the GNU additions `e`, `W`, `s///e`.

use std::iter::Peekable;
use std::str::Chars;

use crate::knowledge::guards::Effect;

/// What a script would do besides printing. One that reads differently with and without bracket expressions
/// that hide delimiters (implementations differ) counts as what either reading does.
pub(crate) fn sed_effect(script: &str) -> Option<Effect> {
    let readings = [true, false].map(|brackets| Reader::new(script, brackets).run());
    match readings {
        // No implementation can run it, or it is beyond us.
        [Err(Unreadable), Err(Unreadable)] => Some(Effect::RunsProgram),
        [first, second] => first.unwrap_or(None).max(second.unwrap_or(None)),
    }
}

/// The script is wrong in this reading.
#[derive(Debug)]
struct Unreadable;

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    brackets: bool,
    effect: Option<Effect>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn new(script: &'a str, brackets: bool) -> Self {
        Self { rest: script.chars().peekable(), brackets, effect: None, depth: 0 }
    }

    fn run(mut self) -> Result<Option<Effect>, Unreadable> {
        loop {
            self.skip(|c| c.is_whitespace() || c == ';');
            if self.rest.peek().is_none() {
                return if self.depth == 0 { Ok(self.effect) } else { Err(Unreadable) };
            }
            self.address()?;
            self.skip(|c| c.is_whitespace() || c == '!');
            let command = self.rest.next().ok_or(Unreadable)?;
            self.command(command)?;
        }
    }

    fn skip(&mut self, fits: impl Fn(char) -> bool) {
        while self.rest.next_if(|c| fits(*c)).is_some() {}
    }

    fn address(&mut self) -> Result<(), Unreadable> {
        if self.one_address()? {
            self.skip(|c| c == ' ' || c == '\t');
            if self.rest.next_if_eq(&',').is_some() {
                self.skip(|c| c == ' ' || c == '\t');
                self.rest.next_if(|c| matches!(c, '+' | '~'));
                if !self.one_address()? {
                    return Err(Unreadable);
                }
            }
        }
        Ok(())
    }

    fn one_address(&mut self) -> Result<bool, Unreadable> {
        match self.rest.peek().copied() {
            Some(c) if c.is_ascii_digit() => self.skip(|c| c.is_ascii_digit() || c == '~'),
            Some('$') => {
                self.rest.next();
            }
            Some('/') => {
                self.rest.next();
                self.pattern('/', true)?;
                self.skip(|c| matches!(c, 'I' | 'M'));
            }
            Some('\\') => {
                self.rest.next();
                let delimiter = self.rest.next().ok_or(Unreadable)?;
                self.pattern(delimiter, true)?;
                self.skip(|c| matches!(c, 'I' | 'M'));
            }
            Some(_) | None => return Ok(false),
        }
        Ok(true)
    }

    /// Reads up to the delimiter.
    fn pattern(&mut self, delimiter: char, regex: bool) -> Result<(), Unreadable> {
        loop {
            match self.rest.next().ok_or(Unreadable)? {
                c if c == delimiter => return Ok(()),
                '\\' => {
                    self.rest.next().ok_or(Unreadable)?;
                }
                '[' if regex && self.brackets => self.bracket()?,
                _ => {}
            }
        }
    }

    /// Reads a bracket expression behind its `[`.
    fn bracket(&mut self) -> Result<(), Unreadable> {
        self.rest.next_if_eq(&'^');
        self.rest.next_if_eq(&']');
        loop {
            match self.rest.next().ok_or(Unreadable)? {
                ']' => return Ok(()),
                '[' => {
                    if let Some(kind) = self.rest.next_if(|c| matches!(c, ':' | '.' | '=')) {
                        while self.rest.next().ok_or(Unreadable)? != kind
                            || self.rest.next_if_eq(&']').is_none()
                        {}
                    }
                }
                '\n' => return Err(Unreadable),
                _ => {}
            }
        }
    }

    fn command(&mut self, command: char) -> Result<(), Unreadable> {
        match command {
            '{' => self.depth = self.depth.saturating_add(1),
            '}' => {
                self.depth = self.depth.checked_sub(1).ok_or(Unreadable)?;
                self.end()?;
            }
            '#' => {
                self.line();
            }
            'a' | 'i' | 'c' => self.text(),
            ':' | 'b' | 't' | 'T' | 'r' | 'R' | 'v' => {
                // Labels and file names reach to the end of the line at most; reading a label only up to `;`,
                // as GNU does, finds every command that some implementation may see behind it.
                let label = !matches!(command, 'r' | 'R');
                self.skip(|c| c != '\n' && !(label && matches!(c, ';' | '}')));
            }
            'w' | 'W' => self.write_to(),
            'e' => {
                self.line();
                self.note(Effect::RunsProgram);
            }
            's' => self.substitute()?,
            'y' => {
                let delimiter = self.delimiter()?;
                self.pattern(delimiter, false)?;
                self.pattern(delimiter, false)?;
                self.end()?;
            }
            '=' | 'd' | 'D' | 'g' | 'G' | 'h' | 'H' | 'n' | 'N' | 'p' | 'P' | 'x' | 'z' | 'F' => {
                self.end()?
            }
            'l' | 'L' | 'q' | 'Q' => {
                self.skip(|c| c == ' ' || c.is_ascii_digit());
                self.end()?;
            }
            _ => return Err(Unreadable),
        }
        Ok(())
    }

    fn delimiter(&mut self) -> Result<char, Unreadable> {
        self.rest.next().filter(|c| !matches!(c, '\n' | '\\')).ok_or(Unreadable)
    }

    /// What may follow a command: white space, then the end, `;`, `}` or a comment.
    fn end(&mut self) -> Result<(), Unreadable> {
        self.skip(|c| c == ' ' || c == '\t' || c == '\r');
        match self.rest.peek() {
            None | Some('\n' | ';' | '}' | '#') => Ok(()),
            Some(_) => Err(Unreadable),
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        while let Some(c) = self.rest.next_if(|c| *c != '\n') {
            line.push(c);
        }
        line
    }

    /// The text of `a`, `i` and `c`: up to a newline without a backslash in front.
    fn text(&mut self) {
        let mut escaped = false;
        while let Some(c) = self.rest.next_if(|c| *c != '\n' || escaped) {
            escaped = c == '\\' && !escaped;
        }
    }

    fn write_to(&mut self) {
        let file = self.line();
        if !matches!(file.trim(), "/dev/stdout" | "/dev/stderr" | "/dev/null") {
            self.note(Effect::WritesFile);
        }
    }

    fn substitute(&mut self) -> Result<(), Unreadable> {
        let delimiter = self.delimiter()?;
        self.pattern(delimiter, true)?;
        self.pattern(delimiter, false)?;
        while let Some(flag) = self.rest.next_if(|c| c.is_ascii_alphanumeric()) {
            match flag {
                'g' | 'p' | 'i' | 'I' | 'm' | 'M' | '0'..='9' => {}
                'e' => self.note(Effect::RunsProgram),
                'w' => {
                    self.write_to();
                    return Ok(());
                }
                _ => return Err(Unreadable),
            }
        }
        self.end()
    }

    fn note(&mut self, effect: Effect) {
        self.effect = self.effect.max(Some(effect));
    }
}

#[cfg(test)]
mod tests {
    use super::sed_effect;
    use crate::knowledge::guards::Effect;

    #[test]
    fn what_scripts_do() {
        let harmless = [
            "1,5p",
            "s/a/b/g",
            "s/[^/]*$//",
            "/x/d;/y/!p",
            "$!N;s/\\n/ /",
            "y/abc/xyz/",
            ":a;N;$!ba;s/\\n/,/g",
            "a\\\nw file",
            "/begin/,/end/{s/w/e/;p}",
            "s|w|e|",
            "1~2d",
            "0,/re/s//x/",
            "s/a/e w x/",
            "w /dev/stdout",
            "# e rm",
            "/^$/d",
            "s/[[:space:]]*$//",
            "i e id",
            "r file",
            "10q",
            "s/a/b/2p;n;d",
            "\\,x,d",
            "s/[/e;e]/x/",
        ];
        for script in harmless {
            assert_eq!(sed_effect(script), None, "{script}");
        }
        let runs = [
            "e",
            "e id",
            "1e id",
            "s/x/id/e",
            "s/x/id/ge",
            "/x/{p;e id\n}",
            "p;e",
            "s,x,id,pe",
            "1!e",
            "s/[/]/id/e",
            "s/x/id/eg;p",
            "$e rm -rf x",
            "b;e id",
            ":a;e",
            "}",
            "s/a/b",
            "k",
        ];
        for script in runs {
            assert_eq!(sed_effect(script), Some(Effect::RunsProgram), "{script}");
        }
        for script in ["w out", "s/a/b/w out", "s/a/b/gw out", "W out", "/x/w out", "p;w out", "$w/tmp/x"] {
            assert_eq!(sed_effect(script), Some(Effect::WritesFile), "{script}");
        }
    }
}
