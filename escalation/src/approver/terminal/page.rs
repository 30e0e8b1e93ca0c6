//! Rows for a screen: ours, and foreign text behind a bar.
//!
//! INVARIANT (frame): foreign text is put on a page through [`Page::foreign`] and nothing else. It is made visible
//! there, and each of its rows begins with our label column and a bar, so that nothing in it can look like a row of
//! ours. Rows are cut by us and never by the terminal, whose own wrapping would begin a row without the bar. Where a
//! terminal is too narrow for that, nothing foreign is shown.

use execpolicy::display::{is_mark, visible};

use super::look::Look;

/// The columns of a label.
const LABEL: usize = 10;
/// Below this many columns labels get a row of their own.
const BESIDE: usize = 48;
/// The most bytes of one foreign text that are laid out: those at its beginning, and those at its end.
const MAX_TEXT: usize = 256 * 1024;
/// The most rows of one foreign text.
pub(super) const MAX_ROWS: usize = 5_000;

/// How text of ours is drawn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ink {
    /// As everything.
    Plain,
    /// To be found at once.
    Strong,
    /// To be looked at twice.
    Warning,
    /// An aside.
    Faint,
}

impl Ink {
    /// The parameter of the control sequence. ECMA-48, SGR.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Warning => Some("1;33"),
            Self::Faint => Some("2"),
        }
    }
}

/// What a newline in foreign text does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Newlines {
    /// It is shown as `\n`, and the next row begins behind it: for words of a command, where it is a character.
    Shown,
    /// The next row begins: for text that has lines.
    Obeyed,
}

/// Foreign text, and how much of it is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Foreign<'a> {
    /// The text as it came.
    pub(super) text: &'a str,
    /// What its newlines do.
    pub(super) newlines: Newlines,
    /// How many rows it may take.
    pub(super) rows: usize,
}

/// Rows for a screen.
#[derive(Debug)]
pub(super) struct Page<'a> {
    look: &'a Look,
    rows: Vec<String>,
}

