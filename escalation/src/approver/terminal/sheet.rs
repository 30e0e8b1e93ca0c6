//! All of a question, row by row: what is asked, why, and which keys answer. In short: see [`super::short`].

use std::fmt::Write as _;

use execpolicy::Placement;
use policies::{Access, AdditionalPermissions};

use super::look::{Keys, Look};
use super::offer::Offer;
use super::page::{Foreign, Ink, MAX_ROWS, Newlines, Page};
use super::variables;
use super::words;
use crate::ask::Ask;
use crate::assess::{Assessment, RiskLevel};
use crate::subject::{ExecSubject, FileChangeSubject, Reach, RetryWith, Subject};

/// How many rows may be taken by what does not decide. What a yes would give is never cut here: a page on which it has no
/// room gets no yes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// A text that comments on what is asked.
    pub(super) text: usize,
    /// A list of what the session allows anyway.
    pub(super) list: usize,
    /// Whether what the session allows anyway is shown at all.
    pub(super) context: bool,
    /// The other commands that are named for a rule.
    pub(super) examples: usize,
    /// What a key would open, beside the key.
    pub(super) key: usize,
}

impl Room {
    /// For everything.
    pub(super) const ALL: Self =
        Self { text: MAX_ROWS, list: MAX_ROWS, context: true, examples: MAX_ROWS, key: MAX_ROWS };
    /// From what is pleasant to what is needed.
    pub(super) const BRIEF: [Self; 4] = [
        Self { text: 4, list: 5, context: true, examples: 3, key: MAX_ROWS },
        Self { text: 4, list: 5, context: true, examples: 0, key: MAX_ROWS },
        Self { text: 2, list: 2, context: true, examples: 0, key: MAX_ROWS },
        Self { text: 2, list: 1, context: false, examples: 0, key: MAX_ROWS },
    ];
}

/// Which part of a question is on the screen, where it takes several.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// From 1.
    pub(super) number: usize,
    /// How many there are.
    pub(super) of: usize,
}

