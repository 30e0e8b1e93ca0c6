//! From one argv to the parts that are judged for allowing.

use crate::Context;
use crate::command::{Span, Word, all_literal, literal_prefix, program_name};
use crate::context::Programs;
use crate::evaluate::MAX_COMMAND;
use crate::evaluate::judge::shown;
use crate::policy::paths;
use crate::shell::{
    self, Construct, Directory, Operator, Redirection, Script, SimpleCommand, Source, Target,
};
use crate::summary::Joined;

/// One command that is proven to be started with exactly these words, or the whole call where nothing could
/// be proven.
#[derive(Debug)]
pub(super) struct Part {
    /// The words.
    pub(super) argv: Vec<String>,
    /// The words for display.
    pub(super) shown: Vec<String>,
    /// Where it stands in the script.
    pub(super) span: Option<Span>,
    /// The files that its redirections write.
    pub(super) writes: Vec<(String, Span)>,
    /// What arrives on its standard input.
    pub(super) feed: Feed,
    /// Whether it may start in another directory than the call: then a relative program is another one.
    pub(super) moved: bool,
}

/// One command of a plain script, `cd DIR` included, for display.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) argv: Vec<String>,
    /// What joins it to the step before it.
    pub(super) joined: Joined,
    /// Whether a redirection of it writes a file.
    pub(super) writes: bool,
}

/// What a command reads from its standard input, as far as that could be a script for a shell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Feed {
    /// Nothing that this call puts there.
    Nothing,
    /// This text.
    Text(String),
    /// The output of another command, or a text that is known only when it runs.
    Unknown,
}

/// What a call turned out to be.
#[derive(Debug)]
pub(super) struct Dissection {
    /// Never empty.
    pub(super) parts: Vec<Part>,
    /// The whole plain script in order; empty if there is none.
    pub(super) steps: Vec<Step>,
    /// What made a script opaque; empty when it is plain, or when there is no script.
    pub(super) constructs: Vec<Construct>,
    /// The text of the script, if there is one.
    pub(super) script: Option<String>,
    /// Whether nothing is proven of what the call starts.
    pub(super) opaque: bool,
    /// Whether it is too long to be looked into.
    pub(super) unread: bool,
}

/// Takes a call apart.
pub(super) fn dissect(argv: &[String], context: &Context<'_>) -> Dissection {
    let unread = argv.iter().map(String::len).sum::<usize>() > MAX_COMMAND;
    if unread {
        return Dissection { unread, opaque: true, ..whole(argv) };
    }
    let Some(invocation) = shell::invocation(&Word::all(argv)) else { return whole(argv) };
    let text = match invocation.source {
        Source::Script { text, .. } => text,
        Source::Unclear(construct) => {
            return Dissection { constructs: vec![construct], opaque: true, ..whole(argv) };
        }
        Source::File { .. } | Source::Stdin => return Dissection { opaque: true, ..whole(argv) },
        Source::Nothing => return whole(argv),
    };
    let mut script = shell::read(&text, invocation.dialect);
    script.constructs.extend(invocation.constructs);
    let trusted = argv.first().is_some_and(|program| is_trusted_shell(program, context.programs));
    let parts = if trusted { parts(&script, context.cwd) } else { None };
    let (opaque, parts, steps) = match parts {
        Some(parts) => (false, parts, steps(&script)),
        None => (true, whole(argv).parts, Vec::new()),
    };
    Dissection { parts, steps, opaque, constructs: script.constructs, script: Some(text), unread: false }
}

fn whole(argv: &[String]) -> Dissection {
    let shown = shown(&Word::all(argv));
    let part = Part {
        argv: argv.to_vec(),
        shown,
        span: None,
        writes: Vec::new(),
        feed: Feed::Nothing,
        moved: false,
    };
    Dissection {
        parts: vec![part],
        steps: Vec::new(),
        constructs: Vec::new(),
        script: None,
        opaque: false,
        unread: false,
    }
}

/// A shell that the sandboxed side could have put there may do anything with the plainest text.
pub(super) fn is_trusted_shell(program: &str, programs: &dyn Programs) -> bool {
    if !program.contains('/') {
        return true;
    }
    paths::plainly_absolute(program) && !programs.replaceable(&paths::absolute("/", program))
}

/// The commands of a plain script, without the `cd DIR` that others carry as their directory.
fn parts(script: &Script, cwd: &str) -> Option<Vec<Part>> {
    if !script.is_plain() {
        return None;
    }
    let mut parts = Vec::new();
    for (index, command) in script.commands.iter().enumerate() {
        let argv = all_literal(&command.words)?;
        if is_carried(script, index) {
            continue;
        }
        parts.push(Part {
            argv,
            shown: shown(&command.words),
            span: Some(command.span.clone()),
            writes: writes(command),
            feed: feed(script, command),
            moved: is_elsewhere(&command.directory, cwd),
        });
    }
    if parts.is_empty() { None } else { Some(parts) }
}

