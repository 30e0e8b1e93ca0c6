//! What of a question is on the screen, and what may be answered there. Pure: the same ask and look give the same text.
//!
//! INVARIANT (seen): a screen offers a yes only if all that the yes would give stands on it, or was shown page by page
//! before. No screen is longer than the terminal, so nothing of it is scrolled away.

use super::look::Look;
use super::offer::{Offer, is_presentable, offers};
use super::page::{Foreign, Ink, Newlines, Page};
use super::sheet::{Part, Room, Sheet};
use super::short::Rows;
use crate::ask::Ask;

pub(super) use super::sheet::has_diff;

/// Which of its screens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum View {
    /// The whole of it where that fits, else the question in short.
    Question,
    /// One page of all of it.
    Page {
        /// From 0.
        number: usize,
        /// With the change as the agent describes it.
        has_diff: bool,
    },
    /// How to answer.
    Help,
}

/// One screen.
#[derive(Debug)]
pub(super) struct Screen {
    /// What it shows.
    pub(super) text: String,
    /// What may be answered.
    pub(super) offers: Vec<Offer>,
    /// Whether everything that decides was shown, once the person has come here.
    pub(super) shows_all: bool,
    /// What `v` shows.
    pub(super) next: View,
}

/// A question, and how far the person has come with it.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) ask: &'a Ask,
    pub(super) look: &'a Look,
    /// How many more wait behind it.
    pub(super) waiting: usize,
    /// Whether everything that decides was shown.
    pub(super) has_seen: bool,
}

/// What no note is longer than, in columns.
pub(super) const NOTE_COLUMNS: usize = 72;
/// The fewest rows of a page that are worth turning it.
const MIN_PAGE_ROWS: usize = 3;
/// From what is pleasant to what is needed: the rows of the reason, and those of what is asked.
const SHORT: [(usize, Rows); 4] = [
    (4, Rows { command: 6, names: 4, name: 2 }),
    (2, Rows { command: 3, names: 2, name: 2 }),
    (0, Rows { command: 3, names: 2, name: 2 }),
    (0, Rows { command: 1, names: 1, name: 1 }),
];
const FIRST_PAGE: View = View::Page { number: 0, has_diff: false };

/// Whether there is a yes in short.
#[derive(Clone, Copy)]
enum Yes {
    /// Everything was shown.
    Given,
    /// Once these pages were shown.
    Behind(usize),
    /// No page shows everything.
    Never,
}

