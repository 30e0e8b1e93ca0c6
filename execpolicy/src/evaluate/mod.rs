//! From a command to a verdict.
//!
//! ```text
//! argv ── dissect ──▶ parts (judged for allowing) + commands within (judged for restricting only)
//!      ── judge ────▶ one judgement per part: rule, guard, danger or nothing
//!      ── combine ──▶ the strictest, under the approval policy
//! ```
//!
//! Allowing and restricting are looked for in different places on purpose. Allowing needs proof: the words of
//! a plain command, a program that nobody replaced, a rule that names what it lets run. Restricting needs
//! only a sign: any command found anywhere in the text, behind wrappers, or in a script that is otherwise
//! opaque. So a mistake in reading a command line can cost a question, and no more.

mod combine;
mod dissect;
mod judge;
mod permit;
mod reason;
mod within;

use crate::{Context, Policy, Verdict};

/// The longest command, in bytes of all its words, that is looked into. What is longer is judged unread:
/// dangerous. The kernel's own limit for one word is 128 KiB (execve(2), `MAX_ARG_STRLEN`).
pub(crate) const MAX_COMMAND: usize = 512 * 1024;

impl Policy {
    /// Judges a command, as a session does before it runs it.
    ///
    /// `argv` includes the program. The verdict is a function of the arguments alone.
    pub fn evaluate(&self, argv: &[String], context: &Context<'_>) -> Verdict {
        let dissection = dissect::dissect(argv, context);
        let judgements: Vec<_> =
            dissection.parts.iter().map(|part| judge::judge(self, part, context)).collect();
        combine::combine(argv, &dissection, judgements, context, self.missing())
    }
}
