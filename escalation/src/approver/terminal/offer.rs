//! Which answers are offered, and by which key.

use execpolicy::{Amendment, Placement};
use policies::{AbsolutePath, AdditionalPermissions, GrantScope};

use super::words;
use crate::answer::{Answer, HostAction, HostAmendment, PermissionsAnswer};
use crate::ask::Ask;
use crate::subject::{FileChangeSubject, RetryWith, Subject};

/// One answer, and the key that gives it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Offer {
    /// The key.
    pub(super) key: char,
    /// The answer.
    pub(super) answer: Answer,
    /// What it means, in words of ours.
    pub(super) words: &'static str,
    /// Whether it opens more than what is asked about.
    pub(super) is_wider: bool,
    /// The rule that it would write.
    pub(super) rule: Option<Amendment>,
    /// The folder that it would open.
    pub(super) folder: Option<AbsolutePath>,
}

/// The most rules that are offered: with the command and the other keys they fit on a screen.
const MAX_RULES: usize = 5;

/// The answers to offer, in order: those that the ask lists, and those that it honours besides.
pub(super) fn offers(ask: &Ask) -> Vec<Offer> {
    let (once, session) = words::yes(&ask.subject);
    let mut offers = Vec::new();
    let mut offer = |key, answer, words, rule| {
        offers.push(Offer { key, answer, words, is_wider: false, rule, folder: None });
    };
    match &ask.subject {
        Subject::Permissions(subject) => {
            offer('y', grant(&subject.permissions, GrantScope::Turn), once, None);
            if !ask.person_only {
                offer('s', grant(&subject.permissions, GrantScope::Session), session, None);
            }
        }
        Subject::Exec(_)
        | Subject::Retry(_)
        | Subject::Subcommand(_)
        | Subject::StdinWrite(_)
        | Subject::FileChange(_)
        | Subject::Network(_) => {
            offer('y', Answer::Accept, once, None);
            if ask.may_be_remembered() {
                offer('s', Answer::for_session(), session, None);
            }
        }
    }
    let leaves = leaves_a_sandbox(&ask.subject);
    let rule_words = words::rule(leaves);
    for (key, rule) in rule_keys(ask) {
        let answer = Answer::AcceptWithExecpolicyAmendment { prefix: rule.prefix.clone() };
        offer(key, answer, rule_words, Some(rule.clone()));
    }
    if let Subject::Network(network) = &ask.subject {
        let rule = |action| {
            Answer::ApplyNetworkPolicyAmendment(HostAmendment { host: network.host.clone(), action })
        };
        offer('a', rule(HostAction::Allow), "yes, and always: write a rule that allows this host", None);
        offer('d', rule(HostAction::Deny), "no, and never: write a rule that denies this host", None);
    }
    offer('n', Answer::Decline, "no, and the agent goes on", None);
    offer('c', Answer::Cancel, "no, and the turn ends (also Esc and Ctrl-C)", None);
    if let Subject::FileChange(FileChangeSubject { grant_root: Some(root), .. }) = &ask.subject {
        for offer in offers.iter_mut().filter(|offer| offer.key == 's') {
            offer.words = "yes, for this session: these files, and ANYTHING below this folder:";
            offer.folder = Some(root.clone());
            offer.is_wider = true;
        }
    }
    for offer in offers.iter_mut().filter(|offer| offer.rule.is_some()) {
        offer.is_wider = leaves;
    }
    if !is_presentable(ask) {
        offers.retain(Offer::is_no);
    }
    // What would come out as another answer, or as none, is not offered.
    offers.retain(|offer| ask.check(offer.answer.clone()).as_ref() == Ok(&offer.answer));
    offers
}

impl Offer {
    /// Whether it gives nothing.
    pub(super) fn is_no(&self) -> bool {
        matches!(self.answer, Answer::Decline | Answer::Cancel)
    }
}

/// Whether a command that a rule allows would leave a sandbox. Where the session has none, it does not.
fn leaves_a_sandbox(subject: &Subject) -> bool {
    match subject {
        Subject::Exec(exec) => exec.reach.sandboxed || exec.placement == Placement::Outside,
        Subject::Retry(_)
        | Subject::Subcommand(_)
        | Subject::StdinWrite(_)
        | Subject::FileChange(_)
        | Subject::Permissions(_)
        | Subject::Network(_) => true,
    }
}

/// Whether all that a yes would give can be shown: nobody says yes to what is cut.
pub(super) fn is_presentable(ask: &Ask) -> bool {
    let (given, variables) = match &ask.subject {
        Subject::Exec(exec) => (exec.additional.as_ref(), Some(&exec.environment)),
        Subject::Retry(retry) => (retry.exec.additional.as_ref(), Some(&retry.exec.environment)),
        Subject::Permissions(permissions) => (Some(&permissions.permissions), None),
        Subject::Subcommand(_) | Subject::StdinWrite(_) | Subject::FileChange(_) | Subject::Network(_) => {
            (None, None)
        }
    };
    let wider = match &ask.subject {
        Subject::Retry(retry) => match &retry.with {
            RetryWith::Permissions { permissions } => Some(permissions),
            RetryWith::Unsandboxed => None,
        },
        Subject::Exec(_)
        | Subject::Subcommand(_)
        | Subject::StdinWrite(_)
        | Subject::FileChange(_)
        | Subject::Permissions(_)
        | Subject::Network(_) => None,
    };
    let folder = match &ask.subject {
        Subject::FileChange(change) => change.grant_root.as_ref(),
        Subject::Exec(_)
        | Subject::Subcommand(_)
        | Subject::StdinWrite(_)
        | Subject::Permissions(_)
        | Subject::Network(_)
        | Subject::Retry(_) => None,
    };
    let entries = given.into_iter().chain(wider).flat_map(|given| &given.entries);
    let variables = variables.into_iter().flatten();
    let lengths = entries
        .map(|entry| entry.path.to_string().len())
        .chain(variables.map(|(name, value)| name.len().saturating_add(value.len())))
        .chain(folder.map(|folder| folder.to_string().len()));
    let (mut count, mut longest, mut sum) = (0_usize, 0_usize, 0_usize);
    for length in lengths {
        count = count.saturating_add(1);
        longest = longest.max(length);
        sum = sum.saturating_add(length);
    }
    count <= MAX_GIVEN && longest <= MAX_LENGTH && sum <= MAX_LENGTHS
}

/// The most permissions and variables, and the most bytes of one of them and of all, that a page shows whole.
const MAX_GIVEN: usize = 1000;
const MAX_LENGTH: usize = 4096;
const MAX_LENGTHS: usize = 64 * 1024;

/// A rule for what the ask does not list a rule for would cover more than was asked.
fn rule_keys(ask: &Ask) -> impl Iterator<Item = (char, &Amendment)> {
    let listed = ask
        .available_decisions
        .iter()
        .any(|answer| matches!(answer, Answer::AcceptWithExecpolicyAmendment { .. }));
    let rules = if listed { ask.amendments.as_slice() } else { &[] };
    let keys = if rules.len() == 1 { 'p'..='p' } else { '1'..='9' };
    keys.zip(rules.iter().take(MAX_RULES))
}

fn grant(permissions: &AdditionalPermissions, scope: GrantScope) -> Answer {
    let permissions = permissions.clone();
    Answer::Grant(PermissionsAnswer { permissions, scope, strict_auto_review: false })
}