impl Question<'_> {
    /// What is on the screen.
    pub(super) fn screen(&self, view: View) -> Screen {
        if !self.look.is_wide_enough() {
            return self.too_small();
        }
        match view {
            View::Question => self.whole().unwrap_or_else(|| self.beginning()),
            View::Page { number, has_diff } => self.page(number, has_diff),
            View::Help => self.help(),
        }
    }

    fn sheet(&self, room: Room) -> Sheet<'_> {
        Sheet::new(self.look, room)
    }

    /// The rows that are left, with the cursor and a note below it. `None` where it does not fit.
    fn left(&self, sheet: &Sheet<'_>) -> Option<usize> {
        let note = NOTE_COLUMNS.div_ceil(self.look.columns().saturating_sub(NOTE_INDENT).max(1));
        let used = sheet.page.len().saturating_add(note).saturating_add(1);
        usize::from(self.look.height).checked_sub(used)
    }

    fn fits(&self, sheet: &Sheet<'_>) -> bool {
        self.left(sheet).is_some()
    }

    /// Everything that decides, with as much as there is room for of what does not.
    fn whole(&self) -> Option<Screen> {
        let offers = offers(self.ask);
        let sheet_in = |room: &Room| {
            let mut sheet = self.sheet(*room);
            sheet.title(self.ask, self.waiting, None);
            sheet.body(self.ask);
            if room.context {
                sheet.page.gap();
            }
            let cut = Some("show everything");
            let is_cut = sheet.is_cut || offers.iter().any(|offer| has_more_examples(offer, *room));
            sheet.keys(self.ask, &offers, cut.filter(|_| is_cut));
            Some(sheet).filter(|sheet| sheet.is_whole && self.fits(sheet))
        };
        let [rooms @ .., least] = &Room::BRIEF;
        // What has no room when everything is short has none at all.
        let least = Some(least).filter(|_| is_presentable(self.ask)).and_then(sheet_in)?;
        let text = rooms.iter().find_map(sheet_in).unwrap_or(least).page.into_text();
        Some(Screen { text, offers, shows_all: true, next: FIRST_PAGE })
    }

    /// What stands first where there is no room for everything that decides.
    fn beginning(&self) -> Screen {
        let Some(pages) = self.pages(false) else { return self.too_small() };
        let yes = match (pages.is_whole, self.has_seen) {
            (false, _) => Yes::Never,
            (true, true) => Yes::Given,
            (true, false) => Yes::Behind(pages.count()),
        };
        self.in_short(None, yes, pages.count()).unwrap_or_else(|| self.too_small())
    }

    fn page(&self, number: usize, has_diff: bool) -> Screen {
        let Some(pages) = self.pages(has_diff) else { return self.too_small() };
        let part = Part { number: number.saturating_add(1).min(pages.count()), of: pages.count() };
        let Some(rows) = pages.rows.get(number) else {
            let yes = if pages.is_whole { Yes::Given } else { Yes::Never };
            let last = self.in_short(Some(part), yes, pages.count());
            return last
                .map_or_else(|| self.too_small(), |last| Screen { shows_all: pages.is_whole, ..last });
        };
        let mut sheet = self.sheet(Room::ALL);
        sheet.title(self.ask, self.waiting, Some(part));
        sheet.page.append(rows);
        let offers = self.noes();
        sheet.keys(self.ask, &offers, Some(&turn(part.number.saturating_add(1), part.of)));
        let next = View::Page { number: number.saturating_add(1), has_diff };
        Screen { text: sheet.page.into_text(), offers, shows_all: false, next }
    }

    /// Everything, in pages. `None` where there is no room for one.
    fn pages(&self, has_diff: bool) -> Option<Pages> {
        let mut frame = self.sheet(Room::ALL);
        let most = Part { number: usize::MAX, of: usize::MAX };
        frame.title(self.ask, self.waiting, Some(most));
        frame.keys(self.ask, &self.noes(), Some(&turn(usize::MAX, usize::MAX)));
        let room = self.left(&frame).filter(|room| *room >= MIN_PAGE_ROWS)?;
        let mut all = self.sheet(Room::ALL);
        all.body(self.ask);
        all.rules(&offers(self.ask));
        if has_diff {
            all.diff(&self.ask.subject);
        }
        let is_whole = all.is_whole && is_presentable(self.ask);
        Some(Pages { rows: all.page.into_rows().chunks(room).map(<[_]>::to_vec).collect(), is_whole })
    }

    /// What is asked in short, above its keys. `None` where there is no room for it.
    fn in_short(&self, part: Option<Part>, yes: Yes, pages: usize) -> Option<Screen> {
        let all = match yes {
            Yes::Given => offers(self.ask),
            Yes::Behind(_) | Yes::Never => self.noes(),
        };
        let without_rules: Vec<Offer> = all.iter().filter(|offer| offer.rule.is_none()).cloned().collect();
        for (offers, leaves_out) in [(&all, false), (&without_rules, all.len() > without_rules.len())] {
            for (reason, rows) in SHORT {
                let mut sheet = self.sheet(Room { key: rows.name, examples: 0, context: false, ..Room::ALL });
                sheet.title(self.ask, self.waiting, part);
                self.short_rows(&mut sheet, yes, (reason, rows));
                if leaves_out {
                    sheet.page.own(Ink::Plain, 2, "A larger window has room for more answers.");
                }
                sheet.keys(self.ask, offers, Some(&turn(1, pages)));
                if self.fits(&sheet) {
                    let offers = offers.clone();
                    let text = sheet.page.into_text();
                    return Some(Screen { text, offers, shows_all: false, next: FIRST_PAGE });
                }
            }
        }
        None
    }

    fn short_rows(&self, sheet: &mut Sheet<'_>, yes: Yes, (reason, rows): (usize, Rows)) {
        sheet.short(&self.ask.subject, rows);
        if reason > 0 {
            sheet.reason(self.ask, reason);
            sheet.opinion(self.ask);
        }
        sheet.person_only(self.ask);
        match yes {
            Yes::Given => {}
            Yes::Behind(pages) => {
                let words =
                    format!("press v: what is asked takes {pages} pages, and a yes needs all of them.");
                sheet.page.own(Ink::Warning, 2, &words);
            }
            Yes::Never => {
                let words = "Too much is asked for to be shown whole, so there is no yes.";
                sheet.page.own(Ink::Warning, 2, words);
            }
        }
    }

    /// Where neither the question nor the beginning of it has room.
    fn too_small(&self) -> Screen {
        let mut page = Page::new(self.look);
        page.own(Ink::Strong, 0, "codex: a question");
        page.own(
            Ink::Warning,
            2,
            "This window is too small for it. Make it larger: until then it gets no yes.",
        );
        let offers = self.noes();
        for offer in &offers {
            page.key(Ink::Plain, offer.key, offer.words);
        }
        Screen { text: page.into_text(), offers, shows_all: false, next: View::Question }
    }

    /// What `?` shows. The question is not on the screen any more: it is repeated, or its yes does not count.
    fn help(&self) -> Screen {
        let offers = if self.has_seen { offers(self.ask) } else { self.noes() };
        let mut sheet = self.sheet(Room { key: 1, examples: 0, context: false, ..Room::ALL });
        explain(&mut sheet.page);
        if self.has_seen {
            sheet.title(self.ask, 0, None);
            let [.., least] = SHORT;
            self.short_rows(&mut sheet, Yes::Given, least);
        }
        sheet.keys(self.ask, &offers, Some(BACK));
        if self.fits(&sheet) {
            return Screen { text: sheet.page.into_text(), offers, shows_all: false, next: View::Question };
        }
        let offers = self.noes();
        let mut sheet = self.sheet(Room::ALL);
        explain(&mut sheet.page);
        sheet.keys(self.ask, &offers, Some(BACK));
        Screen { text: sheet.page.into_text(), offers, shows_all: false, next: View::Question }
    }

    fn noes(&self) -> Vec<Offer> {
        offers(self.ask).into_iter().filter(Offer::is_no).collect()
    }
}

