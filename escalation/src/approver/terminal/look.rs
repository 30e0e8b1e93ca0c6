//! What the terminal can show, and how it is answered.

use std::env;
use std::ffi::OsString;

/// What the terminal can show, and how it is answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Look {
    /// Whether it shows colours.
    pub colour: bool,
    /// Its columns.
    pub width: u16,
    /// Its rows.
    pub height: u16,
    /// Whether it shows more than ASCII.
    pub unicode: bool,
    /// How it is answered.
    pub keys: Keys,
}

/// How a question is answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keys {
    /// With one key.
    Single,
    /// With a letter and Enter.
    Lines,
}

/// The width where none is known, the least for text of others, and the most that rows are laid out for.
const WIDTH: u16 = 80;
const MIN_WIDTH: u16 = 24;
const MAX_WIDTH: u16 = 200;
/// The height where none is known.
const HEIGHT: u16 = 24;

impl Look {
    /// What the environment says: `TERM`, `NO_COLOR`, and the locale.
    pub fn from_environment() -> Self {
        let dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let no_colour = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(env::var_os);
        Self {
            colour: !dumb && !no_colour,
            width: WIDTH,
            height: HEIGHT,
            unicode: locale.into_iter().find(|value| !value.is_empty()).is_some_and(|value| is_utf8(&value)),
            keys: if dumb { Keys::Lines } else { Keys::Single },
        }
    }

    /// Plain text of 80 columns, answered in lines.
    pub fn plain() -> Self {
        Self { colour: false, width: WIDTH, height: HEIGHT, unicode: false, keys: Keys::Lines }
    }

    /// The same at another size; what is 0 is not known.
    #[must_use]
    pub fn sized(self, width: u16, height: u16) -> Self {
        let known = |size: u16, or: u16| if size == 0 { or } else { size };
        Self { width: known(width, WIDTH), height: known(height, HEIGHT), ..self }
    }

    /// The columns to lay rows out for.
    pub(super) fn columns(&self) -> usize {
        usize::from(self.width.min(MAX_WIDTH))
    }

    /// Whether text of others can stand behind its bar here: in fewer columns the terminal would wrap it.
    pub(super) fn is_wide_enough(&self) -> bool {
        self.width >= MIN_WIDTH
    }
}

fn is_utf8(locale: &OsString) -> bool {
    let locale = locale.to_string_lossy().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}