impl<'a> Page<'a> {
    pub(super) fn new(look: &'a Look) -> Self {
        Self { look, rows: Vec::new() }
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Its rows, none of which has a newline.
    pub(super) fn into_rows(self) -> Vec<String> {
        self.rows
    }

    /// Rows of another page for the same terminal.
    pub(super) fn append(&mut self, rows: &[String]) {
        self.rows.extend_from_slice(rows);
    }

    /// All of it, each row with its newline.
    pub(super) fn into_text(self) -> String {
        self.rows.into_iter().map(|row| row + "\n").collect()
    }

    /// A row of ours, wrapped between words. `text` holds nothing foreign.
    pub(super) fn own(&mut self, ink: Ink, indent: usize, text: &str) {
        let width = self.look.columns().saturating_sub(1);
        let [indent, next] =
            if self.look.is_wide_enough() { [indent, indent.saturating_add(2)] } else { [0, 0] };
        let mut row = " ".repeat(indent);
        let mut is_empty = true;
        for word in text.split(' ') {
            let needed = columns(&row).saturating_add(columns(word)).saturating_add(1);
            if !is_empty && needed > width {
                let full = std::mem::replace(&mut row, " ".repeat(next));
                self.rows.push(self.inked(ink, &full));
                is_empty = true;
            }
            if !is_empty {
                row.push(' ');
            }
            row.push_str(word);
            is_empty = false;
        }
        self.rows.push(self.inked(ink, &row));
    }

    /// A key and what it does.
    pub(super) fn key(&mut self, ink: Ink, key: char, text: &str) {
        self.own(ink, 2, &format!("{key}  {text}"));
    }

    /// An empty row.
    pub(super) fn gap(&mut self) {
        self.rows.push(String::new());
    }

    /// A fact in words of ours, beside its label.
    pub(super) fn fact(&mut self, ink: Ink, label: &'static str, words: &str) {
        // Words of ours are short, and say nothing where nothing foreign is said.
        let _is_whole =
            self.labelled(ink, label, Foreign { text: words, newlines: Newlines::Obeyed, rows: MAX_ROWS });
    }

    /// Foreign text beside a label, or below a row of ours when the label is empty. Tells whether all of it is shown.
    pub(super) fn foreign(&mut self, label: &'static str, foreign: Foreign<'_>) -> bool {
        self.labelled(Ink::Plain, label, foreign)
    }

    fn labelled(&mut self, ink: Ink, label: &'static str, foreign: Foreign<'_>) -> bool {
        if !self.look.is_wide_enough() {
            return false;
        }
        let beside = self.look.columns() >= BESIDE;
        let margin = if beside { LABEL.saturating_add(3) } else { 2 };
        if !beside && !label.is_empty() {
            self.own(Ink::Plain, 2, label);
        }
        let bars = if self.look.unicode { ["│", "┊"] } else { ["|", ":"] };
        // One column is left free: some terminals wrap when the last one is written.
        let used = margin.saturating_add(columns("│")).saturating_add(2);
        let rows = rows_of(&foreign, self.look, self.look.columns().saturating_sub(used));
        let mut first_label = if beside { label } else { "" };
        let mut is_whole = true;
        for row in rows {
            match row {
                Row::Text { text, goes_on } => {
                    let [fresh, joined] = bars;
                    let bar = if goes_on { joined } else { fresh };
                    let label = std::mem::take(&mut first_label);
                    let head = if beside { format!("  {label:<LABEL$} ") } else { " ".repeat(margin) };
                    self.rows.push(format!("{head}{bar} {}", self.inked(ink, &text)));
                }
                Row::Cut(what) => {
                    is_whole = false;
                    self.left_out(&what);
                }
            }
        }
        is_whole
    }

    /// Says what is not shown.
    pub(super) fn left_out(&mut self, what: &str) {
        let dots = if self.look.unicode { "…" } else { "..." };
        let margin = if self.look.columns() >= BESIDE { LABEL.saturating_add(3) } else { 2 };
        self.own(Ink::Warning, margin, &format!("{dots} {what}"));
    }

    fn inked(&self, ink: Ink, text: &str) -> String {
        match ink.code() {
            Some(code) if self.look.colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Some(_) | None => text.to_owned(),
        }
    }
}

/// A row of foreign text, or what stands for rows that are left out.
enum Row {
    Text { text: String, goes_on: bool },
    Cut(String),
}

/// The most columns that a terminal may use for a character. Terminals disagree about everything but ASCII, and
/// none uses more than two: too many makes a row short, too few would let the terminal wrap it.
fn columns_of(c: char) -> usize {
    if c.is_ascii() { 1 } else { 2 }
}

/// The most columns that a terminal may use for a text.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

fn rows_of(foreign: &Foreign<'_>, look: &Look, width: usize) -> Vec<Row> {
    let (head, cut, tail) = ends(foreign.text);
    let mut rows = wrap_all(head, foreign.newlines, look, width);
    if cut > 0 {
        rows.push(Row::Cut(format!("{cut} characters are not shown")));
        rows.extend(wrap_all(tail, foreign.newlines, look, width));
    }
    let limit = foreign.rows.clamp(1, MAX_ROWS);
    let surplus = rows.len().saturating_sub(limit);
    if surplus == 0 {
        return rows;
    }
    // The beginning says most, but the end must not be hidden behind it.
    let first = limit.saturating_mul(2).div_ceil(3).min(limit.saturating_sub(1)).max(1);
    let hidden: usize = rows.iter().skip(first).take(surplus).map(Row::characters).sum();
    let last = rows.split_off(first.saturating_add(surplus));
    rows.truncate(first);
    rows.push(Row::Cut(format!("{surplus} rows ({hidden} characters) are not shown")));
    rows.extend(last);
    rows
}

impl Row {
    fn characters(&self) -> usize {
        match self {
            Self::Text { text, .. } => text.chars().count(),
            Self::Cut(_) => 0,
        }
    }
}

/// The beginning of a very long text, how many characters are left out, and its end.
fn ends(text: &str) -> (&str, usize, &str) {
    if text.len() <= MAX_TEXT {
        return (text, 0, "");
    }
    let half = MAX_TEXT / 2;
    let (head, rest) = text.split_at(text.floor_char_boundary(half));
    let (middle, tail) = rest.split_at(rest.ceil_char_boundary(rest.len().saturating_sub(half)));
    (head, middle.chars().count(), tail)
}

fn wrap_all(text: &str, newlines: Newlines, look: &Look, width: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut lines = text.split('\n').peekable();
    while let Some(line) = lines.next() {
        if line.is_empty() && lines.peek().is_none() && !rows.is_empty() {
            break;
        }
        let mut shown = visible(line);
        if !look.unicode {
            shown = ascii(&shown);
        }
        if newlines == Newlines::Shown && lines.peek().is_some() {
            shown.push_str("\\n");
        }
        wrap(&shown, width.max(4), &mut rows);
    }
    rows
}

/// For terminals that show nothing else.
fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_ascii() {
            true => out.push(c),
            false => out.extend(c.escape_unicode()),
        }
    }
    out
}

