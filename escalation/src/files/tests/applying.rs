//! What is approved is what is written, all of it.

use std::os::unix::fs::{MetadataExt, symlink};

use super::*;

#[test]
fn files_are_created_replaced_renamed_and_deleted() {
    for bench in Bench::everywhere() {
        for name in ["gone", "moved", "rewritten", "over", "under"] {
            std::fs::write(bench.path("ws").join(name), name).unwrap();
        }
        symlink("gone", bench.path("ws/link")).unwrap();
        let applied = bench
            .apply(vec![
                write("file", "new"),
                write("a/b/one", "1"),
                write("a/b/two", "2"),
                write("empty", ""),
                delete("gone"),
                delete("link"),
                rename("moved", "c/moved", None),
                rename("rewritten", "rewritten2", Some("again")),
                rename("over", "under", None),
            ])
            .unwrap();
        assert_eq!(
            bench.names("ws"),
            [".git", "a", "c", "empty", "file", "rewritten2", "secret", "src", "under"]
        );
        assert_eq!(bench.names("ws/a/b"), ["one", "two"]);
        for (name, content) in [
            ("ws/file", "new"),
            ("ws/a/b/one", "1"),
            ("ws/empty", ""),
            ("ws/c/moved", "moved"),
            ("ws/rewritten2", "again"),
            ("ws/under", "over"),
        ] {
            assert_eq!(bench.read(name), content, "{name}");
        }
        assert_eq!(applied.notes, []);
        let how: Vec<_> = applied.changed.iter().map(|changed| &changed.how).collect();
        let moved = |name: &str| How::Moved { from: bench.absolute(name) };
        assert_eq!(
            how,
            [
                &How::Created,
                &How::Created,
                &moved("ws/moved"),
                &How::Created,
                &How::Replaced,
                &How::Deleted,
                &How::Deleted,
                &moved("ws/rewritten"),
                &moved("ws/over"),
            ]
        );
    }
}

#[test]
fn links_are_written_through_and_stay() {
    let bench = Bench::new();
    symlink("file", bench.path("ws/link")).unwrap();
    symlink("src/made", bench.path("ws/dangling")).unwrap();
    bench.apply(vec![write("link", "new"), write("dangling", "made")]).unwrap();
    assert_eq!((bench.read("ws/file"), bench.read("ws/src/made")), ("new".into(), "made".into()));
    assert!(bench.path("ws/link").is_symlink() && bench.path("ws/dangling").is_symlink());
}

#[test]
fn an_approved_patch_outside_is_written_there() {
    let bench = Bench::new();
    let judged = bench.judge(vec![write("../out/victim", "asked"), write("../out/a/new", "asked")]).unwrap();
    assert_eq!(judged.outside().len(), 2);
    apply(judged).unwrap();
    assert_eq!((bench.read("out/victim"), bench.read("out/a/new")), ("asked".into(), "asked".into()));
}

#[test]
fn an_approval_is_for_one_patch() {
    let bench = Bench::new();
    let harmless = bench.judge(vec![write("file", "1")]).unwrap();
    let approved = Approved::for_patch(&harmless, &Recorded { seq: 1 });
    let other = bench.judge(vec![write("../out/victim", "1")]).unwrap();
    let error = other.apply(&approved).unwrap_err();
    assert!(matches!(error.cause, Cause::NotApproved), "{error:?}");
    assert_eq!(bench.read("out/victim"), "victim");
    harmless.apply(&approved).unwrap();
}

/// A name in the workspace for a file outside: writing in place would write that file.
#[test]
fn a_hard_link_to_the_outside_is_broken_and_not_written_through() {
    for bench in Bench::everywhere() {
        std::fs::hard_link(bench.path("out/victim"), bench.path("ws/hard")).unwrap();
        std::fs::hard_link(bench.path("out/victim"), bench.path("ws/moved_over")).unwrap();
        let applied = bench.apply(vec![write("hard", "mine"), rename("file", "moved_over", None)]).unwrap();
        assert_eq!(bench.read("out/victim"), "victim");
        assert_eq!((bench.read("ws/hard"), bench.read("ws/moved_over")), ("mine".into(), "old".into()));
        let broken = |name: &str| Note::LinkBroken { path: bench.absolute(name) };
        assert_eq!(applied.notes, [broken("ws/hard"), broken("ws/moved_over")]);
        assert_eq!(bench.path("out/victim").metadata().unwrap().nlink(), 1);
    }
}

#[test]
fn two_names_of_one_file_can_be_changed_together() {
    let bench = Bench::new();
    for name in ["ws/b", "ws/c", "ws/d", "ws/e"] {
        std::fs::hard_link(bench.path("ws/file"), bench.path(name)).unwrap();
    }
    bench.apply(vec![write("file", "1"), write("b", "2"), delete("c"), rename("d", "e", None)]).unwrap();
    assert_eq!(bench.names("ws"), [".git", "b", "e", "file", "secret", "src"]);
    assert_eq!(
        (bench.read("ws/file"), bench.read("ws/b"), bench.read("ws/e")),
        ("1".into(), "2".into(), "old".into())
    );
}

/// More than are held without a name at once.
#[test]
fn large_patches_leave_nothing_behind() {
    let bench = Bench::new();
    for number in 0..150 {
        std::fs::write(bench.path(&format!("ws/src/{number}")), "old").unwrap();
    }
    let changes = (0..300).map(|number| write(format!("src/{number}"), "new")).collect();
    let more = (0..300).map(|number| write(format!("made/{number}/file"), "new"));
    let changes: Vec<_> = Vec::into_iter(changes).chain(more).collect();
    bench.apply(changes).unwrap();
    assert_eq!((bench.names("ws/src").len(), bench.names("ws/made").len()), (300, 300));
    assert_eq!(bench.names("ws"), [".git", "file", "made", "secret", "src"]);
    for number in 0..300 {
        assert_eq!(bench.read(&format!("ws/src/{number}")), "new");
        assert_eq!(bench.names(&format!("ws/made/{number}")), ["file"]);
    }
}
