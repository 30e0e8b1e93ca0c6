//! What a question looks like. Pure: the same ask and look give the same text.

use std::fmt::Write as _;

use policies::{Access, AdditionalPermissions};

use super::look::{Keys, Look};
use super::offer::{Offer, is_presentable, offers};
use super::page::{Foreign, Ink, MAX_ROWS, Newlines, Page};
use crate::ask::Ask;
use crate::assess::{Assessment, RiskCategory, RiskLevel};
use crate::subject::{ExecSubject, FileChangeSubject, RetryWith, Subject};

/// How much is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Detail {
    /// What fits on a screen.
    Brief,
    /// Everything but the diff.
    Full,
    /// Everything, and the diff.
    Diff,
}

/// How many rows things may take.
#[derive(Clone, Copy, Debug)]
struct Room {
    /// A command.
    command: usize,
    /// One other text.
    text: usize,
    /// The texts of a list.
    list: usize,
    /// The beginning of commands that a rule would name.
    prefix: usize,
    /// The other commands that are named for a rule.
    examples: usize,
}

impl Room {
    const ALL: Self =
        Self { command: MAX_ROWS, text: MAX_ROWS, list: MAX_ROWS, prefix: MAX_ROWS, examples: MAX_ROWS };
    const LEAST: Self = Self { command: 3, text: 2, list: 2, prefix: 1, examples: 0 };

    /// From what is pleasant to what is needed.
    fn brief(look: &Look) -> [Self; 3] {
        let command = (usize::from(look.height) / 3).clamp(3, COMMAND_ROWS);
        let pleasant = Self { command, text: 4, list: 5, prefix: 2, examples: 3 };
        [pleasant, Self { examples: 0, ..pleasant }, Self::LEAST]
    }
}

/// The most rows of a command when only what fits is shown.
const COMMAND_ROWS: usize = 12;
/// The rows of the command where it is repeated.
const REPEATED_ROWS: usize = 1;
/// The rows below a question: for the cursor, and for a note.
const ROWS_BELOW: usize = 2;

/// A question with its answers. `waiting` is how many more wait behind it.
///
/// What is asked stands on the same screen as the keys: where all of it does not fit, it is said again above them.
pub(super) fn question(ask: &Ask, look: &Look, detail: Detail, waiting: usize) -> String {
    let fits = |sheet: &Sheet<'_>| sheet.page.len().saturating_add(ROWS_BELOW) <= usize::from(look.height);
    let sheet_in = |room, repeats| Sheet::of(ask, look, (detail, room), (waiting, repeats));
    let rooms = match detail {
        Detail::Brief => Room::brief(look).to_vec(),
        Detail::Full | Detail::Diff => vec![Room::ALL],
    };
    let sheet = rooms.iter().map(|room| sheet_in(*room, false)).find(fits);
    let tight = || sheet_in(rooms.last().copied().unwrap_or(Room::LEAST), true);
    sheet.unwrap_or_else(tight).page.into_text()
}

/// What `?` shows.
pub(super) fn help(ask: &Ask, look: &Look) -> String {
    let mut page = Page::new(look);
    page.own(Ink::Strong, 0, "codex: how to answer");
    for words in [
        "Nothing happens until you press one of the keys; there is no default, and Enter alone is no answer.",
        "Text of others stands behind a bar. A dotted bar means that the row goes on in the middle of a word. Only rows without a bar are ours.",
        "`\\u{202e}` and the like stand for characters that a terminal would not show as they are.",
        "Keys that were typed before the question appeared, and anything pasted, are no answers.",
    ] {
        page.own(Ink::Plain, 2, words);
    }
    page.left_out_elsewhere();
    let presentable = is_presentable(ask);
    let mut sheet = Sheet { page, detail: Detail::Brief, room: Room::LEAST, look, presentable };
    // The question is not on the screen any more, and its keys count.
    sheet.again(ask);
    sheet.keys(ask);
    sheet.page.into_text()
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
    page.foreign("", Foreign { text: &ask.subject.label(), newlines: Newlines::Obeyed, rows: 1 });
    page.into_text()
}

/// Whether there is a change to show.
pub(super) fn has_diff(ask: &Ask) -> bool {
    matches!(&ask.subject, Subject::FileChange(FileChangeSubject { diff: Some(_), .. }))
}

/// A page for one question.
struct Sheet<'a> {
    page: Page<'a>,
    detail: Detail,
    room: Room,
    look: &'a Look,
    /// Whether all that a yes would give is shown.
    presentable: bool,
}

