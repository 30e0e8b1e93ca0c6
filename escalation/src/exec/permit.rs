//! The only place where the broker makes permits.

use std::ffi::OsString;

use sandbox::{Backend, Permit};

use super::prepare::Prepared;
use crate::audit::Recorded;

/// Binds what was decided on into a permit. `_on_record` is the proof that the decision is on record (I9), and what
/// was judged is moved in: nothing is looked up or parsed again (I4).
pub(super) fn seal(prepared: Prepared, argv: &[String], _on_record: &Recorded) -> (Permit, Backend) {
    let Prepared { plan, program, backend, .. } = prepared;
    let argv = argv.iter().map(OsString::from).collect();
    #[expect(clippy::disallowed_methods, reason = "the broker: this run was decided on, and is on record")]
    let permit = Permit::dangerously_vouch(plan, program, argv);
    (permit, backend)
}
