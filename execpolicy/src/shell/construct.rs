//! What keeps a script from being plain.

use serde::Serialize;

use crate::Span;

/// The kind of thing that a reader met.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConstructKind {
    /// There is no command at all.
    Empty,
    /// The text is no script of this dialect, or tree-sitter-bash cannot make sense of it.
    ParseError,
    /// The two readers do not see the same commands.
    Disagreement,
    /// More text, or deeper nesting, than is read.
    TooBig,
    /// NUL, carriage return or another control character.
    ControlCharacter,
    /// An unquoted character outside ASCII that a shell might take for a blank.
    Unicode,
    /// `$NAME`, `${...}`, `$1`, or a `$` that is left alone by some shells only.
    Expansion,
    /// `$(...)` or backquotes.
    CommandSubstitution,
    /// `<(...)`, `>(...)`, zsh `=(...)`.
    ProcessSubstitution,
    /// `$((...))`, `$[...]`, `((...))`.
    Arithmetic,
    /// `$'...'` or `$"..."`.
    DollarQuote,
    /// `*`, `?`, `[...]`, and what extended patterns or glob qualifiers use.
    Glob,
    /// `{...}` inside a word.
    BraceExpansion,
    /// `~` where a shell may put a home directory.
    Tilde,
    /// zsh: `=NAME` becomes the path of a program.
    EqualsExpansion,
    /// A backslash in a place where shells differ about it.
    Escape,
    /// `''` between two quoted pieces: one quote under zsh's `RC_QUOTES`.
    AdjacentQuotes,
    /// `&`, zsh `&|` and `&!`.
    Background,
    /// `|&`: a pipe for both outputs in bash and zsh, a co-process in ksh, an error in dash.
    PipeBoth,
    /// `( ... )`.
    Subshell,
    /// `{ ...; }`.
    Group,
    /// `!` before a pipeline.
    Negation,
    /// `if`, `for`, `while`, `case` and their parts.
    ControlFlow,
    /// The definition of a function.
    Function,
    /// `[`, `[[`, or a form of `test` that may evaluate its operands.
    Test,
    /// A word that changes how the rest of the command is read: `time`, `coproc`, `noglob`, zsh `-`.
    ReservedWord,
    /// `NAME=value` before or instead of a command.
    Assignment,
    /// A command name that shells look up in another way: empty, digits only, `%1`, with `=` or `@`.
    CommandName,
    /// A here-document.
    HereDocument,
    /// A here-string.
    HereString,
    /// A redirection whose effect is not the same everywhere.
    Redirection,
    /// A redirection that opens a connection: `/dev/tcp/...`.
    Network,
    /// A builtin that changes what the rest of the script means, or that evaluates its arguments.
    Builtin,
    /// An option of the shell that changes what the script means, or that is not known.
    ShellOption,
    /// A word of the shell's argv is only known when it runs.
    UnknownWord,
}

impl ConstructKind {
    /// The words for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Empty => "empty script",
            Self::ParseError => "parse error",
            Self::Disagreement => "ambiguous text",
            Self::TooBig => "too much text",
            Self::ControlCharacter => "control character",
            Self::Unicode => "unquoted special character",
            Self::Expansion => "expansion",
            Self::CommandSubstitution => "command substitution",
            Self::ProcessSubstitution => "process substitution",
            Self::Arithmetic => "arithmetic",
            Self::DollarQuote => "dollar quote",
            Self::Glob => "pattern",
            Self::BraceExpansion => "brace expansion",
            Self::Tilde => "tilde",
            Self::EqualsExpansion => "equals expansion",
            Self::Escape => "backslash",
            Self::AdjacentQuotes => "adjacent quotes",
            Self::Background => "background command",
            Self::PipeBoth => "pipe of both outputs",
            Self::Subshell => "subshell",
            Self::Group => "group",
            Self::Negation => "negation",
            Self::ControlFlow => "control flow",
            Self::Function => "function",
            Self::Test => "test",
            Self::ReservedWord => "reserved word",
            Self::Assignment => "assignment",
            Self::CommandName => "unusual command name",
            Self::HereDocument => "here-document",
            Self::HereString => "here-string",
            Self::Redirection => "redirection",
            Self::Network => "network redirection",
            Self::Builtin => "builtin",
            Self::ShellOption => "shell option",
            Self::UnknownWord => "unknown word",
        }
    }
}

/// One thing that keeps a script from being plain.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Construct {
    /// What it is.
    pub what: ConstructKind,
    /// Where it is: bytes of the script. For [`ConstructKind::ShellOption`] and
    /// [`ConstructKind::UnknownWord`], which are not in the script, `0..0`.
    pub span: Span,
    /// Why it matters, in one line for people.
    pub why: String,
}

impl Construct {
    /// A construct at a place.
    pub(crate) fn new(what: ConstructKind, span: Span, why: impl Into<String>) -> Self {
        Self { what, span, why: why.into() }
    }
}
