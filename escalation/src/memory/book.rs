//! What one session remembers, as it is written down. No files here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use execpolicy::display::{visible, visible_up_to};
use serde::{Deserialize, Serialize};

use super::error::MemoryError;
use super::grant::{GrantId, Remembered};
use super::places::Places;
use crate::ids::SessionId;

/// The most that a session remembers. A person looks through a list; nobody looks through a longer one.
pub const MAX_GRANTS: usize = 1_000;

/// The most hosts that are denied one by one; then all are. 1,000 names of 253 bytes leave three quarters of the
/// file for the rest.
pub const MAX_DENIED_HOSTS: usize = 1_000;

/// The longest name of a host. RFC 1035, section 3.1: 255 octets on the wire, 253 as text.
const MAX_HOST: usize = 253;

/// The largest file. It is read while questions wait.
pub const MAX_BYTES: usize = 1 << 20;

/// The version of the format. What this program does not know gives no grants.
const VERSION: u64 = 1;

/// What a session has to remember.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Book {
    version: u64,
    session: SessionId,
    /// The oldest first.
    pub(super) grants: Vec<Remembered>,
    denied_hosts: BTreeSet<String>,
    /// Where its commands and patches could write. Earlier versions did not say, so it may be anywhere.
    #[serde(default = "Places::everywhere")]
    pub(super) places: Places,
}

impl Book {
    pub(super) fn new(session: SessionId) -> Self {
        Self {
            version: VERSION,
            session,
            grants: Vec::new(),
            denied_hosts: BTreeSet::new(),
            places: Places::default(),
        }
    }

    /// Reads what [`Self::to_bytes`] wrote for this session.
    pub(super) fn parse(bytes: &[u8], session: &SessionId, path: &Path) -> Result<Self, MemoryError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u64,
        }
        let malformed = |why: &str| MemoryError::Malformed {
            path: path.to_owned(),
            why: visible_up_to(&format!("it is not what was written: {why}"), 200),
        };
        let Versioned { version } =
            serde_json::from_slice(bytes).map_err(|error| malformed(&error.to_string()))?;
        if version > VERSION {
            return Err(MemoryError::Newer { path: path.to_owned(), version });
        }
        let book: Self = serde_json::from_slice(bytes).map_err(|error| malformed(&error.to_string()))?;
        let names: BTreeSet<_> = book.grants.iter().map(|grant| &grant.id).collect();
        if book.version != VERSION {
            return Err(malformed("there is no such version"));
        }
        if book.session != *session {
            return Err(malformed(&format!("it is of the session `{}`", book.session)));
        }
        if names.len() != book.grants.len() || book.grants.len() > MAX_GRANTS {
            return Err(malformed("two approvals have one name, or there are too many"));
        }
        Ok(book)
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, MemoryError> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| MemoryError::Unwritable {
            label: self.session.to_string(),
            why: visible(&error.to_string()),
        })?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.grants.is_empty() && self.denied_hosts.is_empty() && self.places.is_empty()
    }

    /// Adds a grant; answers with its name, or with that of one that says the same. What is over goes first, then
    /// the oldest, until there is room; what had to go is given back.
    pub(super) fn add(
        &mut self,
        grant: Remembered,
        now_ms: u64,
    ) -> Result<(GrantId, Vec<Remembered>), MemoryError> {
        self.grants.retain(|held| !held.is_over_at(now_ms));
        let same = |held: &&Remembered| held.is_same_without_limits(&grant) && held.issued_ms <= now_ms;
        if let Some(held) = self.grants.iter().find(same) {
            return Ok((held.id.clone(), Vec::new()));
        }
        let (id, label) = (grant.id.clone(), grant.label.clone());
        if let Err(error) = serde_json::to_vec(&grant) {
            return Err(MemoryError::Unwritable { label, why: visible(&error.to_string()) });
        }
        self.grants.push(grant);
        let forgotten = self.make_room()?;
        match self.grants.is_empty() {
            true => Err(MemoryError::TooBig { label }),
            false => Ok((id, forgotten)),
        }
    }

    /// Forgets the oldest grants until the rest can be written down, and gives them back.
    pub(super) fn make_room(&mut self) -> Result<Vec<Remembered>, MemoryError> {
        let mut forgotten = Vec::new();
        while !self.grants.is_empty()
            && (self.grants.len() > MAX_GRANTS || self.to_bytes()?.len() > MAX_BYTES)
        {
            forgotten.push(self.grants.remove(0));
        }
        Ok(forgotten)
    }

    /// Denies a host. Answers whether that is news.
    pub(super) fn deny(&mut self, host: &str) -> bool {
        let host = canonical(host);
        !self.all_denied() && host.len() <= MAX_HOST && self.denied_hosts.insert(host)
    }

    /// Whether a host was denied. One with a name that no host can have is, too.
    pub(super) fn denies(&self, host: &str) -> bool {
        let host = canonical(host);
        self.all_denied() || host.len() > MAX_HOST || self.denied_hosts.contains(&host)
    }

    pub(super) fn all_denied(&self) -> bool {
        self.denied_hosts.len() >= MAX_DENIED_HOSTS
    }

    pub(super) fn denied_hosts(&self) -> impl Iterator<Item = &str> {
        self.denied_hosts.iter().map(String::as_str)
    }

    /// Takes over what else was denied or open to commands, and how late it was known to be for each grant: none of it
    /// is ever unlearnt.
    pub(super) fn learn(&mut self, earlier: &Self) {
        for host in &earlier.denied_hosts {
            self.deny(host);
        }
        for place in earlier.places.iter() {
            self.places.add(place);
        }
        let seen: BTreeMap<_, _> = earlier.grants.iter().map(|grant| (&grant.id, grant.seen_ms)).collect();
        for grant in &mut self.grants {
            if let Some(seen_ms) = seen.get(&grant.id) {
                grant.notice(*seen_ms);
            }
        }
    }
}

