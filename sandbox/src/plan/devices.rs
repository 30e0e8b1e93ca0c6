//! The devices of a run's own `/dev`, which is made for it and shows none of the host's.

use std::path::Path;

use policies::AbsolutePath;

/// The nodes that every run's `/dev` has anyway.
pub(crate) const MINIMAL_DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Whether this is one of them, by name.
pub(super) fn is_minimal_device(path: &AbsolutePath) -> bool {
    path.as_path()
        .strip_prefix("/dev")
        .is_ok_and(|name| MINIMAL_DEVICES.iter().any(|device| name == Path::new(device)))
}
