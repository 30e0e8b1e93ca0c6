//! Rows about shell text, and what holds for all of it.

#![expect(clippy::string_slice, reason = "a test fails by panicking")]

use execpolicy::Word;
use execpolicy::shell::{ConstructKind, Dialect, Script, join, read};
use proptest::prelude::*;
use serde::Deserialize;

/// One row of `data/shell.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    script: String,
    /// The dialects that it holds for; all when there are none.
    #[serde(default)]
    dialects: Vec<String>,
    /// The argvs of a plain script.
    plain: Option<Vec<Vec<String>>>,
    /// The kinds of constructs of an opaque one, each with the text that it points at.
    opaque: Option<Vec<(String, String)>>,
    /// Commands that must be found in an opaque one; `?` is an unknown word.
    #[serde(default)]
    found: Vec<Vec<String>>,
    /// Commands that must not be found.
    #[serde(default)]
    not_found: Vec<Vec<String>>,
    /// Why the row is there.
    #[serde(default)]
    #[expect(dead_code, reason = "for the reader of the file")]
    why: String,
}

#[derive(Deserialize)]
struct Rows {
    case: Vec<Row>,
}

fn words(words: &[Word]) -> Vec<String> {
    words.iter().map(|word| word.literal().unwrap_or("?").to_owned()).collect()
}

fn argvs(script: &Script) -> Vec<Vec<String>> {
    script.commands.iter().map(|command| words(&command.words)).collect()
}

fn check(row: &Row, dialect: Dialect) {
    let script = read(&row.script, dialect);
    let context = format!("{:?} in {}: {:?}", row.script, dialect.word(), script);
    let argvs = argvs(&script);
    if let Some(plain) = &row.plain {
        assert!(script.is_plain(), "not plain: {context}");
        assert_eq!(&argvs, plain, "{context}");
    }
    if let Some(opaque) = &row.opaque {
        let kinds: Vec<(String, String)> = script
            .constructs
            .iter()
            .map(|construct| (format!("{:?}", construct.what), row.script[construct.span.clone()].to_owned()))
            .collect();
        assert_eq!(&kinds, opaque, "{context}");
    }
    assert!(row.plain.is_some() != row.opaque.is_some(), "a row says either `plain` or `opaque`: {context}");
    for command in &row.found {
        assert!(argvs.contains(command), "{command:?} not found: {context}");
    }
    for command in &row.not_found {
        assert!(!argvs.contains(command), "{command:?} found: {context}");
    }
}

#[test]
fn rows() {
    let rows: Rows = toml::from_str(include_str!("data/shell.toml")).unwrap();
    for row in &rows.case {
        for dialect in Dialect::ALL {
            if row.dialects.is_empty() || row.dialects.iter().any(|word| word == dialect.word()) {
                check(row, dialect);
            }
        }
    }
}

/// Text that shells find interesting.
fn shellish() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "'", "\"", "\\", "$", "`", "(", ")", "{", "}", "[", "]", ";", "&", "|", "<", ">", "\n", " ", "#", "!",
            "~", "*", "?", "=", "$(", "${", "$((", "))", "<<E\n", "\nE\n", "<<-'E'\n", "<<<", ">&", "&>", "|&",
            "$'", "$\"", "case x in ", "esac", "if ", "then ", "fi", "for i in ", "do ", "done", "f()", ";;", "{a,b}",
            "\r", "\0", "\u{a0}", "é", "[[", "]]", "((", "X=1 ", "a[", "]=", "function ", "time ", "<(", ">(",
        ]).prop_map(str::to_owned),
        3 => prop::sample::select(vec!["git", "rm", "-rf", "status", "x", "1", "echo"])
            .prop_map(|word| format!("{word} ")),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn dialect() -> impl Strategy<Value = Dialect> {
    prop::sample::select(Dialect::ALL.to_vec())
}

/// A command that no table of builtins lists.
fn argv() -> impl Strategy<Value = Vec<String>> {
    let word = prop_oneof![
        "[a-zA-Z0-9_./=+:,@%^~#-]{0,8}",
        "[ -~]{0,12}",
        "[^\0]{0,6}",
        prop::sample::select(vec![
            "if", "{", "}", "!", "time", "-", "2", "a'b", "''", "$(id)", "\\", "~", "=ls"
        ])
        .prop_map(str::to_owned),
    ];
    (word.clone().prop_filter("a name", |name| !name.is_empty()), prop::collection::vec(word, 0..5)).prop_map(
        |(name, mut words)| {
            // Programs of the tests' own, so that no builtin is among them.
            words.insert(0, if name.len() < 8 { format!("x{name}") } else { name });
            words
        },
    )
}