/// One spelling for a host: lower case, without brackets and trailing dots.
fn canonical(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches([']', '.']).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use policies::{AbsolutePath, GrantScope};

    use super::*;
    use crate::answer::Terms;
    use crate::ids::TurnId;
    use crate::key::Key;
    use crate::memory::{NewGrant, What};
    use crate::subject::SubjectKind;

    fn session() -> SessionId {
        SessionId::parse("s").unwrap()
    }

    fn grant(what: What, uses: Option<u32>) -> Remembered {
        let (scope, turn) = (GrantScope::Session, TurnId("t".to_owned()));
        let terms = Terms { uses, ..Terms::default() };
        Remembered::new(&NewGrant { what, label: "l".to_owned(), scope, turn, terms }, 5).unwrap()
    }

    fn key(digit: &str) -> What {
        What::Key(SubjectKind::Exec, Key::try_from(digit.repeat(64)).unwrap())
    }

    fn parse(text: &str) -> Result<Book, MemoryError> {
        Book::parse(text.as_bytes(), &session(), Path::new("/a/s.json"))
    }

    #[test]
    fn what_is_written_is_read() {
        let mut book = Book::new(session());
        for what in [
            key("a"),
            What::Root(AbsolutePath::parse("/ws").unwrap()),
            What::Permissions(
                serde_json::from_str(r#"{"network":{"enabled":true},"fileSystem":{"write":["/w"]}}"#)
                    .unwrap(),
            ),
        ] {
            book.add(grant(what, None), 5).unwrap();
        }
        book.deny("Evil.example.");
        book.places.add(&AbsolutePath::parse("/opt/tools").unwrap());
        let text = String::from_utf8(book.to_bytes().unwrap()).unwrap();
        assert_eq!(parse(&text).unwrap(), book);
    }

    #[test]
    fn nothing_else_is_read() {
        let good = r#"{"version":1,"session":"s","grants":[],"deniedHosts":[]}"#;
        assert!(parse(good).is_ok());
        for (bad, message) in [
            ("", "EOF"),
            ("{}", "version"),
            (&good.replace('1', "0"), "no such version"),
            (&good.replace('1', "2"), "newer"),
            (&good.replace('1', "18446744073709551616"), "not what was written"),
            (&good.replace("\"s\"", "\"t\""), "of the session `t`"),
            (&good.replace("\"s\"", "\"../s\""), "cannot name a session"),
            (&good.replace("[]}", "[],\"more\":1}"), "unknown field"),
            (&good.replace(",\"deniedHosts\":[]", ""), "missing field"),
            (&format!("{good}{good}"), "trailing"),
            (
                &good.replace("\"grants\":[]", r#""grants":[{"id":"g1","what":{"root":"ws"},"label":"","issuedMs":0,"seenMs":0}]"#),
                "not absolute",
            ),
            (
                &good.replace("\"grants\":[]", r#""grants":[{"id":"g1","what":{"root":"/w"},"label":"","issuedMs":0,"seenMs":0,"forever":true}]"#),
                "unknown field",
            ),
        ] {
            let error = parse(bad).expect_err(bad);
            assert!(error.to_string().contains(message), "{bad}\n{error}");
        }
    }

    #[test]
    fn the_oldest_goes_first() {
        let mut book = Book::new(session());
        let root = |number: usize| What::Root(AbsolutePath::parse(format!("/{number}")).unwrap());
        for number in 0..MAX_GRANTS {
            assert_eq!(book.add(grant(root(number), None), 5).unwrap().1, []);
        }
        let (_, forgotten) = book.add(grant(root(MAX_GRANTS), None), 5).unwrap();
        assert_eq!(forgotten.iter().map(|grant| &grant.what).collect::<Vec<_>>(), [&root(0)]);
        assert_eq!(book.grants.len(), MAX_GRANTS);
        let (_, forgotten) = book.add(grant(root(1), None), 5).unwrap();
        assert_eq!(forgotten, [], "it is remembered already");
    }

    #[test]
    fn a_file_stays_readable() {
        let mut book = Book::new(session());
        let long =
            |c: &str| What::Root(AbsolutePath::parse(format!("/{}", c.repeat(MAX_BYTES / 2))).unwrap());
        book.add(grant(long("a"), None), 5).unwrap();
        let (_, forgotten) = book.add(grant(long("b"), None), 5).unwrap();
        assert_eq!(forgotten.len(), 1);
        assert!(book.to_bytes().unwrap().len() <= MAX_BYTES);
        let huge = What::Root(AbsolutePath::parse(format!("/{}", "c".repeat(MAX_BYTES))).unwrap());
        assert!(matches!(book.add(grant(huge, None), 5), Err(MemoryError::TooBig { .. })));
    }

    #[test]
    fn a_path_that_is_no_text_is_not_remembered() {
        use std::os::unix::ffi::OsStrExt as _;
        let path = AbsolutePath::parse(std::ffi::OsStr::from_bytes(b"/\xff")).unwrap();
        let mut book = Book::new(session());
        let refused = book.add(grant(What::Root(path), None), 5);
        assert!(matches!(refused, Err(MemoryError::Unwritable { .. })), "{refused:?}");
        assert!(book.grants.is_empty());
    }

    #[test]
    fn a_denied_host_is_denied_however_it_is_spelled() {
        let mut book = Book::new(session());
        book.deny("Evil.Example.");
        book.deny("[::1]");
        for host in ["evil.example", "EVIL.example.", "::1", &"a".repeat(254)] {
            assert!(book.denies(host), "{host}");
        }
        for host in ["good.example", "evil.example.org", "::2"] {
            assert!(!book.denies(host), "{host}");
        }
        for number in 0..MAX_DENIED_HOSTS {
            book.deny(&number.to_string());
        }
        assert!(book.denies("good.example"), "no host is forgotten to make room");
        assert!(book.to_bytes().unwrap().len() < MAX_BYTES / 4);
    }
}
