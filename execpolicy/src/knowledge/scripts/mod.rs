//! Reads the little programs that `sed` and `awk` take as arguments, as far as needed to say whether they run
//! programs or write files. What cannot be read counts as if it did.

mod awk;
mod sed;

pub(crate) use awk::awk_effect;
pub(crate) use sed::sed_effect;
