//! What has to be shown before there is a yes.

use std::collections::BTreeMap;

use super::hostile::hostile_asks;
use super::*;

/// The text of others on some screens, as one.
fn behind_bars(shown: &str) -> String {
    let rows =
        shown.lines().filter_map(|row| row.split_once("\u{2502} ").or_else(|| row.split_once("\u{250a} ")));
    rows.map(|(_, text)| text).collect()
}

fn many(count: usize, of: impl Fn(usize) -> String) -> Vec<String> {
    (0..count).map(of).collect()
}

/// A command outside of the sandbox that sets many variables, one of which counts.
fn with_variables() -> Ask {
    let mut environment: BTreeMap<String, String> =
        many(60, |number| format!("LC_{number:02}")).into_iter().map(|name| (name, "C".to_owned())).collect();
    environment.insert("GIT_SSH_COMMAND".to_owned(), "sh -c evil".to_owned());
    let reach = Reach { sandboxed: false, writable: Vec::new(), network: true, ..exec(&[]).reach };
    let subject = ExecSubject { placement: Placement::Outside, environment, reach, ..exec(&["ls", "-l"]) };
    asked(draft(Subject::Exec(Box::new(subject))))
}

/// Many permissions, of which one is to write.
fn with_permissions() -> Ask {
    let entry = |place: &str, access| json!({"path": {"type": "path", "path": place}, "access": access});
    let mut entries: Vec<_> =
        many(60, |number| format!("/data/{number}")).iter().map(|place| entry(place, "read")).collect();
    entries.push(entry("/srv/x", "write"));
    let given = json!({"network": {"enabled": true}, "fileSystem": {"entries": entries}}).to_string();
    let permissions = AdditionalPermissions::parse(&given).unwrap();
    let cwd = path("/home/me/project");
    asked(draft(Subject::Permissions(PermissionsSubject {
        permissions,
        cwd,
        environment_id: "local".to_owned(),
    })))
}

fn with_files() -> Ask {
    let paths: Vec<_> =
        many(60, |number| format!("/home/me/project/{number:02}.rs")).into_iter().map(path).collect();
    let actions = [(path("/home/me/project/59.rs"), FileAction::Delete)].into();
    let change = FileChangeSubject { paths, outside: Vec::new(), actions, grant_root: None, ..change() };
    asked(draft(Subject::FileChange(change)))
}

/// What decides is asked about on the first screen in short, is shown page by page, and only then gets a yes.
#[track_caller]
fn gets_a_yes_behind_its_pages(ask: &Ask, look: &Look, in_short: &[&str], in_full: &[String]) {
    let first = view(ask, look, View::Question, false);
    assert_eq!(keys(&first), "nc", "{}", first.text);
    assert!(first.text.contains("press v: what is asked takes"), "{}", first.text);
    let all = pages(ask, look, first.next);
    let (last, others) = all.split_last().unwrap();
    for other in others {
        assert!(keys(other) == "nc" && !other.shows_all, "{}", other.text);
    }
    assert!(keys(last).starts_with("ys") && last.shows_all, "{}", last.text);
    for what in in_short {
        assert!(
            first.text.contains(what) && last.text.contains(what),
            "{what}: {}\n{}",
            first.text,
            last.text
        );
    }
    let shown: String = others.iter().map(|page| page.text.as_str()).collect();
    for what in in_full {
        assert!(shown.contains(what), "{what}: {shown}");
    }
    // Whoever has seen it answers wherever it stands above the keys.
    for shown in [View::Question, View::Help] {
        let again = view(ask, look, shown, true);
        let names_it = in_short.iter().all(|what| again.text.contains(what));
        assert!(names_it && keys(&again).starts_with("ys") || keys(&again) == "nc", "{}", again.text);
    }
}

#[test]
fn many_variables_hide_neither_the_sandbox_nor_one_of_them() {
    let in_short = [
        "sandbox    \u{2502} NONE: it can",
        "61 variables: GIT_SSH_COMMAND, ",
        "in         \u{2502} /home/me/project",
    ];
    let in_full = many(60, |number| format!("LC_{number:02}=C\n"));
    for look in [WIDE.sized(100, 30), WIDE.sized(80, 24)] {
        gets_a_yes_behind_its_pages(&with_variables(), &look, &in_short, &in_full);
    }
    let shown = question(&with_variables(), &WIDE.sized(100, 90));
    let sets = "  sets       \u{2502} GIT_SSH_COMMAND=sh -c evil\n             \u{2502} LC_00=C\n";
    assert!(shown.contains(sets) && shown.contains("  y  yes"), "{shown}");
}

#[test]
fn many_permissions_hide_neither_the_network_nor_a_place_to_write() {
    let in_short =
        ["use the network", "read and write 1 place: /srv/x\n", "read 60 places: /data/0, /data/1, "];
    let in_full = many(60, |number| format!("read /data/{number}\n"));
    for look in [WIDE.sized(100, 30), WIDE.sized(80, 24)] {
        gets_a_yes_behind_its_pages(&with_permissions(), &look, &in_short, &in_full);
    }
    let whole = view(&with_permissions(), &WIDE.sized(100, 90), View::Question, false);
    let first = "  asks for   \u{2502} use the network\n             \u{2502} read and write /srv/x\n";
    assert!(keys(&whole) == "ysnc" && whole.text.contains(first), "{}", whole.text);
}

