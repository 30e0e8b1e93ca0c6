//! Where each command of a plain script runs.
//!
//! Only a `cd` that must have happened counts: it stands alone, not in a pipeline, and everything since the
//! last `;` or newline is joined by `&&`. A relative directory counts only when it begins with `./` or `../`:
//! shells look for others below the members of `CDPATH` first.

use super::strict::Command;
use super::{Directory, Operator};

/// Builtins that change the directory.
const MOVERS: [&str; 5] = ["cd", "chdir", "pushd", "popd", "dirs"];

/// Fills in the directories.
pub(crate) fn assign(commands: &mut [Command]) {
    let mut now = Directory::Initial;
    // Whether every command of this list so far must have succeeded for the next one to run.
    let mut certain = true;
    let piped: Vec<bool> = (1..=commands.len())
        .map(|next| commands.get(next).is_some_and(|c| c.operator == Operator::Pipe))
        .collect();
    let mut moved_in_list = false;
    for (command, feeds) in commands.iter_mut().zip(piped) {
        match command.operator {
            Operator::Sequence => {
                if moved_in_list {
                    now = Directory::Unknown;
                }
                certain = true;
                moved_in_list = false;
            }
            Operator::Or => {
                if moved_in_list {
                    now = Directory::Unknown;
                }
                certain = false;
            }
            Operator::And | Operator::Pipe => {}
        }
        command.directory = now.clone();
        let texts = command.texts();
        if texts.first().is_some_and(|name| MOVERS.contains(name)) {
            let alone = !feeds && command.operator != Operator::Pipe;
            now = if certain && alone { destination(&now, &texts) } else { Directory::Unknown };
            moved_in_list = true;
        }
    }
}

/// Where this command leads to when it succeeds.
fn destination(from: &Directory, texts: &[&str]) -> Directory {
    let ["cd", to] = texts else { return Directory::Unknown };
    if to.starts_with('/') {
        return Directory::Path((*to).to_owned());
    }
    if !(*to == "." || *to == ".." || to.starts_with("./") || to.starts_with("../")) {
        return Directory::Unknown;
    }
    match from {
        Directory::Initial => Directory::Path((*to).to_owned()),
        Directory::Path(base) => Directory::Path(format!("{}/{to}", base.trim_end_matches('/'))),
        Directory::Unknown => Directory::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use crate::shell::{Dialect, Directory, read};

    #[test]
    fn only_a_directory_change_that_must_have_happened_counts() {
        let path = |path: &str| Directory::Path(path.into());
        for (script, directory) in [
            ("x", Directory::Initial),
            ("cd /a && x", path("/a")),
            ("cd /a && y && x", path("/a")),
            ("y && cd /a && x", path("/a")),
            ("cd ./a && cd ../b && x", path("./a/../b")),
            ("cd /a && cd ./b && x", path("/a/./b")),
            ("cd .. && x", path("..")),
            ("cd /a; cd /b && x", path("/b")),
            ("cd /a > f && x", path("/a")),
            ("cd a && x", Directory::Unknown),
            ("cd && x", Directory::Unknown),
            ("cd - && x", Directory::Unknown),
            ("cd -P /a && x", Directory::Unknown),
            ("cd /a; x", Directory::Unknown),
            ("cd /a || x", Directory::Unknown),
            ("cd /a || y && x", Directory::Unknown),
            ("y || cd /a && x", Directory::Unknown),
            ("cd /a | y && x", Directory::Unknown),
            ("y | cd /a && x", Directory::Unknown),
            ("cd /a; cd ./b && x", Directory::Unknown),
            ("pushd /a && x", Directory::Unknown),
        ] {
            let read = read(script, Dialect::Bash);
            assert!(read.is_plain(), "{script}");
            let last = read.commands.last().map(|command| command.directory.clone());
            assert_eq!(last, Some(directory), "{script}");
        }
    }
}
