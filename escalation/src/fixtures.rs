//! What the tests of several modules start from.

use std::collections::BTreeMap;
use std::path::Path;

use execpolicy::Placement;
use policies::AbsolutePath;
use serde_json::json;

use crate::subject::{ExecSubject, ProgramFile, Reach};

pub(crate) fn path(path: impl AsRef<Path>) -> AbsolutePath {
    AbsolutePath::parse(path).unwrap()
}

pub(crate) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A command of the program `program`, inside the sandbox, in `cwd`, which is the only place that it may write.
pub(crate) fn exec(program: &str, argv: &[&str], cwd: &str) -> ExecSubject {
    let version = json!({"file": {"device": 1, "inode": 2}, "size": 3, "changed_s": 4, "changed_ns": 5});
    ExecSubject {
        program: ProgramFile {
            path: path(program),
            target: path(program),
            version: serde_json::from_value(version).unwrap(),
        },
        argv: words(argv),
        cwd: path(cwd),
        cwd_target: None,
        cwd_identity: None,
        inputs: Default::default(),
        environment: BTreeMap::new(),
        tty: false,
        environment_id: "local".to_owned(),
        placement: Placement::Inside,
        additional: None,
        reach: Reach {
            profile: ":workspace".to_owned(),
            fingerprint: String::new(),
            sandboxed: true,
            writable: vec![path(cwd)],
            network: false,
        },
        repository: None,
        summary: Vec::new(),
    }
}