/// Wraps a script so that it still runs.
fn wrappings(script: &str) -> Vec<String> {
    vec![
        format!("(\n{script}\n)"),
        format!("{{\n{script}\n}}"),
        format!("if true; then\n{script}\nfi"),
        format!("while :; do\n{script}\ndone"),
        format!("echo $(\n{script}\n)"),
        format!("echo \"$(\n{script}\n)\""),
        format!("f() {{\n{script}\n}}"),
        format!("! {{\n{script}\n}}"),
        format!("X=1 true &\n{script}"),
        format!("cat <(\n{script}\n)"),
        format!("case x in\ny)\n{script}\n;;\nesac"),
        format!("cat <<E\n$(\n{script}\n)\nE\n"),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_never_fails(text in shellish(), dialect in dialect()) {
        let script = read(&text, dialect);
        for construct in &script.constructs {
            prop_assert!(text.get(construct.span.clone()).is_some(), "{construct:?}");
        }
        for command in &script.commands {
            prop_assert!(!command.words.is_empty());
            prop_assert!(command.span.start <= command.span.end && command.span.end <= text.len(), "{command:?}");
            prop_assert!(command.fed_by.is_none_or(|index| index < script.commands.len()));
        }
    }

    #[test]
    fn what_is_printed_is_read_back(argv in argv(), dialect in dialect()) {
        let text = join(&argv);
        let script = read(&text, dialect);
        prop_assert!(script.is_plain(), "{text:?}: {:?}", script.constructs);
        prop_assert_eq!(argvs(&script), vec![argv]);
    }

    #[test]
    fn wrapping_hides_no_command(
        commands in prop::collection::vec((argv(), prop::sample::select(vec![" && ", "; ", " | ", "\n"])), 1..4),
        dialect in dialect(),
    ) {
        let mut text = String::new();
        for (argv, operator) in &commands {
            if !text.is_empty() {
                text.push_str(operator);
            }
            text.push_str(&join(argv));
        }
        let plain = read(&text, dialect);
        prop_assert!(plain.is_plain(), "{text:?}: {:?}", plain.constructs);
        for wrapped in wrappings(&text) {
            let script = read(&wrapped, dialect);
            prop_assert!(!script.is_plain(), "{wrapped:?}");
            let found = argvs(&script);
            for argv in argvs(&plain) {
                prop_assert!(found.contains(&argv), "{argv:?} lost in {wrapped:?}: {found:?}");
            }
        }
    }
}

#[test]
fn long_and_deep_text_is_opaque_and_read_in_no_time() {
    let deep =
        ["(", "$(", "\"$(", "`", "{ ", "${", "$((", "if ", "<(", "case x in (", "[[", "<<E ", "f() {", "! "];
    for piece in deep {
        let text = piece.repeat(20_000 / piece.len());
        let script = read(&text, Dialect::Bash);
        assert!(!script.is_plain(), "{piece}");
    }
    let long = "git status\n".repeat(30_000);
    let script = read(&long, Dialect::Bash);
    assert_eq!(script.constructs[0].what, ConstructKind::TooBig);
    assert!(!script.commands.is_empty());
}

#[test]
fn a_long_file_in_a_here_document_is_text() {
    let code = "if (f(x[0])) { g(`a`, b[1] | c); }\n".repeat(2_000);
    let script = read(&format!("cat > a.js <<'EOF'\n{code}EOF\nnode a.js\n"), Dialect::Bash);
    assert!(script.parsed, "{:?}", script.constructs);
    assert_eq!(argvs(&script), [vec!["cat"], vec!["node", "a.js"]]);
    let script = read(&format!("cat > a.js <<EOF\n{code}$(rm -rf x)\nEOF\n"), Dialect::Bash);
    assert!(argvs(&script).contains(&vec!["rm".to_owned(), "-rf".to_owned(), "x".to_owned()]));
}
