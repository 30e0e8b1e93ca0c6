//! `permissions.filesystem.deny_read`: what nobody may read.

use crate::display::escape_short;
use crate::entry::EntryPath;
use crate::expand::{ExpandError, expand};
use crate::glob::{GlobError, GlobPattern};
use crate::path::AbsolutePath;
use crate::reader::{Mismatch, Node};

/// The most patterns of one layer. All of them are compiled here, and searched for before each command.
const MAX_GLOBS: usize = 1024;

/// The names in `/dev` that are the run's own, or lead into its `/proc`.
const OWN_DEVICES: [&str; 11] =
    ["core", "fd", "full", "null", "random", "stderr", "stdin", "stdout", "tty", "urandom", "zero"];

/// What paths in a layer start from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base<'a> {
    /// The folder of the layer.
    pub(crate) folder: &'a AbsolutePath,
    /// The home directory, if known.
    pub(crate) home: Option<&'a AbsolutePath>,
    /// The one in the user database, if known.
    pub(crate) account_home: Option<&'a AbsolutePath>,
}

impl<'a> Base<'a> {
    /// What `~` stands for: both homes, since `HOME` is for anybody to set, and programs find the other by
    /// themselves. Nothing if neither is known.
    fn homes(self) -> Vec<Option<&'a AbsolutePath>> {
        let mut homes: Vec<_> = [self.home, self.account_home].into_iter().flatten().map(Some).collect();
        homes.dedup();
        // That of many a system account: no files of its own are there.
        if homes.len() > 1 {
            homes.retain(|home| home.is_none_or(|home| *home != AbsolutePath::root()));
        }
        if homes.is_empty() { vec![None] } else { homes }
    }
}