impl<'a> Sheet<'a> {
    fn of(
        ask: &Ask,
        look: &'a Look,
        (detail, room): (Detail, Room),
        (waiting, repeats): (usize, bool),
    ) -> Self {
        let mut sheet = Sheet { page: Page::new(look), detail, room, look, presentable: is_presentable(ask) };
        if look.keys == Keys::Lines {
            sheet.page.gap();
        }
        sheet.title(ask, waiting);
        sheet.subject(&ask.subject);
        if let Some(reason) = &ask.reason {
            sheet.page.own(Ink::Plain, 2, "why, in the words of the agent or of a rule:");
            sheet.text("", reason);
        }
        if let Some(assessment) = &ask.assessment {
            sheet.assessment(assessment);
        }
        if ask.person_only {
            sheet.page.own(Ink::Warning, 2, "A rule wants a person to decide this each time.");
        }
        if repeats {
            for offer in offers(ask).iter().filter(|_| room.examples > 0) {
                sheet.rule(offer);
            }
            sheet.room = Room::LEAST;
            sheet.again(ask);
        } else {
            sheet.page.gap();
        }
        sheet.keys(ask);
        sheet
    }

    fn title(&mut self, ask: &Ask, waiting: usize) {
        let mut title = format!("codex: {}", heading(&ask.subject));
        match waiting {
            0 => {}
            1 => title.push_str(" (1 more waits)"),
            more => _ = write!(title, " ({more} more wait)"),
        }
        self.page.own(Ink::Strong, 0, &title);
    }

    /// What is asked, in two rows.
    fn again(&mut self, ask: &Ask) {
        self.page.gap();
        self.title(ask, 0);
        let (label, text) = gist(&ask.subject);
        self.page.foreign(label, Foreign { text: &text, newlines: Newlines::Shown, rows: REPEATED_ROWS });
    }

    fn line(&mut self, label: &'static str, text: &str) {
        let rows = self.room.text;
        self.page.foreign(label, Foreign { text, newlines: Newlines::Shown, rows });
    }

    fn text(&mut self, label: &'static str, text: &str) {
        let rows = self.room.text;
        self.page.foreign(label, Foreign { text, newlines: Newlines::Obeyed, rows });
    }

    fn list<T: ToString>(&mut self, label: &'static str, items: impl IntoIterator<Item = T>) {
        let mut items = items.into_iter();
        let limit = self.room.list;
        let mut label = label;
        for item in items.by_ref().take(limit) {
            self.line(std::mem::take(&mut label), &item.to_string());
        }
        let more = items.count();
        if more > 0 {
            self.page.left_out(&format!("{more} more are not shown: press v"));
        }
    }

    /// What is given with a yes: never shortened, where there is a yes.
    fn given<T: ToString>(&mut self, label: &'static str, items: impl IntoIterator<Item = T>) {
        let room = self.room;
        if self.presentable {
            self.room = Room::ALL;
        }
        self.list(label, items);
        self.room = room;
    }

    fn argv(&mut self, argv: &[String]) {
        let text = execpolicy::shell::join(argv);
        let rows = self.room.command;
        self.page.foreign("command", Foreign { text: &text, newlines: Newlines::Shown, rows });
    }

    fn subject(&mut self, subject: &Subject) {
        match subject {
            Subject::Exec(exec) => self.exec(exec),
            Subject::Retry(retry) => {
                self.page.own(Ink::Plain, 2, "what stopped the first attempt:");
                self.text("", &retry.denial);
                match &retry.with {
                    RetryWith::Permissions { permissions } => {
                        self.permissions("would get", permissions);
                        self.exec(&retry.exec);
                    }
                    RetryWith::Unsandboxed => {
                        self.page.fact(
                            Ink::Warning,
                            "would get",
                            "everything: it would run without a sandbox",
                        );
                        self.exec(&retry.exec);
                    }
                }
            }
            Subject::Subcommand(subcommand) => {
                self.argv(&subcommand.argv);
                self.line("program", &subcommand.program.to_string());
                self.line("in", &subcommand.cwd.to_string());
                self.placement(subcommand.placement == execpolicy::Placement::Inside);
            }
            Subject::StdinWrite(stdin) => {
                self.argv(&stdin.argv);
                self.line("process", &stdin.process);
                self.page.own(Ink::Plain, 2, "would be sent to its standard input:");
                let rows = self.room.command;
                self.page.foreign("", Foreign { text: &stdin.text, newlines: Newlines::Shown, rows });
            }
            Subject::FileChange(change) => self.files(change),
            Subject::Permissions(permissions) => {
                self.permissions("asks for", &permissions.permissions);
                self.line("in", &permissions.cwd.to_string());
                self.machine(&permissions.environment_id);
            }
            Subject::Network(network) => {
                self.line("host", &network.host);
                self.page.fact(Ink::Plain, "protocol", network.protocol.word());
                self.page.fact(Ink::Plain, "port", &network.port.to_string());
                self.machine(&network.environment_id);
            }
        }
    }

