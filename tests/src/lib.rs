//! The bench on which the built `codex` binary is tested as its users see it: real processes, real
//! directories, effects looked at from outside the sandbox.
//!
//! The cases are data under `cases/` (see [`case`] for what a row may say); `tests/probes.rs` runs
//! them on every backend and as every user. What layers of configuration and of requirements come to are rows
//! under `cases/policy/` ([`policy`]), run by `tests/policy.rs`. The other files in `tests/` hold one behaviour each
//! that a row cannot express. Nothing in this crate links the crates under test.
//!
//! `cargo nextest run --package tests` (or `cargo test`) runs everything, best as root: then each test runs
//! as root and as the user `codex-probe`, which `./scripts/test` creates. Four variables steer it:
//! `CODEX_BIN` names the program to test instead of the one built beside the tests, `CODEX_TESTS_SCRATCH` the
//! directory for scratch directories (not below `/tmp`), `CODEX_TESTS_ALLOW_SKIP=1` skips rows whose tools are
//! missing, and `CI` makes it a failure when the half that needs root cannot run.
//!
//! Two rules keep the bench honest. A row that would do harm if the sandbox failed is not written:
//! it proves the same point on something that the bench made. And what a row does not mention must
//! not change: the bench itself looks for files, mounts, processes and connections after each run.

#![forbid(unsafe_code)]

#[cfg(not(target_os = "linux"))]
compile_error!("the probes look at Linux namespaces, `/proc` and Linux system calls");

pub mod binary;
pub mod bound;
pub mod case;
pub mod host;
pub mod identity;
pub mod place;
pub mod policy;
pub mod probe;
pub mod process;
pub mod repository;
pub mod system;
pub mod table;
pub mod terminal;
pub mod tools;
pub mod watch;
pub mod words;

/// Says something to the person who runs the tests, past the capture of the test harness.
#[expect(clippy::print_stderr, reason = "a skipped or degraded test must be heard")]
pub fn say(message: &str) {
    eprintln!("tests: {message}");
}

/// Makes one `#[test]` per backend and user out of `fn name(backend: Backend, place: &mut Place) -> Result<()>`.
///
/// The place is fresh, and closed (searched for anything left behind) after the function returned.
#[macro_export]
macro_rules! on_every_backend_and_user {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn bwrap_root() -> anyhow::Result<()> {
                $crate::place::with_place($crate::case::Backend::Bwrap, $crate::case::User::Root, super::$name)
            }
            #[test]
            fn bwrap_user() -> anyhow::Result<()> {
                $crate::place::with_place($crate::case::Backend::Bwrap, $crate::case::User::Ordinary, super::$name)
            }
            #[test]
            fn namespaces_root() -> anyhow::Result<()> {
                $crate::place::with_place($crate::case::Backend::Namespaces, $crate::case::User::Root, super::$name)
            }
            #[test]
            fn namespaces_user() -> anyhow::Result<()> {
                $crate::place::with_place($crate::case::Backend::Namespaces, $crate::case::User::Ordinary, super::$name)
            }
        }
    )+};
}
