//! From the text of a shell call to the commands that it runs.
//!
//! A script is *plain* when it is proven that the named shell, in a sane environment, starts exactly the
//! listed commands with exactly these arguments, or fewer of them when one fails. Two readers that share no
//! code must agree on that: `strict`, written by hand for this subset only, and tree-sitter-bash. Everything
//! else is *opaque*: a [`Construct`] says why and where, and the commands are what could be found in it. That
//! list may hold too much, so it serves rules that restrict and never one that allows.
//!
//! A sane environment means: no start-up file that changes the shell's grammar or defines functions or
//! aliases in the names of programs, no functions in environment variables, and a locale whose encoding is
//! UTF-8 or ASCII. Whoever starts the shell answers for that.

mod builtins;
mod construct;
mod decode;
mod dialect;
mod directory;
mod invocation;
mod options;
mod quote;
mod scan;
mod script;
mod strict;
mod tree;
mod word;

pub use construct::{Construct, ConstructKind};
pub use dialect::Dialect;
pub use invocation::{Invocation, Source, invocation};
pub use quote::{join, quote};
pub use script::{
    Assignment, Directory, MAX_SCRIPT_BYTES, Operator, Redirection, RedirectionKind, Script, SimpleCommand,
    Target, read,
};