    fn exec(&mut self, exec: &ExecSubject) {
        self.argv(&exec.argv);
        self.line("program", &exec.program.path.to_string());
        if exec.program.target != exec.program.path {
            self.line("leads to", &exec.program.target.to_string());
        }
        self.line("in", &exec.cwd.to_string());
        if let Some(target) = &exec.cwd_target {
            self.line("leads to", &target.to_string());
        }
        if let Some(repository) = &exec.repository {
            self.line("repository", &repository.to_string());
        }
        self.machine(&exec.environment_id);
        self.placement(exec.reach.sandboxed);
        if exec.reach.sandboxed {
            self.line("profile", &exec.reach.profile);
            match exec.reach.writable.as_slice() {
                [] => self.page.fact(Ink::Plain, "may write", "nothing"),
                writable => self.list("may write", writable),
            }
            self.page.fact(Ink::Plain, "network", if exec.reach.network { "yes" } else { "no" });
        }
        if let Some(additional) = &exec.additional {
            self.permissions("extra", additional);
        }
        self.given("sets", exec.environment.iter().map(|(name, value)| format!("{name}={value}")));
        if exec.tty {
            self.page.fact(Ink::Plain, "terminal", "it gets one");
        }
    }

    fn placement(&mut self, sandboxed: bool) {
        match sandboxed {
            true => self.page.fact(Ink::Plain, "sandbox", "yes"),
            false => self.page.fact(Ink::Warning, "sandbox", "NONE: it can do whatever you can"),
        }
    }

    /// Which machine, where it is another one.
    fn machine(&mut self, environment: &str) {
        if environment != "local" {
            self.line("machine", environment);
        }
    }

    /// Row by row.
    fn permissions(&mut self, label: &'static str, permissions: &AdditionalPermissions) {
        let entries = permissions.entries.iter().map(|entry| {
            let access = match entry.access {
                Access::Read => "read",
                Access::Write => "read and write",
                Access::Deny => "not touch",
            };
            format!("{access} {}", entry.path)
        });
        let network = permissions.network.is_enabled().then(|| "use the network".to_owned());
        self.given(label, network.into_iter().chain(entries));
        if permissions.is_empty() {
            self.page.fact(Ink::Plain, label, "nothing");
        }
    }

    fn files(&mut self, change: &FileChangeSubject) {
        if !change.outside.is_empty() {
            self.page.own(Ink::Warning, 2, "some of them lie OUTSIDE what is writable now:");
        }
        self.list("OUTSIDE", &change.outside);
        let inside = change.paths.iter().filter(|path| !change.outside.contains(path));
        self.list("inside", inside);
        if let Some(root) = &change.grant_root {
            self.given("folder", [root]);
            self.page.own(Ink::Warning, 2, "The agent would like to write below this folder all session.");
        }
        match (&change.diff, self.detail) {
            (Some(diff), Detail::Diff) => {
                self.page.own(Ink::Plain, 2, "the change:");
                self.text("", diff);
            }
            (Some(_), Detail::Brief | Detail::Full) | (None, _) => {}
        }
    }

    fn assessment(&mut self, assessment: &Assessment) {
        let (ink, level) = match assessment.risk_level {
            RiskLevel::Low => (Ink::Plain, "low"),
            RiskLevel::Medium => (Ink::Plain, "medium"),
            RiskLevel::High => (Ink::Warning, "high"),
        };
        let categories: Vec<&str> =
            assessment.risk_categories.iter().map(|category| words(*category)).collect();
        let about =
            if categories.is_empty() { String::new() } else { format!(" ({})", categories.join(", ")) };
        self.page.own(ink, 2, &format!("an opinion, which may be wrong: {level} risk{about}:"));
        self.text("", &assessment.description);
    }

