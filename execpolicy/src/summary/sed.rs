//! Scripts of sed: which only print. POSIX `sed`, and the GNU manual for what it adds.

use std::iter::Peekable;
use std::str::Chars;

use super::options::is_number;

/// The `5` of `5p`, `10,20p` or `10,$p`: whether a script prints a range of lines by number, and nothing else.
pub(super) fn is_range(script: &str) -> bool {
    let line = |text: &str| is_number(text) || text == "$";
    script.strip_suffix('p').is_some_and(|range| match range.split_once(',') {
        Some((first, last)) => line(first) && line(last),
        None => line(range),
    })
}

/// Whether `script` is surely without commands that write (`w`, `W`), run (`e`) or read another file
/// (`r`, `R`), and without the flags of `s` that do. Anything that two versions of sed could split into
/// commands differently is refused.
pub(super) fn only_prints(script: &str) -> bool {
    Script { rest: script.chars().peekable() }.all_commands().is_some()
}

/// What is left of a script.
struct Script<'a> {
    rest: Peekable<Chars<'a>>,
}

impl Script<'_> {
    fn all_commands(&mut self) -> Option<()> {
        loop {
            while self.rest.next_if(|c| c.is_whitespace() || matches!(c, ';' | '{' | '}')).is_some() {}
            if self.rest.peek().is_none() {
                return Some(());
            }
            self.addresses()?;
            self.command()?;
        }
    }

    /// None, one or two addresses and any `!`.
    fn addresses(&mut self) -> Option<()> {
        if self.address()? && self.rest.next_if_eq(&',').is_some() {
            self.rest.next_if(|c| matches!(c, '+' | '~'));
            self.address()?.then_some(())?;
        }
        while self.rest.next_if(|c| matches!(c, '!' | ' ')).is_some() {}
        Some(())
    }

    /// One address, if there is one: a number, `first~step`, `$` or `/regex/`.
    fn address(&mut self) -> Option<bool> {
        match self.rest.peek() {
            Some('$') => {
                self.rest.next();
            }
            Some('/') => {
                self.rest.next();
                self.delimited('/', true)?;
                while self.rest.next_if(|c| matches!(c, 'I' | 'M')).is_some() {}
            }
            Some(c) if c.is_ascii_digit() => {
                while self.rest.next_if(|c| c.is_ascii_digit() || *c == '~').is_some() {}
            }
            Some(_) | None => return Some(false),
        }
        Some(true)
    }

    /// One command with all that belongs to it, up to where the next may begin.
    fn command(&mut self) -> Option<()> {
        match self.rest.next()? {
            '{' => return Some(()),
            'p' | 'P' | 'd' | 'D' | 'n' | 'N' | 'g' | 'G' | 'h' | 'H' | 'x' | '=' => {}
            'q' => while self.rest.next_if(char::is_ascii_digit).is_some() {},
            's' => self.substitution()?,
            _ => return None,
        }
        while self.rest.next_if_eq(&' ').is_some() {}
        matches!(self.rest.peek(), None | Some(';' | '\n' | '}')).then_some(())
    }

    /// The rest of `s`, with those of its flags that neither write nor run.
    fn substitution(&mut self) -> Option<()> {
        let delimiter =
            self.rest.next_if(|c| matches!(c, '/' | '|' | ',' | '#' | ':' | '@' | '!' | '%' | '_' | '~'))?;
        self.delimited(delimiter, true)?;
        self.delimited(delimiter, false)?;
        while self.rest.next_if(|c| c.is_ascii_digit() || matches!(c, 'g' | 'p' | 'i' | 'I')).is_some() {}
        Some(())
    }

    /// Text up to the delimiter. In a regular expression one within brackets ends it in some versions only.
    fn delimited(&mut self, delimiter: char, regex: bool) -> Option<()> {
        let mut bracket = false;
        loop {
            match self.rest.next()? {
                '\n' => return None,
                c if c == delimiter => return (!bracket).then_some(()),
                '\\' => {
                    let escaped = self.rest.next()?;
                    if escaped == '\n' || bracket && (escaped == delimiter || "]\\".contains(escaped)) {
                        return None;
                    }
                }
                '[' if regex && !bracket => {
                    bracket = true;
                    self.rest.next_if_eq(&'^');
                    self.rest.next_if_eq(&']');
                }
                ']' if bracket => bracket = false,
                // `[[:alpha:]]`, `[[.x.]]`: a bracket within one has an end of its own.
                '[' if bracket && matches!(self.rest.peek(), Some(':' | '.' | '=')) => self.class()?,
                _ => {}
            }
        }
    }

    /// The `:alpha:]` of `[[:alpha:]]`; collating symbols are refused.
    fn class(&mut self) -> Option<()> {
        self.rest.next_if_eq(&':')?;
        while self.rest.next_if(char::is_ascii_lowercase).is_some() {}
        self.rest.next_if_eq(&':')?;
        self.rest.next_if_eq(&']').map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::{is_range, only_prints};

    #[test]
    fn ranges() {
        for script in ["5p", "10,20p", "10,$p", "$p"] {
            assert!(is_range(script), "{script}");
        }
        for script in ["p", "", ",p", "1,2", "1,2pw f", "1,2,3p", "1e", "1,5p;w f", "-1p"] {
            assert!(!is_range(script), "{script}");
        }
    }

    #[test]
    fn scripts_that_only_print() {
        for script in [
            "1,5p",
            "/foo/,/bar/p",
            "s/a/b/g",
            "s|/w e/|/e w|p",
            "s/[^x]*$//2g",
            "s/[[:space:]]*$//",
            "1d;$!d",
            "1~2p",
            "/x/{p;q}",
            "5q",
            "s/w/e/;s/e/w/",
            "$=",
            "1,+3p",
            "s/\\/e/x/",
        ] {
            assert!(only_prints(script), "{script}");
        }
    }

    #[test]
    fn scripts_that_write_run_or_read() {
        for script in [
            "w out",
            "1w out",
            "s/a/b/w out",
            "s/a/b/gw out",
            "s/a/id/e",
            "s/a/b/;e id",
            "e",
            "1e id",
            "1!e id",
            "/x/e id",
            "/x/{e id",
            "W out",
            "r /etc/shadow",
            "R f",
            "p;w out",
            "p\nw out",
            "p}w out",
            "s/[/]/w out;s/a/b/",
            "s/[^/]*$//",
            "s/[\\]/]/e/",
            "s,a,b,we",
            "y/a/b/",
            "a text",
            "s/a/b",
            "s/[/x/",
            "b end",
            "\\,x,e id",
            "s/a\\\n/b/",
        ] {
            assert!(!only_prints(script), "{script}");
        }
    }
}