/// Rows for one question.
pub(super) struct Sheet<'a> {
    pub(super) page: Page<'a>,
    pub(super) room: Room,
    pub(super) look: &'a Look,
    /// Whether all that a yes would give is shown.
    pub(super) is_whole: bool,
    /// Whether something that comments on it is left out.
    pub(super) is_cut: bool,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(look: &'a Look, room: Room) -> Self {
        Self { page: Page::new(look), room, look, is_whole: true, is_cut: false }
    }

    pub(super) fn title(&mut self, ask: &Ask, waiting: usize, part: Option<Part>) {
        if self.look.keys == Keys::Lines {
            self.page.gap();
        }
        let mut title = format!("codex: {}", words::heading(&ask.subject));
        match waiting {
            0 => {}
            1 => title.push_str(" (1 more waits)"),
            more => _ = write!(title, " ({more} more wait)"),
        }
        if let Some(Part { number, of }) = part {
            _ = write!(title, " (page {number} of {of})");
        }
        self.page.own(Ink::Strong, 0, &title);
    }

    /// Everything between the title and the keys.
    pub(super) fn body(&mut self, ask: &Ask) {
        self.subject(&ask.subject);
        self.reason(ask, self.room.text);
        self.opinion(ask);
        self.person_only(ask);
    }

    pub(super) fn reason(&mut self, ask: &Ask, rows: usize) {
        if let Some(reason) = &ask.reason {
            self.page.own(Ink::Plain, 2, "why, in the words of the agent or of a rule:");
            self.aside("", Foreign { text: reason, newlines: Newlines::Obeyed, rows });
        }
    }

    pub(super) fn person_only(&mut self, ask: &Ask) {
        if ask.person_only {
            self.page.own(Ink::Warning, 2, "A rule wants a person to decide this each time.");
        }
    }

    /// What a yes would give.
    fn needed(&mut self, label: &'static str, text: &str) {
        let foreign = Foreign { text, newlines: Newlines::Shown, rows: MAX_ROWS };
        self.is_whole &= self.page.foreign(label, foreign);
    }

    /// A comment on it.
    pub(super) fn aside(&mut self, label: &'static str, foreign: Foreign<'_>) {
        self.is_cut |= !self.page.foreign(label, foreign);
    }

    fn all<T: ToString>(&mut self, label: &'static str, items: impl IntoIterator<Item = T>) {
        let mut items = items.into_iter();
        let mut label = label;
        for item in items.by_ref().take(MAX_ROWS) {
            self.needed(std::mem::take(&mut label), &item.to_string());
        }
        let more = items.count();
        if more > 0 {
            self.is_whole = false;
            self.page.left_out(&format!("{more} more are not shown"));
        }
    }

    fn some<T: ToString>(&mut self, label: &'static str, items: impl IntoIterator<Item = T>) {
        let mut items = items.into_iter();
        let rows = self.room.text;
        let mut label = label;
        for item in items.by_ref().take(self.room.list) {
            let text = item.to_string();
            let foreign = Foreign { text: &text, newlines: Newlines::Shown, rows };
            self.aside(std::mem::take(&mut label), foreign);
        }
        let more = items.count();
        if more > 0 {
            self.is_cut = true;
            self.page.left_out(&format!("{more} more are not shown: press v"));
        }
    }

    fn subject(&mut self, subject: &Subject) {
        match subject {
            Subject::Exec(exec) => self.exec(exec),
            Subject::Retry(retry) => {
                self.page.own(Ink::Plain, 2, "what stopped the first attempt:");
                let rows = self.room.text;
                self.aside("", Foreign { text: &retry.denial, newlines: Newlines::Obeyed, rows });
                match &retry.with {
                    RetryWith::Permissions { permissions } => self.permissions("would get", permissions),
                    RetryWith::Unsandboxed => self.everything(),
                }
                self.exec(&retry.exec);
            }
            Subject::Subcommand(subcommand) => {
                self.argv(&subcommand.argv);
                self.needed("program", &subcommand.program.to_string());
                self.needed("in", &subcommand.cwd.to_string());
                self.placement(subcommand.placement, subcommand.placement == Placement::Inside);
            }
            Subject::StdinWrite(stdin) => {
                self.argv(&stdin.argv);
                self.needed("process", &stdin.process);
                self.page.own(Ink::Plain, 2, "would be sent to its standard input:");
                self.needed("", &stdin.text);
            }
            Subject::FileChange(change) => self.files(change),
            Subject::Permissions(permissions) => {
                self.permissions("asks for", &permissions.permissions);
                self.needed("in", &permissions.cwd.to_string());
                self.machine(&permissions.environment_id);
            }
            Subject::Network(network) => {
                self.needed("host", &network.host);
                self.page.fact(Ink::Plain, "protocol", network.protocol.word());
                self.page.fact(Ink::Plain, "port", &network.port.to_string());
                self.machine(&network.environment_id);
            }
        }
    }

    fn argv(&mut self, argv: &[String]) {
        self.needed("command", &execpolicy::shell::join(argv));
    }

    fn exec(&mut self, exec: &ExecSubject) {
        self.argv(&exec.argv);
        self.needed("program", &exec.program.path.to_string());
        if exec.program.target != exec.program.path {
            self.needed("leads to", &exec.program.target.to_string());
        }
        self.needed("in", &exec.cwd.to_string());
        if let Some(target) = &exec.cwd_target {
            self.needed("leads to", &target.to_string());
        }
        if self.room.context {
            self.some("repository", &exec.repository);
        }
        self.machine(&exec.environment_id);
        self.placement(exec.placement, exec.reach.sandboxed);
        self.reach(&exec.reach);
        if let Some(additional) = &exec.additional {
            self.permissions("extra", additional);
        }
        let variables = variables::in_order(&exec.environment).into_iter();
        self.all("sets", variables.map(|(name, value)| format!("{name}={value}")));
        if exec.tty {
            self.page.fact(Ink::Plain, "terminal", "it gets one");
        }
    }

    /// What the session allows anyway. That the network is open is never left out.
    fn reach(&mut self, reach: &Reach) {
        self.is_cut |= !self.room.context;
        if reach.sandboxed && self.room.context {
            self.some("profile", [&reach.profile]);
            match reach.writable.as_slice() {
                [] => self.page.fact(Ink::Plain, "may write", "nothing"),
                writable => self.some("may write", writable),
            }
        }
        if reach.sandboxed && (self.room.context || reach.network) {
            self.network(reach.network);
        }
    }

    pub(super) fn network(&mut self, is_open: bool) {
        self.page.fact(Ink::Plain, "network", if is_open { "yes" } else { "no" });
    }

    /// Outside the sandbox hidden files stay hidden, by a sandbox that hides them and nothing else.
    pub(super) fn placement(&mut self, placement: Placement, sandboxed: bool) {
        match (placement, sandboxed) {
            (Placement::Inside, true) => self.page.fact(Ink::Plain, "sandbox", "yes"),
            (Placement::Outside, true) => {
                let words = "NONE, but hidden files stay hidden: it can do whatever else you can";
                self.page.fact(Ink::Warning, "sandbox", words);
            }
            (Placement::Inside | Placement::Outside, false) => {
                self.page.fact(Ink::Warning, "sandbox", "NONE: it can do whatever you can");
            }
        }
    }

    pub(super) fn everything(&mut self) {
        self.page.fact(Ink::Warning, "would get", "everything: it would run without a sandbox");
    }

    /// Which machine, where it is another one.
    pub(super) fn machine(&mut self, environment: &str) {
        if environment != "local" {
            self.needed("machine", environment);
        }
    }

    fn permissions(&mut self, label: &'static str, permissions: &AdditionalPermissions) {
        let of_kind = |kind| permissions.entries.iter().filter(move |entry| entry.access == kind);
        let entries = ACCESSES.into_iter().flat_map(of_kind);
        let entries = entries.map(|entry| format!("{} {}", access(entry.access), entry.path));
        let network = permissions.network.is_enabled().then(|| NETWORK.to_owned());
        self.all(label, network.into_iter().chain(entries));
        if permissions.is_empty() {
            self.page.fact(Ink::Plain, label, "nothing");
        }
    }

    fn files(&mut self, change: &FileChangeSubject) {
        if !change.outside.is_empty() {
            self.page.own(Ink::Warning, 2, OUTSIDE);
        }
        let deed = |path| format!("{} {path}", change.action(path).word());
        self.all("OUTSIDE", change.outside.iter().map(deed));
        let inside = change.paths.iter().filter(|path| !change.outside.contains(path));
        self.all("inside", inside.map(deed));
        if let Some(root) = &change.grant_root {
            self.needed("folder", &root.to_string());
            self.page.own(Ink::Warning, 2, "The agent would like to write below this folder all session.");
        }
    }

    /// The change, which nobody has compared with the files.
    pub(super) fn diff(&mut self, subject: &Subject) {
        if let Subject::FileChange(FileChangeSubject { diff: Some(diff), .. }) = subject {
            self.page.own(Ink::Plain, 2, "the agent says that the change is:");
            self.aside("", Foreign { text: diff, newlines: Newlines::Obeyed, rows: self.room.text });
        }
    }

    /// What somebody else thinks of the risk; where there is little room, how high.
    pub(super) fn opinion(&mut self, ask: &Ask) {
        let Some(Assessment { description, risk_level, risk_categories }) = &ask.assessment else { return };
        let (ink, level) = match risk_level {
            RiskLevel::Low => (Ink::Plain, "low"),
            RiskLevel::Medium => (Ink::Plain, "medium"),
            RiskLevel::High => (Ink::Warning, "high"),
        };
        let opinion = format!("an opinion, which may be wrong: {level} risk");
        if !self.room.context {
            self.is_cut = true;
            self.page.own(ink, 2, &opinion);
            return;
        }
        let about: Vec<&str> = risk_categories.iter().map(|category| words::risk(*category)).collect();
        let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join(", ")) };
        self.page.own(ink, 2, &format!("{opinion}{about}:"));
        let rows = self.room.text;
        self.aside("", Foreign { text: description, newlines: Newlines::Obeyed, rows });
    }

    /// The rules that are offered, in full and away from their keys.
    pub(super) fn rules(&mut self, offers: &[Offer]) {
        for offer in offers.iter().filter(|offer| offer.rule.is_some()) {
            self.page.own(Ink::Plain, 2, &format!("{} would write a rule for:", offer.key));
            self.opens(offer);
        }
    }

    /// The answers. `more` is what `v` shows next.
    pub(super) fn keys(&mut self, ask: &Ask, offers: &[Offer], more: Option<&str>) {
        for offer in offers {
            let ink = if offer.is_wider { Ink::Warning } else { Ink::Plain };
            self.page.key(ink, offer.key, offer.words);
            self.opens(offer);
        }
        let mut others = vec!["?  help".to_owned()];
        if has_diff(ask) {
            others.push("d  show the change".to_owned());
        }
        others.extend(more.map(|more| format!("v  {more}")));
        self.page.own(Ink::Faint, 2, &others.join("   "));
        let how = match self.look.keys {
            Keys::Single => "Press a key.",
            Keys::Lines => "Type a letter and Enter.",
        };
        let seconds = ask.deadline.as_secs();
        self.page.own(Ink::Faint, 2, &format!("{how} Without an answer within {seconds} s it is refused."));
    }

    /// What an answer would open for later.
    fn opens(&mut self, offer: &Offer) {
        let rows = self.room.key;
        let mut shown = |text: &str| {
            let foreign = Foreign { text, newlines: Newlines::Shown, rows };
            self.is_whole &= self.page.foreign("", foreign);
        };
        if let Some(folder) = &offer.folder {
            shown(&folder.to_string());
        }
        let Some(rule) = &offer.rule else { return };
        shown(&execpolicy::shell::join(&rule.prefix));
        self.is_cut |= self.room.examples < rule.also_matches.len();
        if self.room.examples == 0 || rule.also_matches.is_empty() {
            return;
        }
        self.page.own(Ink::Plain, 5, "it would also cover:");
        let rows = self.room.text;
        for example in rule.also_matches.iter().take(self.room.examples) {
            self.aside("", Foreign { text: example, newlines: Newlines::Shown, rows });
        }
    }
}

/// That some files need more than the session allows.
pub(super) const OUTSIDE: &str = "some of them lie OUTSIDE what is writable now:";
/// A permission in words.
pub(super) const NETWORK: &str = "use the network";

/// The order in which entries are shown: what lets a command write stands first.
pub(super) const ACCESSES: [Access; 3] = [Access::Write, Access::Read, Access::Deny];

/// What an entry lets a command do.
pub(super) fn access(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Write => "read and write",
        Access::Deny => "not touch",
    }
}

/// Whether there is a change to show.
pub(super) fn has_diff(ask: &Ask) -> bool {
    matches!(&ask.subject, Subject::FileChange(FileChangeSubject { diff: Some(_), .. }))
}