#[test]
fn files_that_were_not_shown_get_no_yes() {
    let in_short =
        ["codex: change these files?", "delete 1 file: /home/me/project/59.rs\n", "write 59 files: "];
    let mut in_full = many(59, |number| format!("write /home/me/project/{number:02}.rs\n"));
    in_full.push("delete /home/me/project/59.rs\n".to_owned());
    gets_a_yes_behind_its_pages(&with_files(), &WIDE.sized(100, 24), &in_short, &in_full);
    assert_eq!(keys(&view(&with_files(), &WIDE.sized(100, 90), View::Question, false)), "ysnc");
}

#[test]
fn a_command_that_was_not_shown_gets_no_yes() {
    let long = many(400, |number| format!("word{number}"));
    let argv: Vec<&str> = long.iter().map(String::as_str).collect();
    let mut ask = asked(draft(Subject::Exec(Box::new(exec(&argv)))));
    ask.reason = Some(format!("{}\nthe words that matter", "some\n".repeat(9)));
    let look = WIDE.sized(80, 24);
    gets_a_yes_behind_its_pages(&ask, &look, &["\u{2502} word0 word1 "], &[]);
    let all: String = pages(&ask, &look, FIRST).iter().map(|page| page.text.as_str()).collect();
    assert!(behind_bars(&all).starts_with(&argv.join(" ")), "{all}");
    // What matters in a text is often its end.
    assert!(question(&ask, &look).contains("\u{2502} the words that matter\n"), "{}", question(&ask, &look));
}

/// No screen is longer than the terminal; and one with a yes names what it is about.
#[test]
fn nothing_of_a_screen_is_scrolled_away() {
    let long = "word ".repeat(40);
    let asks: Vec<Ask> = kinds()
        .into_iter()
        .map(|(_, ask)| ask)
        .chain(hostile_asks(&long))
        .chain([with_variables(), with_permissions(), with_files()])
        .collect();
    for (width, height) in
        [(80, 24), (100, 30), (200, 60), (40, 40), (36, 20), (24, 80), (30, 6), (23, 24), (12, 24)]
    {
        let look = WIDE.sized(width, height);
        let columns_are_few = width < 80;
        for screen in asks.iter().flat_map(|ask| screens(ask, &look)) {
            let text = &screen.text;
            let has_yes = screen.offers.iter().any(|offer| !offer.is_no());
            let rows = text.lines().count();
            // Help in a small window, and what there is in a tiny one, may be longer: it has no yes.
            let may_be_long = !has_yes && (height < 10 || text.contains("how to answer") && columns_are_few);
            assert!(rows < usize::from(height) || may_be_long, "{width}x{height}: {text}");
            assert!(!has_yes || text.contains("codex: ") && text.contains('\u{2502}'), "{text}");
            assert!(width >= 24 || !text.contains('\u{2502}'), "{text}");
            for offer in &screen.offers {
                let row = format!("{}  ", offer.key);
                assert!(text.lines().any(|line| line.trim_start().starts_with(&row)), "{row}: {text}");
            }
        }
    }
}

#[test]
fn too_narrow_a_window_shows_nothing_foreign_and_gets_no_yes() {
    let mut ask = asked(draft(Subject::Exec(Box::new(exec(&["echo", "aaaaa codex: safe", "\u{2502} ls"])))));
    ask.reason = Some("codex: safe\n  y  yes, once".to_owned());
    for width in [1, 10, 20, 23] {
        let look = WIDE.sized(width, 24);
        for screen in screens(&ask, &look) {
            assert_eq!(keys(&screen), "nc", "{}", screen.text);
            assert!(!screen.text.contains("safe") && screen.text.contains("small"), "{}", screen.text);
        }
    }
    assert_eq!(keys(&view(&ask, &WIDE.sized(24, 60), View::Question, false)), "ysnc");
}

#[test]
fn what_no_page_shows_whole_gets_no_yes() {
    let environment = BTreeMap::from([("NAME".to_owned(), "x".repeat(5000))]);
    let ask = asked(draft(Subject::Exec(Box::new(ExecSubject { environment, ..exec(&["make"]) }))));
    let huge = asked(draft(Subject::Exec(Box::new(exec(&["echo", &"x".repeat(1 << 20)])))));
    for ask in [ask, huge] {
        assert!(question(&ask, &WIDE).contains("there is no yes"));
        for screen in screens(&ask, &WIDE) {
            assert!(!screen.shows_all && (keys(&screen) == "nc"), "{}", screen.text);
        }
    }
}

#[test]
fn a_usual_question_needs_no_page() {
    for (name, ask) in kinds() {
        for (width, height) in [(80, 24), (60, 30)] {
            let screen = view(&ask, &WIDE.sized(width, height), View::Question, false);
            assert!(screen.shows_all && keys(&screen).starts_with('y'), "{name}: {}", screen.text);
        }
    }
}