    fn keys(&mut self, ask: &Ask) {
        if !self.presentable {
            let words = "Too much is asked for to be shown whole, so there is no yes.";
            self.page.own(Ink::Warning, 2, words);
        }
        for offer in offers(ask) {
            self.answer(&offer);
        }
        let mut others = vec!["?  help"];
        if has_diff(ask) && self.detail != Detail::Diff {
            others.push("d  show the change");
        }
        if self.page.is_cut() && self.detail == Detail::Brief {
            others.push("v  show everything");
        }
        self.page.own(Ink::Faint, 2, &others.join("   "));
        let how = match self.look.keys {
            Keys::Single => "Press a key.",
            Keys::Lines => "Type a letter and Enter.",
        };
        let seconds = ask.deadline.as_secs();
        self.page.own(Ink::Faint, 2, &format!("{how} Without an answer within {seconds} s it is refused."));
    }

    fn answer(&mut self, offer: &Offer) {
        self.page.key(&offer.key.to_string(), offer.words);
        if let Some(folder) = &offer.folder {
            self.line("", &folder.to_string());
        }
        self.prefix(offer);
        if self.room.examples > 0 {
            self.examples(offer);
        }
    }

    /// A rule in full, away from its key.
    fn rule(&mut self, offer: &Offer) {
        if offer.rule.as_ref().is_some_and(|rule| !rule.also_matches.is_empty()) {
            self.page.own(Ink::Plain, 2, &format!("{} would write a rule for:", offer.key));
            self.prefix(offer);
            self.examples(offer);
        }
    }

    fn prefix(&mut self, offer: &Offer) {
        let Some(rule) = &offer.rule else { return };
        let prefix = execpolicy::shell::join(&rule.prefix);
        let rows = self.room.prefix;
        self.page.foreign("", Foreign { text: &prefix, newlines: Newlines::Shown, rows });
        if self.room.examples < rule.also_matches.len() {
            self.page.left_out_elsewhere();
        }
    }

    fn examples(&mut self, offer: &Offer) {
        let Some(rule) = offer.rule.as_ref().filter(|rule| !rule.also_matches.is_empty()) else { return };
        self.page.own(Ink::Plain, 5, "it would also cover:");
        let rows = self.room.prefix;
        for example in rule.also_matches.iter().take(self.room.examples) {
            self.page.foreign("", Foreign { text: example, newlines: Newlines::Shown, rows });
        }
    }
}

/// What it is about, and its label.
fn gist(subject: &Subject) -> (&'static str, String) {
    match subject {
        Subject::Exec(exec) => ("command", execpolicy::shell::join(&exec.argv)),
        Subject::Retry(retry) => ("command", execpolicy::shell::join(&retry.exec.argv)),
        Subject::Subcommand(subcommand) => ("command", execpolicy::shell::join(&subcommand.argv)),
        Subject::StdinWrite(stdin) => ("text", stdin.text.clone()),
        Subject::FileChange(change) => {
            let first = change.outside.first().or(change.paths.first());
            ("files", first.map(ToString::to_string).unwrap_or_default())
        }
        Subject::Permissions(permissions) => ("in", permissions.cwd.to_string()),
        Subject::Network(network) => ("host", network.host.clone()),
    }
}

fn heading(subject: &Subject) -> &'static str {
    match subject {
        Subject::Exec(_) => "run this command?",
        Subject::Retry(retry) => match retry.with {
            RetryWith::Permissions { .. } => "try this command again, with more permissions?",
            RetryWith::Unsandboxed => "try this command again, OUTSIDE THE SANDBOX?",
        },
        Subject::Subcommand(_) => "may the running command start this program?",
        Subject::StdinWrite(_) => "send this to the running command?",
        Subject::FileChange(_) => "write these files?",
        Subject::Permissions(_) => "give these permissions?",
        Subject::Network(_) => "may the command connect to this host?",
    }
}

fn words(category: RiskCategory) -> &'static str {
    match category {
        RiskCategory::DataDeletion => "data is lost",
        RiskCategory::DataExfiltration => "data leaves the machine",
        RiskCategory::PrivilegeEscalation => "rights are gained",
        RiskCategory::SystemModification => "the system is changed",
        RiskCategory::NetworkAccess => "the network is used",
        RiskCategory::ResourceExhaustion => "resources are used up",
        RiskCategory::Compliance => "rules are broken",
    }
}
