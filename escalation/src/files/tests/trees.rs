//! Whatever the tree and the patch are, nothing changes but what was judged.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;

/// What lies somewhere.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Node {
    Folder,
    File(Vec<u8>),
    Link(PathBuf),
}

/// How deep a tree lies in the folder of its test, so that no `..` leads out of that: twelve links at most, and the path
/// of a change, each of which goes up five times at most.
const DEPTH: usize = 5 * 13;

type Tree = BTreeMap<PathBuf, Node>;

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c"])
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(name(), 1..4).prop_map(|names| names.join("/"))
}

/// A path with detours, as an agent or a link could spell it.
fn spelled() -> impl Strategy<Value = String> {
    let part = prop_oneof![4 => name(), 2 => Just(".."), 1 => Just("."), 1 => Just("ws"), 1 => Just("out")];
    prop::collection::vec(part, 1..6).prop_map(|parts| parts.join("/"))
}

#[derive(Clone, Debug)]
enum Plant {
    Folder,
    File,
    Link(String),
    HardLink(String),
}

fn plant() -> impl Strategy<Value = (bool, String, Plant)> {
    let plant = prop_oneof![
        2 => Just(Plant::Folder),
        3 => Just(Plant::File),
        4 => spelled().prop_map(Plant::Link),
        1 => path().prop_map(Plant::HardLink),
    ];
    (any::<bool>(), path(), plant)
}

fn change() -> impl Strategy<Value = FileChange> {
    let content = prop::option::of("[xyz]{0,3}");
    let action = prop_oneof![
        4 => "[xyz]{0,3}".prop_map(|content| Action::Write { content: content.into(), mode: None }),
        2 => Just(Action::Delete),
        3 => (spelled(), content).prop_map(|(to, content)| {
            Action::Rename { to: to.into(), content: content.map(String::into_bytes) }
        }),
    ];
    (spelled(), action).prop_map(|(path, action)| FileChange { path: path.into(), action })
}

fn build(bench: &Bench, plants: &[(bool, String, Plant)]) {
    for (is_inside, path, plant) in plants {
        let top = bench.path(if *is_inside { "ws" } else { "out" });
        let place = top.join(path);
        // What does not fit into the tree is left out.
        std::fs::create_dir_all(place.parent().unwrap()).ok();
        match plant {
            Plant::Folder => std::fs::create_dir(&place),
            Plant::File if !place.exists() => std::fs::write(&place, path),
            Plant::File => Ok(()),
            Plant::Link(target) => symlink(target, &place),
            Plant::HardLink(from) => std::fs::hard_link(bench.path("out").join(from), &place),
        }
        .ok();
    }
}

fn tree(base: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut folders = vec![base.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let kind = path.symlink_metadata().unwrap().file_type();
            let node = if kind.is_dir() {
                folders.push(path.clone());
                Node::Folder
            } else if kind.is_symlink() {
                Node::Link(path.read_link().unwrap())
            } else {
                Node::File(std::fs::read(&path).unwrap())
            };
            tree.insert(path, node);
        }
    }
    tree
}

fn differences(one: &Tree, other: &Tree) -> Vec<PathBuf> {
    let paths: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    paths.into_iter().filter(|path| one.get(*path) != other.get(*path)).cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn only_judged_paths_change(
        plants in prop::collection::vec(plant(), 0..12),
        zone in (any::<bool>(), path(), prop::sample::select(vec![Access::Read, Access::Write, Access::Deny])),
        changes in prop::collection::vec(change(), 1..5),
        spares_outside in any::<bool>(),
    ) {
        let mut bench = Bench::below(&std::env::temp_dir(), DEPTH);
        build(&bench, &plants);
        let (is_inside, place, access) = zone;
        let top = if is_inside { "ws" } else { "out" };
        bench.zones.0.push((bench.absolute(&format!("{top}/{place}")), access));
        let before = tree(&bench.base);
        let Ok(judged) = bench.judge(changes) else {
            prop_assert_eq!(tree(&bench.base), before);
            return Ok(());
        };
        for path in judged.paths() {
            prop_assert_ne!(bench.zones.access(path), Some(Access::Deny));
            let is_writable = bench.zones.access(path) == Some(Access::Write);
            prop_assert!(is_writable || judged.outside().contains(path));
        }
        if spares_outside && !judged.outside().is_empty() {
            return Ok(());
        }
        let paths = judged.paths().to_vec();
        match apply(judged) {
            Err(error) => {
                prop_assert_eq!(error.in_place, []);
                prop_assert_eq!(tree(&bench.base), before);
            }
            Ok(_) => {
                for path in differences(&before, &tree(&bench.base)) {
                    let is_judged = paths.iter().any(|judged| judged.as_path() == path);
                    // A folder that was missing above one of them.
                    let is_made = path.is_dir() && paths.iter().any(|judged| judged.as_path().starts_with(&path));
                    prop_assert!(is_judged || is_made, "{}", path.display());
                    prop_assert!(!before.contains_key(&path) || !path.is_dir());
                }
            }
        }
    }
}
