//! A folder signed with minisign, and each way to change it. See `tests/data/delivery/README.md`.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::admin::MAX_ADMIN_BYTES;
use crate::test_dir::TestDir;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/delivery");
const KEY: &str = include_str!("../../../tests/data/delivery/delivery.pub");
const OTHER_KEY: &str = include_str!("../../../tests/data/delivery/other.pub");

fn key(file: &str) -> String {
    file.lines().nth(1).unwrap().to_owned()
}

fn absolute(path: PathBuf) -> AbsolutePath {
    AbsolutePath::parse(path).unwrap()
}

/// A copy of the signed folder.
fn good(name: &str) -> TestDir {
    let dir = TestDir::new(&format!("delivery-{name}"));
    for file in fs::read_dir(format!("{DATA}/good")).unwrap() {
        let file = file.unwrap();
        dir.write(file.file_name().to_str().unwrap(), fs::read(file.path()).unwrap());
    }
    dir
}

fn layers(dir: &TestDir) -> Result<Vec<ManagedLayer>, DeliveryError> {
    with_keys(dir, &[key(KEY)])
}

fn with_keys(dir: &TestDir, keys: &[String]) -> Result<Vec<ManagedLayer>, DeliveryError> {
    let drop = FileDrop::signed(absolute(dir.path("")), keys).unwrap();
    drop.layers().map_err(|error| {
        assert!(!error.help().is_empty());
        let ManagedError::Delivery(error) = error else { panic!("{error}") };
        error
    })
}

#[test]
fn what_is_signed_is_read_in_its_order() {
    let dir = good("ok");
    // Anybody may own the folder and write to it.
    fs::set_permissions(dir.path(""), fs::Permissions::from_mode(0o777)).unwrap();
    let read = layers(&dir).unwrap();
    let ids: Vec<&str> = read.iter().map(|layer| layer.id.as_str()).collect();
    assert_eq!(ids, ["10-base.toml", "20-team.toml"]);
    assert_eq!(read[0].name, format!("{}, serial 12", dir.path("").display()));
    assert!(read[1].text.starts_with("allowed_approval_policies"));
    // What is no layer may lie beside.
    dir.write("README.md", "");
    assert_eq!(with_keys(&dir, &[key(OTHER_KEY), key(KEY)]).unwrap(), read);
}

#[test]
fn a_folder_may_be_exchanged_as_a_symlink() {
    let (dir, above) = (good("swap"), TestDir::new("delivery-swap-link"));
    symlink(dir.path(""), above.path("current")).unwrap();
    let drop = FileDrop::signed(absolute(above.path("current")), &[key(KEY)]).unwrap();
    assert_eq!(drop.layers().unwrap().len(), 2);
}

#[test]
fn one_changed_byte_anywhere_is_refused() {
    for name in ["10-base.toml", "20-team.toml", "index.toml", "index.toml.minisig"] {
        let bytes = fs::read(format!("{DATA}/good/{name}")).unwrap();
        let dir = good("byte");
        // The first line of a signature is a comment that nobody signs.
        let start =
            if name == SIGNATURE { bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1 } else { 0 };
        for at in start..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            dir.write(name, &changed);
            assert!(layers(&dir).is_err(), "{name}: byte {at}");
        }
    }
}

#[test]
fn what_is_missing_is_refused() {
    for name in ["10-base.toml", "20-team.toml", "index.toml", "index.toml.minisig"] {
        let dir = good("missing");
        fs::remove_file(dir.path(name)).unwrap();
        let error = layers(&dir).unwrap_err();
        let expect = format!("refused the delivered requirements: `{}` is missing", dir.path(name).display());
        assert_eq!(error.to_string(), expect);
    }
    let dir = good("missing");
    fs::remove_dir_all(dir.path("")).unwrap();
    assert!(matches!(layers(&dir), Err(DeliveryError::Missing { .. })));
    fs::create_dir(dir.path("")).unwrap();
    assert!(matches!(layers(&dir), Err(DeliveryError::Missing { .. })), "an empty folder");
}

