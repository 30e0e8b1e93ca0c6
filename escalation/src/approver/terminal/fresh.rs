//! A screen with nothing on it but what follows. Pure.
//!
//! INVARIANT (fresh screen): what ran before may have left the terminal in any state: in the middle of a string that
//! swallows what follows, with other characters, invisible colours, a region that scrolls by itself, or with rows
//! that look like a question. So each question begins with [`screen`], and nothing foreign stands beside it.

/// The rows that are scrolled away where none are known, and the most.
const ROWS: u16 = 24;
const MAX_ROWS: u16 = 500;

/// Ends what was begun, and takes back what changes how text is shown. ECMA-48, and xterm's control sequences.
const RESET: &[&str] = &[
    // CAN and ST end an open sequence or string, and ESC < the VT52 mode, which knows none of the others.
    "\u{18}",
    "\u{1b}\\",
    "\u{1b}<",
    // DECSTR: what it resets besides the following, where it is known.
    "\u{1b}[!p",
    // ASCII as G0, G0 in use, and UTF-8.
    "\u{1b}(B",
    "\u{f}",
    "\u{1b}%G",
    // To the screen, not to a printer or a status line; shown at once.
    "\u{1b}[4i",
    "\u{1b}[0$}",
    "\u{1b}[?2026l",
    // The main screen. It may bring back a cursor, so positions come later.
    "\u{1b}[?1049l",
    "\u{1b}[?1047l",
    "\u{1b}[?47l",
    // Keys as bytes. Each screen has modes of its own for them: those of kitty are taken off their stack and off, and
    // so is xterm's modifyOtherKeys. Where `>` is not known, it is an attribute.
    "\u{1b}[<99u",
    "\u{1b}[=0u",
    "\u{1b}[>4;0m",
    // No attributes.
    "\u{1b}[0m",
    // Rows from the top, without margins, replacing what is there, wrapping at the edge.
    "\u{1b}[?6l",
    "\u{1b}[?69l",
    "\u{1b}[r",
    "\u{1b}[4l",
    "\u{1b}[?7h",
    // No reversed screen, and a cursor.
    "\u{1b}[?5l",
    "\u{1b}[?25h",
    // The colours of the terminal's owner: others can be the background's.
    "\u{1b}]104\u{1b}\\",
    "\u{1b}]110\u{1b}\\",
    "\u{1b}]111\u{1b}\\",
];
/// To the last row, wherever that is.
const LAST_ROW: &str = "\u{1b}[9999;1H";
/// To the first row; from there, nothing.
const CLEAR: &str = "\u{1b}[H\u{1b}[J";

/// What makes a terminal of this many rows show nothing, in a known state. What stood there is scrolled away, where
/// its owner still finds it.
pub(super) fn screen(rows: u16) -> String {
    let rows = if rows == 0 { ROWS } else { rows.min(MAX_ROWS) };
    [RESET.concat().as_str(), LAST_ROW, "\n".repeat(usize::from(rows)).as_str(), CLEAR].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_rows_as_there_are_and_no_more_than_a_limit() {
        for (rows, scrolled) in [(0, 24), (1, 1), (40, 40), (u16::MAX, 500)] {
            let shown = screen(rows);
            assert_eq!(shown.matches('\n').count(), scrolled);
            assert!(shown.starts_with("\u{18}\u{1b}\\") && shown.ends_with("\u{1b}[H\u{1b}[J"));
        }
    }

    #[test]
    fn keys_are_bytes_on_the_main_screen() {
        let shown = screen(24);
        let at = |sequence: &str| shown.find(sequence).unwrap();
        for mode in ["\u{1b}[<99u", "\u{1b}[=0u", "\u{1b}[>4;0m"] {
            assert!(at("\u{1b}[?1049l") < at(mode) && at(mode) < at("\u{1b}[0m"), "{mode:?}");
        }
    }
}
