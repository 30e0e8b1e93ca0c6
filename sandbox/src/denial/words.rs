//! The words by which tools say that something was refused.

use policies::NetworkAccess;

use super::Reason;

/// How many lines that say something are looked at: as many as there are names to look up.
pub(super) const MAX_FINDINGS: usize = super::MAX_CANDIDATES;

/// What any failure of a sandboxed command may be blamed on the sandbox for, in lower case. Those that say more come
/// first: a line is taken by the first that it holds.
const WORDS: [(&str, Reason); 10] = [
    ("read-only file system", Reason::ReadOnlyFileSystem),
    ("permission denied", Reason::PermissionDenied),
    ("operation not permitted", Reason::OperationNotPermitted),
    ("seccomp", Reason::PolicyDenied),
    ("landlock", Reason::PolicyDenied),
    ("sandbox", Reason::PolicyDenied),
    ("failed to write file", Reason::FailedToWriteFile),
    // The error names of Node.js and others, which print no text beside them.
    ("erofs:", Reason::ReadOnlyFileSystem),
    ("eacces:", Reason::PermissionDenied),
    ("eperm:", Reason::OperationNotPermitted),
];

/// What a missing network is known by, in lower case. They count only where the plan has the network off: with it on,
/// a host is unreachable for reasons of its own.
const NETWORK_WORDS: [&str; 27] = [
    "could not resolve host",
    "couldn't resolve host",
    "unable to resolve host",
    "failed to resolve",
    "failed to lookup address",
    "could not resolve proxy",
    "temporary failure in name resolution",
    "temporary failure resolving",
    "name or service not known",
    "nodename nor servname provided",
    "no address associated with hostname",
    "no such host",
    "getaddrinfo",
    "eai_again",
    "enotfound",
    "network is unreachable",
    "enetunreach",
    "no route to host",
    "failed to connect",
    "unable to connect to",
    "connection refused",
    "econnrefused",
    // The filter refuses the system calls themselves.
    "connect eperm",
    "listen eperm",
    "connect: operation not permitted",
    "socket: operation not permitted",
    "_socket.socket.__init__",
];

/// A line that says something.
#[derive(Debug)]
pub(super) struct Finding<'t> {
    pub(super) line: &'t str,
    pub(super) reason: Reason,
}

/// The lines of `text` that say something, in order.
pub(super) fn find(text: &str, network: NetworkAccess) -> impl Iterator<Item = Finding<'_>> {
    text.lines().filter_map(move |line| {
        let lower = line.to_ascii_lowercase();
        let of_network = !network.is_enabled() && NETWORK_WORDS.iter().any(|word| lower.contains(word));
        let reason = match of_network {
            true => Reason::NetworkUnreachable,
            false => WORDS.iter().find(|(word, _)| lower.contains(word)).map(|(_, reason)| *reason)?,
        };
        Some(Finding { line, reason })
    })
}