/// The columns in front of a note that goes on, and the one that stays free.
const NOTE_INDENT: usize = 3;
/// The way from the help to the question.
const BACK: &str = "the question again";

/// All of a question.
struct Pages {
    rows: Vec<Vec<String>>,
    /// Whether they show everything that decides.
    is_whole: bool,
}

impl Pages {
    /// With the last one, which has the keys.
    fn count(&self) -> usize {
        self.rows.len().saturating_add(1)
    }
}

fn turn(number: usize, of: usize) -> String {
    format!("page {number} of {of}")
}

fn has_more_examples(offer: &Offer, room: Room) -> bool {
    offer.rule.as_ref().is_some_and(|rule| rule.also_matches.len() > room.examples)
}

fn explain(page: &mut Page<'_>) {
    page.own(Ink::Strong, 0, "codex: how to answer");
    for words in [
        "Nothing happens until you press one of the keys; there is no default, and Enter alone is no answer.",
        "A yes needs all of the question to have been shown: `v` turns its pages.",
        "A rule for later commands lets them run WITHOUT A SANDBOX, where they are surely what the rule names.",
        "Text of others stands behind a bar. A dotted bar means that the row goes on in the middle of a word. Only rows without a bar are ours.",
        "`\\u{202e}` and the like stand for characters that a terminal would not show as they are.",
        "Keys that were typed before the question appeared, and anything pasted, are no answers.",
    ] {
        page.own(Ink::Plain, 2, words);
    }
    page.gap();
}

/// One line below the question: what was answered, or why it went away.
pub(super) fn note(look: &Look, words: &str) -> String {
    let mut page = Page::new(look);
    page.own(Ink::Faint, 0, &format!("codex: {words}"));
    page.into_text()
}

/// The line for a question that was settled otherwise.
pub(super) fn no_longer_needed(ask: &Ask, look: &Look) -> String {
    let mut page = Page::new(look);
    page.own(Ink::Faint, 0, "codex: no longer needed:");
    // Cut or not: it asks nothing.
    let _is_whole =
        page.foreign("", Foreign { text: &ask.subject.label(), newlines: Newlines::Obeyed, rows: 1 });
    page.into_text()
}
