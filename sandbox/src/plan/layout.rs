//! From judged paths to an ordered list of mounts. Pure: no file system, so every rule here is a table test.
//!
//! The order is shallow before deep, so a later step only ever narrows or re-opens what an earlier one
//! showed. Each step is a mount of its own, and a mount point can neither be renamed nor removed, which
//! is what makes a carve-out hold.

use std::collections::BTreeMap;

use policies::{AbsolutePath, Access, AccessMap};
use serde::{Deserialize, Serialize};

use super::why::Why;
use crate::paths::{Identity, Kind};

/// What the tree starts from, before any step.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Root {
    /// The host's tree, read-only.
    HostReadOnly,
    /// The host's tree, writable (a profile that grants `:root` for writing).
    HostWritable,
    /// A throw-away empty tree: only what a step adds exists.
    Empty,
}

/// One mount.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Step {
    /// Where it is mounted, and for binds also what is mounted there. Fully resolved.
    pub path: AbsolutePath,
    /// What is mounted.
    pub action: Action,
    /// Directory or file.
    pub kind: Kind,
    /// Which object must be found at `path`: checked again inside, after mounting (I7). `None` for
    /// masks, which show nothing of it, and for placeholders, which do not exist yet.
    pub identity: Option<Identity>,
    /// Where the step comes from.
    pub why: Why,
}

/// What a step mounts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The host's object, read-only.
    ReadOnly,
    /// The host's object, writable.
    Writable,
    /// An empty object that cannot be opened (mode 000, read-only).
    Mask,
    /// A mask that can be passed through, but not listed, to what a deeper step re-opens (mode 111).
    MaskWithPassage,
}

/// A path with the access that the profile gives it and what lies there.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) path: AbsolutePath,
    pub(crate) access: Access,
    pub(crate) kind: Kind,
    pub(crate) identity: Option<Identity>,
    pub(crate) why: Why,
}

/// A laid-out tree.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) root: Root,
    pub(crate) steps: Vec<Step>,
}

/// Directories that are pinned between a writable root and a carve-out below it: what lies there.
pub(crate) type Describe<'a> = &'a dyn Fn(&AbsolutePath) -> std::io::Result<(Kind, Identity)>;

/// Orders `rows` into mounts. `access` is the same rows' precedence.
///
/// # Errors
/// Whatever `describe` fails with: a directory that must be pinned cannot be examined.
pub(crate) fn lay_out(rows: &[Row], access: &AccessMap, describe: Describe<'_>) -> std::io::Result<Layout> {
    let sorted = rows.iter().map(|row| (&row.path, row.access)).collect();
    let mut steps: BTreeMap<Order, Step> = BTreeMap::new();
    let mut root = Root::Empty;
    for row in rows {
        let Some(parent) = row.path.parent() else {
            root = match row.access {
                Access::Read => Root::HostReadOnly,
                Access::Write => Root::HostWritable,
                Access::Deny => Root::Empty,
            };
            continue;
        };
        let Some(action) = action(row, access.access(&parent), has_opening_below(row, &sorted)) else {
            continue;
        };
        let step = Step {
            path: row.path.clone(),
            action,
            kind: row.kind,
            identity: row.identity.filter(|_| matches!(action, Action::ReadOnly | Action::Writable)),
            why: row.why.clone(),
        };
        steps.insert(Order::of(&row.path), step);
    }
    for pinned in pins(&steps, access) {
        let (kind, identity) = describe(&pinned.path)?;
        steps.entry(Order::of(&pinned.path)).or_insert(Step {
            path: pinned.path,
            action: Action::Writable,
            kind,
            identity: Some(identity),
            why: Why::Pin { holds: pinned.holds },
        });
    }
    Ok(Layout { root, steps: steps.into_values().collect() })
}

/// Shallow before deep, then by name.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct Order(usize, AbsolutePath);

impl Order {
    fn of(path: &AbsolutePath) -> Self {
        Self(path.depth(), path.clone())
    }
}

/// The mount that turns what the parent's access would show into what the row says, if one is needed.
///
/// A writable row always is a mount of its own, also below a writable parent: otherwise the root could be
/// renamed away and made anew without its protections.
fn action(row: &Row, parent: Option<Access>, opening_below: bool) -> Option<Action> {
    match (row.access, parent) {
        (Access::Write, _) => Some(Action::Writable),
        (Access::Read, Some(Access::Read)) => None,
        (Access::Read, Some(Access::Write | Access::Deny) | None) => Some(Action::ReadOnly),
        (Access::Deny, Some(Access::Deny) | None) => None,
        (Access::Deny, Some(Access::Read | Access::Write)) if opening_below => Some(Action::MaskWithPassage),
        (Access::Deny, Some(Access::Read | Access::Write)) => Some(Action::Mask),
    }
}