/// Cuts one line into rows, behind a space where there is one in the last half of the row.
fn wrap(line: &str, width: usize, rows: &mut Vec<Row>) {
    let mut row = String::new();
    let mut used = 0_usize;
    let mut behind_space = None;
    let mut goes_on = false;
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        // A mark stays with its character.
        let mut cluster = String::from(c);
        while let Some(mark) = characters.next_if(|next| is_mark(*next)) {
            cluster.push(mark);
        }
        let needed = columns(&cluster);
        if used.saturating_add(needed) > width {
            let rest = match behind_space {
                Some(at) if at > row.len() / 2 => row.split_off(at),
                Some(_) | None => String::new(),
            };
            let ends_a_word = row.ends_with(' ');
            used = columns(&rest);
            let text = std::mem::replace(&mut row, rest);
            rows.push(Row::Text { text, goes_on });
            goes_on = !ends_a_word;
            behind_space = None;
        }
        row.push_str(&cluster);
        used = used.saturating_add(needed);
        if c == ' ' {
            behind_space = Some(row.len());
        }
    }
    rows.push(Row::Text { text: row, goes_on });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approver::terminal::look::Keys;

    fn look(width: u16) -> Look {
        Look { colour: false, width, height: 24, unicode: true, keys: Keys::Single }
    }

    fn shown(width: u16, text: &str, newlines: Newlines, rows: usize) -> Vec<String> {
        let look = look(width);
        let mut page = Page::new(&look);
        page.foreign("command", Foreign { text, newlines, rows });
        page.into_text().lines().map(str::to_owned).collect()
    }

    #[test]
    fn rows_never_reach_the_edge_and_lose_nothing() {
        let texts = [
            "git push origin main ".repeat(20),
            "x".repeat(300),
            "漢".repeat(200),
            "e\u{301}".repeat(200),
            " ".repeat(300),
            format!("{}{}", "a ".repeat(60), "b".repeat(200)),
        ];
        for text in &texts {
            for width in [24, 30, 47, 48, 60, 80, 200, 1000] {
                let rows = shown(width, text, Newlines::Shown, MAX_ROWS);
                let limit = usize::from(width.clamp(24, 200));
                assert!(rows.iter().all(|row| columns(row) < limit), "{width}: {rows:#?}");
                let back: String = rows
                    .iter()
                    .filter_map(|row| row.split_once("│ ").or_else(|| row.split_once("┊ ")))
                    .map(|(_, text)| text)
                    .collect();
                assert_eq!(&back, text, "{width}");
            }
        }
    }

    #[test]
    fn a_row_that_goes_on_in_a_word_has_another_bar() {
        let rows = shown(48, &format!("rm -rf /{}", "x".repeat(60)), Newlines::Shown, 9);
        assert!(rows[0].starts_with("  command    │ rm -rf /"), "{rows:#?}");
        assert!(rows[1].starts_with("             ┊ x"), "{rows:#?}");
        let rows = shown(48, &format!("echo {} {}", "x".repeat(20), "y".repeat(20)), Newlines::Shown, 9);
        assert!(rows[1].starts_with("             │ y"), "{rows:#?}");
    }

    #[test]
    fn newlines_of_words_are_shown() {
        assert_eq!(shown(80, "'a\nb'", Newlines::Shown, 9), ["  command    │ 'a\\n", "             │ b'"]);
        assert_eq!(shown(80, "a\nb\n", Newlines::Obeyed, 9), ["  command    │ a", "             │ b"]);
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let text: String = (0..100).map(|number| format!("line {number}\n")).collect();
        let rows = shown(80, &text, Newlines::Obeyed, 6);
        assert_eq!(rows.len(), 7);
        assert_eq!(rows[4], "             … 94 rows (652 characters) are not shown");
        assert!(rows[6].ends_with("line 99"));
        let rows = shown(80, &text, Newlines::Obeyed, 2);
        assert!(rows.len() == 3 && rows[0].ends_with("line 0") && rows[2].ends_with("line 99"), "{rows:#?}");
        assert_eq!(shown(80, &text, Newlines::Obeyed, 1).len(), 2);
        let huge = "x".repeat(MAX_TEXT * 4) + "the end";
        let rows = shown(80, &huge, Newlines::Obeyed, MAX_ROWS);
        assert!(rows.len() <= MAX_ROWS + 2);
        assert!(rows.concat().ends_with("the end"));
        assert!(rows.iter().any(|row| row.contains("are not shown")));
    }

    #[test]
    fn nothing_foreign_stands_where_the_terminal_would_wrap_it() {
        for width in [1, 10, 20, 23] {
            assert_eq!(shown(width, "codex: safe", Newlines::Shown, 9), [""; 0], "{width}");
        }
        assert!(!shown(24, "codex: safe", Newlines::Shown, 9).is_empty());
    }

    #[test]
    fn without_unicode_everything_is_ascii() {
        let look = Look::plain();
        let mut page = Page::new(&look);
        page.foreign("reason", Foreign { text: "späß 漢", newlines: Newlines::Obeyed, rows: 9 });
        assert_eq!(page.into_text(), "  reason     | sp\\u{e4}\\u{df} \\u{6f22}\n");
    }
}