#[test]
fn what_nobody_signed_is_refused() {
    for name in ["30-more.toml", ".hidden.toml", "index.toml.toml", "10-base.toml.toml"] {
        let dir = good("unlisted");
        dir.write(name, "");
        let error = layers(&dir).unwrap_err();
        assert!(matches!(&error, DeliveryError::Unlisted { path } if *path == dir.path(name)), "{error}");
    }
    let dir = good("unlisted");
    for number in 0..=MAX_LAYERS {
        dir.write(&format!("more-{number}.toml"), "");
    }
    assert!(layers(&dir).is_err());
}

#[test]
fn a_signature_that_is_not_of_a_key_is_refused() {
    let dir = good("signature");
    let problem = |result| match result {
        Err(DeliveryError::Signature { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(problem(with_keys(&dir, &[key(OTHER_KEY)])), SignatureProblem::OtherKey);
    let index = fs::read_to_string(dir.path(INDEX)).unwrap();
    dir.write(INDEX, index.replace("12", "13"));
    assert_eq!(problem(layers(&dir)), SignatureProblem::Mismatch);
    assert_eq!(problem(with_keys(&dir, &[key(KEY), key(OTHER_KEY)])), SignatureProblem::Mismatch);
    dir.write(INDEX, &index);

    let signature = fs::read_to_string(dir.path(SIGNATURE)).unwrap();
    for length in 0..signature.len() - 1 {
        dir.write(SIGNATURE, &signature.as_bytes()[..length]);
        let problem = problem(layers(&dir));
        assert!(matches!(problem, SignatureProblem::Malformed | SignatureProblem::Mismatch), "{length}");
    }
    dir.write(SIGNATURE, b"\xff");
    assert_eq!(problem(layers(&dir)), SignatureProblem::Malformed);
    dir.write(SIGNATURE, fs::read(format!("{DATA}/legacy.minisig")).unwrap());
    assert_eq!(problem(layers(&dir)), SignatureProblem::Old);
    dir.write(SIGNATURE, signature);
    assert!(layers(&dir).is_ok());
}

#[test]
fn what_is_no_plain_file_is_refused() {
    let dir = good("kind");
    fs::rename(dir.path("10-base.toml"), dir.path("base")).unwrap();
    symlink("base", dir.path("10-base.toml")).unwrap();
    assert!(matches!(layers(&dir), Err(DeliveryError::File(AdminError::Link { .. }))));
    fs::remove_file(dir.path("10-base.toml")).unwrap();
    fs::create_dir(dir.path("10-base.toml")).unwrap();
    assert!(matches!(layers(&dir), Err(DeliveryError::File(AdminError::NotAFile { .. }))));
    let dir = good("kind");
    dir.write(INDEX, "#".repeat(usize::try_from(MAX_ADMIN_BYTES).unwrap() + 1));
    assert!(matches!(layers(&dir), Err(DeliveryError::File(AdminError::TooBig { .. }))));
    let file = FileDrop::signed(absolute(dir.path(INDEX)), &[key(KEY)]).unwrap();
    assert!(file.layers().is_err());
}

#[test]
fn keys_are_checked_at_once() {
    let folder = AbsolutePath::parse("/d").unwrap();
    assert!(matches!(FileDrop::signed(folder.clone(), &[]), Err(DeliveryError::NoKey { .. })));
    for bad in ["", "RWQ", "untrusted comment: minisign public key", key(KEY).trim_start_matches('R')] {
        let keys = [key(KEY), bad.to_owned()];
        let error = FileDrop::signed(folder.clone(), &keys).unwrap_err();
        assert!(matches!(error, DeliveryError::Key { .. }), "{bad}: {error}");
    }
}

#[test]
fn a_folder_of_the_administrator_needs_no_signature() {
    let dir = TestDir::new("delivery-owned");
    fs::create_dir(dir.path("drop")).unwrap();
    for name in ["", "drop"] {
        fs::set_permissions(dir.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    for name in ["drop/20.toml", "drop/10.toml"] {
        dir.write(name, name);
        fs::set_permissions(dir.path(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let me = rustix::process::geteuid().as_raw();
    let drop = FileDrop::owned(AdminFolder::at(absolute(dir.path("")), me), "drop");
    let ids: Vec<String> = drop.layers().unwrap().into_iter().map(|layer| layer.id).collect();
    assert_eq!(ids, ["10.toml", "20.toml"]);
    fs::set_permissions(dir.path("drop"), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(drop.layers(), Err(ManagedError::Admin(AdminError::Writable { .. }))));
}
