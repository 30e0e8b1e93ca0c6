//! What hostile text comes to.

use std::collections::BTreeMap;

use execpolicy::display::{is_hidden, is_mark};

use super::*;
use crate::approver::terminal::page::columns;

/// Text that tries to be something else.
const HOSTILE: &[&str] = &[
    "\u{1b}[2J\u{1b}[H",
    "\u{1b}]0;title\u{7}",
    "\u{1b}]52;c;ZWNobyBoaQ==\u{7}",
    "\u{1b}]8;;https://evil\u{1b}\\link",
    "\u{1b}[?1049h",
    "\u{1b}[31mred\u{1b}[0m",
    "\u{1b}[1A\u{1b}[2K  y  no, harmless",
    "\u{9b}2J",
    "\u{9d}0;x\u{9c}",
    "a\rb",
    "a\u{8}\u{8}\u{8}b",
    "a\u{7f}b",
    "a\u{b}b\u{c}c",
    "a\tb",
    "a\u{0}b",
    "\u{e}\u{f}",
    "\n  y  yes, once\n",
    "\ncodex: run this command?\n  command    \u{2502} ls\n",
    "\n  command    | ls\n",
    "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n",
    "x\n  sandbox    \u{2502} yes",
    "safe\u{202e}hsup tig\u{202c}",
    "\u{2066}a\u{2069}\u{2067}b\u{2068}c",
    "\u{200f}\u{200e}\u{61c}",
    "a\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}b",
    "tag\u{e0001}\u{e0041}\u{e007f}",
    "v\u{fe0f}\u{fe00}\u{e0100}",
    "so\u{ad}ft",
    "line\u{2028}sep\u{2029}para\u{85}nel",
    "\u{301}\u{301}\u{301} at the start",
    "z\u{300}\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}\u{308}\u{309}\u{30a}",
    "\u{e01}\u{e47}\u{e47}\u{e47}\u{e47}\u{e47}\u{e47}\u{e47}",
    "pad\u{3000}\u{a0}\u{2003}\u{2800}\u{3164}ding",
    "\u{fff9}a\u{fffa}b\u{fffb}",
    "\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}\u{6f22}",
    "                                                                                  y  yes, once",
    "'; $(reboot) `reboot`",
];

/// Asks of every kind with this text wherever text of others is shown.
pub(super) fn hostile_asks(text: &str) -> Vec<Ask> {
    let long = text.repeat(15);
    kinds()
        .into_iter()
        .map(|(_, mut ask)| {
            ask.reason = Some(text.to_owned());
            ask.assessment = Some(Assessment {
                description: long.clone(),
                risk_level: RiskLevel::Low,
                risk_categories: Vec::new(),
            });
            for rule in &mut ask.amendments {
                rule.also_matches = vec![text.to_owned(), long.clone()];
            }
            // An empty component or a `..` would be dropped; NUL cannot be in a path.
            let name = format!("/x{}", text.replace(['/', '\0'], "_"));
            match &mut ask.subject {
                Subject::Exec(exec) => fill(exec, text, &name),
                Subject::Retry(retry) => {
                    retry.denial = long.clone();
                    fill(&mut retry.exec, text, &name);
                }
                Subject::Subcommand(subcommand) => {
                    subcommand.argv = vec![text.to_owned(), long.clone()];
                    subcommand.program = path(&name);
                    subcommand.cwd = path(&name);
                }
                Subject::StdinWrite(stdin) => {
                    stdin.process = text.to_owned();
                    stdin.argv = vec![text.to_owned()];
                    stdin.text = long.clone();
                }
                Subject::FileChange(change) => {
                    change.paths.push(path(&name));
                    change.outside = vec![path(&name)];
                    change.grant_root = Some(path(&name));
                    change.diff = Some(long.clone());
                }
                Subject::Permissions(permissions) => {
                    permissions.cwd = path(&name);
                    permissions.environment_id = text.to_owned();
                }
                Subject::Network(network) => {
                    network.host = text.to_owned();
                    network.environment_id = long.clone();
                }
            }
            ask
        })
        .collect()
}

fn fill(exec: &mut ExecSubject, text: &str, name: &str) {
    exec.argv = vec![text.to_owned(), text.repeat(15), "last".to_owned()];
    exec.program.path = path(name);
    exec.program.target = path(format!("{name}/target"));
    exec.cwd = path(name);
    exec.cwd_target = Some(path(format!("{name}/cwd")));
    exec.repository = Some(path(name));
    exec.environment = BTreeMap::from([(text.to_owned(), text.repeat(3))]);
    exec.environment_id = text.to_owned();
    exec.reach.profile = text.to_owned();
    exec.reach.writable = vec![path(name); 20];
}

/// The rows of ours: without a bar, or the label in front of it. What a hostile text must not change.
fn frame(shown: &str) -> Vec<String> {
    let mut rows: Vec<String> = shown
        .lines()
        .map(|row| row.split_once(['\u{2502}', '\u{250a}']).map_or(row, |(label, _)| label).trim_end())
        // Whether something is cut depends on the text.
        .map(|row| row.trim_end_matches("v  show everything").trim_end().to_owned())
        .filter(|row| !row.is_empty() && !row.contains("not shown"))
        .collect();
    rows.dedup();
    rows
}

#[test]
fn hostile_text_cannot_leave_its_rows() {
    assert!(HOSTILE.len() >= 30);
    let looks = [
        WIDE,
        WIDE.sized(30, 20),
        WIDE.sized(24, 40),
        WIDE.sized(20, 24),
        WIDE.sized(10, 24),
        Look { colour: true, ..WIDE.sized(100, 30) },
        Look { keys: Keys::Lines, ..Look::plain() },
    ];
    for look in looks {
        // The same questions with harmless text have the rows of ours that there should be.
        let harmless = hostile_asks("harmless");
        for text in HOSTILE {
            for (ask, twin) in hostile_asks(text).iter().zip(&harmless) {
                for screen in screens(ask, &look) {
                    check(&screen.text, &look, text);
                }
                check(&no_longer_needed(ask, &look), &look, text);
                if look != WIDE {
                    continue;
                }
                // How much fits depends on the text; here all of it does.
                let tall = WIDE.sized(80, 60_000);
                for shown in [View::Question, WITH_DIFF] {
                    let [shown, plain] = [ask, twin].map(|ask| view(ask, &tall, shown, false).text);
                    assert_eq!(frame(&shown), frame(&plain), "{text:?}\n{shown}");
                }
            }
        }
    }
}

/// No control but newlines and the colours of ours, no character that is hidden, no row that the terminal would wrap.
fn check(shown: &str, look: &Look, text: &str) {
    let mut plain = shown.to_owned();
    if look.colour {
        for code in ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[1;33m"] {
            plain = plain.replace(code, "");
        }
    }
    for row in plain.split('\n') {
        assert!(!row.chars().any(is_hidden), "{text:?}: {row:?}");
        assert!(look.unicode || row.is_ascii(), "{text:?}: {row:?}");
        assert!(columns(row) < usize::from(look.width), "{text:?}: {row:?}");
        let marks: Vec<bool> = row.chars().map(is_mark).collect();
        assert!(!marks.windows(4).any(|four| four == [true; 4]), "{text:?}: {row:?}");
    }
}