/// Whether a deeper row shows something again. Paths order by component, so what lies below `row` follows
/// it without a gap.
fn has_opening_below(row: &Row, sorted: &BTreeMap<&AbsolutePath, Access>) -> bool {
    row.access == Access::Deny
        && sorted
            .range::<&AbsolutePath, _>(&row.path..)
            .take_while(|(path, _)| path.starts_with(&row.path))
            .any(|(_, access)| *access != Access::Deny)
}

struct Pin {
    path: AbsolutePath,
    holds: AbsolutePath,
}

/// The directories that could be renamed out from above a step: writable, in a writable parent.
///
/// Without a mount on them, `mv a x && mkdir -p a/b` puts an attacker's `a/b` where the host expects the
/// protected one.
fn pins(steps: &BTreeMap<Order, Step>, access: &AccessMap) -> Vec<Pin> {
    let mut pins: BTreeMap<AbsolutePath, Pin> = BTreeMap::new();
    for step in steps.values() {
        let mut next = step.path.parent();
        while let Some(here) = next {
            let Some(above) = here.parent() else { break };
            if access.access(&above) == Some(Access::Write) && access.access(&here) == Some(Access::Write) {
                pins.entry(here.clone()).or_insert(Pin { path: here.clone(), holds: step.path.clone() });
            }
            next = Some(above);
        }
    }
    pins.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> AbsolutePath {
        AbsolutePath::parse(text).unwrap()
    }

    fn lay(rows: &[(&str, Access)]) -> (Root, Vec<(String, Action)>) {
        let identity = Identity::of(&rustix::fs::stat("/").unwrap());
        let rows: Vec<Row> = rows
            .iter()
            .map(|(text, access)| Row {
                path: path(text),
                access: *access,
                kind: Kind::Directory,
                identity: Some(identity),
                why: Why::Profile,
            })
            .collect();
        let map = AccessMap::new(rows.iter().map(|row| (row.path.clone(), row.access)));
        let layout = lay_out(&rows, &map, &|_| Ok((Kind::Directory, identity))).unwrap();
        (layout.root, layout.steps.into_iter().map(|step| (step.path.to_string(), step.action)).collect())
    }

    fn steps(list: &[(&str, Action)]) -> Vec<(String, Action)> {
        list.iter().map(|(path, action)| ((*path).to_owned(), *action)).collect()
    }

    #[test]
    fn write_read_write_read_nests_freely() {
        use Access::{Read, Write};
        let (root, list) =
            lay(&[("/", Read), ("/w", Write), ("/w/r", Read), ("/w/r/w", Write), ("/w/r/w/r", Read)]);
        assert_eq!(root, Root::HostReadOnly);
        assert_eq!(
            list,
            steps(&[
                ("/w", Action::Writable),
                ("/w/r", Action::ReadOnly),
                ("/w/r/w", Action::Writable),
                ("/w/r/w/r", Action::ReadOnly),
            ])
        );
    }

    #[test]
    fn read_and_write_below_a_deny_are_reopened_through_a_passage() {
        use Access::{Deny, Read, Write};
        let (_, list) = lay(&[("/", Read), ("/d", Deny), ("/d/r", Read), ("/d/w", Write), ("/e", Deny)]);
        assert_eq!(
            list,
            steps(&[
                ("/d", Action::MaskWithPassage),
                ("/e", Action::Mask),
                ("/d/r", Action::ReadOnly),
                ("/d/w", Action::Writable),
            ])
        );
    }

    #[test]
    fn ancestors_of_a_carve_out_are_pinned_and_those_of_a_plain_root_are_not() {
        use Access::{Deny, Read, Write};
        let (_, list) = lay(&[("/", Read), ("/w", Write), ("/w/a/b/secret", Deny), ("/v", Write)]);
        assert_eq!(
            list,
            steps(&[
                ("/v", Action::Writable),
                ("/w", Action::Writable),
                ("/w/a", Action::Writable),
                ("/w/a/b", Action::Writable),
                ("/w/a/b/secret", Action::Mask),
            ])
        );
    }

    #[test]
    fn nothing_granted_means_an_empty_root_without_masks() {
        use Access::{Deny, Read};
        let (root, list) = lay(&[("/usr", Read), ("/usr/secret", Deny), ("/home", Deny)]);
        assert_eq!(root, Root::Empty);
        assert_eq!(list, steps(&[("/usr", Action::ReadOnly), ("/usr/secret", Action::Mask)]));
    }
}