/// Whether a command starts in another directory than the call, or may.
pub(super) fn is_elsewhere(directory: &Directory, cwd: &str) -> bool {
    match directory {
        Directory::Initial => false,
        // What goes up may pass a symbolic link.
        Directory::Path(path) if paths::plainly_absolute(path) => {
            paths::absolute("/", path) != paths::absolute("/", cwd)
        }
        Directory::Path(_) | Directory::Unknown => true,
    }
}

fn steps(script: &Script) -> Vec<Step> {
    script
        .commands
        .iter()
        .enumerate()
        .filter_map(|(index, command)| {
            let joined = if index == 0 { Joined::First } else { joined(command.operator) };
            // A file behind a pipe feeds a filter with what no other part shows.
            let hidden = joined == Joined::Pipe && !command.redirections.iter().all(is_harmless);
            let writes = hidden || !writes(command).is_empty();
            Some(Step { argv: all_literal(&command.words)?, joined, writes })
        })
        .collect()
}

fn is_harmless(redirection: &Redirection) -> bool {
    match redirection.target {
        Target::Null | Target::Descriptor => true,
        Target::File(_) | Target::HereDocument(_) | Target::Unknown => false,
    }
}

/// Whether this is the `cd DIR` of `cd DIR && …`, which changes nothing but the directory of what follows.
/// One that stands alone is a command like any other.
fn is_carried(script: &Script, index: usize) -> bool {
    let next = script.commands.get(index.saturating_add(1));
    let joined = next.is_some_and(|next| next.operator == Operator::And);
    script.commands.get(index).is_some_and(|command| {
        joined
            && command.operator != Operator::Pipe
            && command.redirections.is_empty()
            // `cd -`, `cd -1` and `cd +1` go where only the shell knows, and two words are a substitution (zsh).
            && matches!(literal_prefix(&command.words).as_slice(), ["cd", to] if !to.is_empty() && !to.starts_with(['-', '+']))
    })
}

fn joined(operator: Operator) -> Joined {
    match operator {
        Operator::Sequence => Joined::Sequence,
        Operator::And => Joined::And,
        Operator::Or => Joined::Or,
        Operator::Pipe => Joined::Pipe,
    }
}

fn writes(command: &SimpleCommand) -> Vec<(String, Span)> {
    command
        .redirections
        .iter()
        .filter(|redirection| redirection.writes)
        .map(|redirection| {
            let path = match &redirection.target {
                Target::File(path) => from(&command.directory, path),
                Target::Null | Target::Descriptor | Target::HereDocument(_) | Target::Unknown => {
                    "…".to_owned()
                }
            };
            (path, redirection.span.clone())
        })
        .collect()
}

/// A path as seen from where the call starts, as far as that is known.
fn from(directory: &Directory, path: &str) -> String {
    match directory {
        Directory::Path(directory) if !path.starts_with('/') => {
            format!("{}/{path}", directory.trim_end_matches('/'))
        }
        Directory::Unknown if !path.starts_with('/') => format!("…/{path}"),
        Directory::Initial | Directory::Path(_) | Directory::Unknown => path.to_owned(),
    }
}

/// What a command of a script finds on its standard input: the last redirection of it, or else the pipe.
pub(super) fn feed(script: &Script, command: &SimpleCommand) -> Feed {
    let redirected = command.redirections.iter().rev().find_map(|redirection| match &redirection.target {
        Target::HereDocument(Some(text)) => Some(Feed::Text(text.clone())),
        Target::HereDocument(None) => Some(Feed::Unknown),
        Target::File(_) | Target::Null | Target::Descriptor | Target::Unknown => None,
    });
    let piped = || {
        let from = script.commands.get(command.fed_by?)?;
        Some(echoed(&from.words).map_or(Feed::Unknown, Feed::Text))
    };
    redirected.or_else(piped).unwrap_or(Feed::Nothing)
}

/// The text that an `echo` or `printf` of literal words writes, near enough to look for commands in it.
fn echoed(words: &[Word]) -> Option<String> {
    let words = all_literal(words)?;
    let (program, rest) = words.split_first()?;
    match program_name(program) {
        "echo" | "printf" | "print" => {
            let text: Vec<&str> =
                rest.iter().map(String::as_str).skip_while(|word| word.starts_with('-')).collect();
            // Escapes that both commands know; what they are not in this place, they do no harm as.
            Some(text.join(" ").replace("\\n", "\n").replace("%s", " "))
        }
        _ => None,
    }
}