/// Why text names no place. Messages follow the text.
#[derive(Debug, thiserror::Error)]
enum EntryError {
    /// Not a path.
    #[error("is not usable: {0}")]
    Expand(#[from] ExpandError),
    /// Not a pattern.
    #[error("is not usable: {0}")]
    Glob(#[from] GlobError),
    /// As profiles refuse it too.
    #[error("would have to search the whole disk")]
    WholeDisk,
    /// As the sandbox refuses it at every start.
    #[error("cannot be hidden: every run gets its own /proc and /dev")]
    OwnInterface,
}

impl EntryError {
    /// What to write instead.
    fn help(&self) -> &'static str {
        match self {
            Self::Expand(ExpandError::Empty) => "write a path, or remove the entry",
            Self::Expand(error) => error.help(),
            Self::Glob(error) => error.help(),
            Self::OwnInterface => "remove it: what lies there is not the host's",
            Self::WholeDisk => "start the glob with a directory, as in `/srv/**/*.env`",
        }
    }
}

/// Reads the list.
pub(crate) fn read(node: &Node<'_>, base: Base<'_>) -> Result<Vec<EntryPath>, Mismatch> {
    let texts = node.strings()?;
    if texts.iter().filter(|text| GlobPattern::looks_like_glob(text)).count() > MAX_GLOBS {
        let problem = format!("has more than {MAX_GLOBS} patterns");
        return Err(node.mismatch(problem, "name the directories around the files instead"));
    }
    let mut places = Vec::with_capacity(texts.len());
    for text in texts {
        let homes = if text.starts_with('~') { base.homes() } else { vec![None] };
        for home in homes {
            places.push(place(&text, Base { home, ..base }).map_err(|error| {
                node.mismatch(format!("entry `{}` {error}", escape_short(&text)), error.help())
            })?);
        }
    }
    Ok(places)
}

/// The place that one entry names.
fn place(text: &str, base: Base<'_>) -> Result<EntryPath, EntryError> {
    if !GlobPattern::looks_like_glob(text) {
        let path = expand(text, base.folder, base.home)?;
        if is_own_interface(&path) {
            return Err(EntryError::OwnInterface);
        }
        return Ok(EntryPath::Path(path));
    }
    // What comes before the first component with a special character is a path like any other, so that `..` and
    // `~` work in it and its characters are taken literally.
    let special = text.find(['*', '?', '[', '{', '}', '\\']).unwrap_or(text.len());
    let before = text.get(..special).unwrap_or_default();
    let (prefix, pattern) = match before.rfind('/') {
        Some(slash) => text.split_at(slash + 1),
        None => ("", text),
    };
    let under = match prefix {
        "" if text.starts_with('~') => return Err(ExpandError::OtherUser.into()),
        "" => base.folder.clone(),
        _ => expand(prefix, base.folder, base.home)?,
    };
    let glob = GlobPattern::parse_under(&under, pattern)?;
    if *glob.static_prefix() == AbsolutePath::root() {
        return Err(EntryError::WholeDisk);
    }
    // A wildcard in `/dev` itself can stand for one of them; the whole disk is refused already.
    let devices = AbsolutePath::root().child("dev");
    let is_own = if *glob.static_prefix() == devices {
        let matcher = glob.to_matcher()?;
        own_devices().any(|device| matcher.is_match(device.as_path()))
    } else {
        is_own_interface(glob.static_prefix())
    };
    if is_own {
        return Err(EntryError::OwnInterface);
    }
    Ok(EntryPath::Glob(glob))
}

/// Whether a path lies in what every run gets anew.
fn is_own_interface(path: &AbsolutePath) -> bool {
    path.as_path().starts_with("/proc") || own_devices().any(|device| path.starts_with(&device))
}

/// The devices that every run gets anew.
fn own_devices() -> impl Iterator<Item = AbsolutePath> {
    let folder = AbsolutePath::root().child("dev");
    OWN_DEVICES.into_iter().map(move |name| folder.child(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::TableNode;

    fn absolute(text: &str) -> AbsolutePath {
        AbsolutePath::parse(text).unwrap()
    }

    fn read_one(text: &str, home: Option<&AbsolutePath>) -> Result<EntryPath, EntryError> {
        place(text, Base { folder: &absolute("/etc/co[dex"), home, account_home: None })
    }

    #[test]
    fn paths_and_globs_start_where_they_say() {
        let home = absolute("/home/u");
        let rows = [
            ("/srv/x/../secret/", "/srv/secret"),
            ("/", "/"),
            ("~", "/home/u"),
            ("~/.ssh", "/home/u/.ssh"),
            ("keys", "/etc/co[dex/keys"),
            ("../keys", "/etc/keys"),
            ("/srv/a{b}", "/srv/a{b}"),
            ("/process", "/process"),
            ("/dev/nvme0n1", "/dev/nvme0n1"),
        ];
        for (text, expect) in rows {
            assert_eq!(read_one(text, Some(&home)).unwrap(), EntryPath::Path(absolute(expect)), "{text}");
        }
        let rows = [
            ("/srv/x/../secret/*.pem", "/srv/secret/*.pem", "/srv/secret"),
            ("~/**/.env", "/home/u/**/.env", "/home/u"),
            ("~//*.key", "/home/u/*.key", "/home/u"),
            ("**/.env", "/etc/co\\[dex/**/.env", "/etc/co[dex"),
            ("../x/?", "/etc/x/?", "/etc/x"),
            ("/dev/nvme*", "/dev/nvme*", "/dev"),
            ("/srv/[ab]/{c,d}", "/srv/[ab]/{c,d}", "/srv"),
        ];
        for (text, expect, prefix) in rows {
            let EntryPath::Glob(glob) = read_one(text, Some(&home)).unwrap() else { panic!("{text}") };
            assert_eq!((glob.as_str(), glob.static_prefix()), (expect, &absolute(prefix)), "{text}");
        }
    }

    #[test]
    fn the_number_of_patterns_is_bounded() {
        let folder = absolute("/etc/codex");
        let count = |number: usize| {
            let list = vec![toml::Value::String("/srv/*".to_owned()); number];
            let table = [("k".to_owned(), toml::Value::Array(list))].into_iter().collect();
            let top = crate::reader::TableNode::top(&table);
            read(&top.get("k").unwrap(), Base { folder: &folder, home: None, account_home: None })
                .map(|places| places.len())
        };
        assert_eq!(count(MAX_GLOBS), Ok(MAX_GLOBS));
        assert!(count(MAX_GLOBS + 1).unwrap_err().problem.contains("more than 1024 patterns"));
    }

    #[test]
    fn other_text_is_refused() {
        let home = absolute("/home/u");
        let rows = [
            ("", "empty"),
            ("~root/x", "only understood alone"),
            ("~root/*", "only understood alone"),
            ("~*", "only understood alone"),
            ("/a\0", "NUL"),
            ("/a\0/*", "NUL"),
            ("/*.env", "whole disk"),
            ("/**", "whole disk"),
            ("../../**/.env", "whole disk"),
            ("/proc", "own /proc"),
            ("/proc/kcore", "own /proc"),
            ("/srv/../proc/*/environ", "own /proc"),
            ("/dev/null", "own /proc and /dev"),
            ("/dev/fd/3", "own /proc and /dev"),
            ("/dev/n*", "own /proc and /dev"),
            ("/dev/**", "own /proc and /dev"),
            ("/srv/[", "invalid"),
            ("/srv/*/../x", "`..`"),
            ("/srv/**x", "whole component"),
        ];
        for (text, expect) in rows {
            let error = read_one(text, Some(&home)).expect_err(text);
            assert!(error.to_string().contains(expect), "{text:?}: {error}");
            assert!(!error.help().is_empty());
        }
        assert!(read_one("~/x", None).unwrap_err().to_string().contains("home directory is not known"));
    }

    #[test]
    fn a_tilde_stands_for_both_homes() {
        let (folder, home, account) = (absolute("/etc/codex"), absolute("/elsewhere"), absolute("/home/u"));
        let root = AbsolutePath::root();
        let table: toml::Table = "k = ['~/.ssh', '~/*.key', '/srv']".parse().unwrap();
        let read = |home, account_home| {
            let base = Base { folder: &folder, home, account_home };
            let places = read(&TableNode::top(&table).get("k").unwrap(), base);
            places.map(|places| places.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let both = ["/elsewhere/.ssh", "/home/u/.ssh", "/elsewhere/*.key", "/home/u/*.key", "/srv"]
            .map(str::to_owned);
        assert_eq!(read(Some(&home), Some(&account)).unwrap(), both);
        let one = ["/home/u/.ssh", "/home/u/*.key", "/srv"].map(str::to_owned);
        assert_eq!(read(Some(&account), Some(&account)).unwrap(), one);
        assert_eq!(read(None, Some(&account)).unwrap(), one);
        assert_eq!(read(Some(&account), Some(&root)).unwrap(), one);
        assert!(read(None, None).is_err());
    }
}
