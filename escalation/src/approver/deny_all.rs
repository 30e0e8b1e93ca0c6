//! Nobody.

use std::sync::Arc;

use super::{Approver, ApproverError, BoxFuture};
use crate::answer::Answer;
use crate::ask::Ask;

/// For programs without anybody to ask: every question is refused at once.
#[derive(Clone, Debug)]
pub struct DenyAll {
    why: String,
}

impl DenyAll {
    /// Nobody is there, for this reason. The text is safe to print, and completes "there is nobody to ask: …".
    pub fn because(why: impl Into<String>) -> Self {
        Self { why: why.into() }
    }
}

impl Default for DenyAll {
    fn default() -> Self {
        Self::because("this program was started without an approver")
    }
}

impl Approver for DenyAll {
    fn name(&self) -> &str {
        "none"
    }

    /// It says no to everybody's questions alike.
    fn is_person(&self) -> bool {
        true
    }

    fn ask(&self, _: Arc<Ask>) -> BoxFuture<'_, Result<Answer, ApproverError>> {
        Box::pin(std::future::ready(Err(ApproverError::Absent { why: self.why.clone() })))
    }
}
