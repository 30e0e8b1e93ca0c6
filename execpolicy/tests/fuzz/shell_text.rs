// What must hold for any shell text. Included by the fuzz target and by the bounded test in the tree, so
// that both check the same.

use execpolicy::shell::{Dialect, invocation, join, read};
use execpolicy::{Word, command};

/// Reads bytes as a script in the dialect that the first byte picks. Panics when something does not hold.
pub(crate) fn shell_text(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let dialect = Dialect::ALL[usize::from(*first) % Dialect::ALL.len()];
    let text = String::from_utf8_lossy(rest);
    let script = read(&text, dialect);
    assert_eq!(script, read(&text, dialect), "reading is a function of the text");
    for construct in &script.constructs {
        assert!(text.get(construct.span.clone()).is_some(), "{construct:?}");
    }
    for command in &script.commands {
        assert!(!command.words.is_empty());
        assert!(command.span.start <= command.span.end && command.span.end <= text.len(), "{command:?}");
        assert!(command.fed_by.is_none_or(|index| index < script.commands.len()), "{command:?}");
    }
    let words = [dialect.word(), "-c", &text].map(|word| Word::Literal(word.to_owned()));
    assert!(invocation(&words).is_some());
    if script.is_plain() {
        plain(&script, dialect, &text);
    }
}

/// What a plain script holds, printed and read again, is the same; in a group it is opaque and still found.
fn plain(script: &execpolicy::shell::Script, dialect: Dialect, text: &str) {
    assert!(script.parsed);
    assert!(!script.commands.is_empty());
    for simple in &script.commands {
        let argv = command::all_literal(&simple.words).expect("plain commands are literal");
        assert!(simple.assignments.is_empty());
        let printed = join(&argv);
        let again = read(&printed, dialect);
        assert!(again.is_plain(), "{printed:?}: {:?}", again.constructs);
        assert_eq!(again.commands[0].words, simple.words);
    }
    let wrapped = read(&format!("(\n{text}\n)"), dialect);
    assert!(!wrapped.is_plain());
    for simple in &script.commands {
        assert!(
            wrapped.commands.iter().any(|found| found.words == simple.words),
            "{:?} is lost in a subshell",
            simple.words
        );
    }
}
