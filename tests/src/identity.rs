//! Who a run runs as.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::case::User;

/// The account that stands for the ordinary user when the harness runs as root.
const ORDINARY: &str = "codex-probe";

/// A user as whom commands can be started.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Root or not.
    pub user: User,
    /// The login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group id, the only group of a run.
    pub gid: u32,
    /// Whether a child must change to this user before it starts.
    pub(crate) change: bool,
}

impl Identity {
    /// Who the harness itself is.
    ///
    /// # Errors
    /// When the user has no entry in `/etc/passwd`.
    pub fn own() -> Result<Self> {
        let uid = nix::unistd::geteuid().as_raw();
        let user = if uid == 0 { User::Root } else { User::Ordinary };
        let (name, _, gid) =
            look_up(|_, id| id == uid)?.with_context(|| format!("user {uid} has no passwd entry"))?;
        Ok(Self { user, name, uid, gid, change: false })
    }

    /// The account for `user`, or `None` when this harness cannot become it (a harness that is not
    /// root cannot become root).
    ///
    /// # Errors
    /// When the harness is root and the account of the ordinary user does not exist.
    pub fn of(user: User) -> Result<Option<Self>> {
        let own = Self::own()?;
        if own.user == user {
            return Ok(Some(own));
        }
        match user {
            User::Root => Ok(None),
            User::Ordinary => {
                let Some((name, uid, gid)) = look_up(|name, _| name == ORDINARY)? else {
                    bail!("there is no user `{ORDINARY}` to test as: run ./scripts/test, which creates it");
                };
                Ok(Some(Self { user, name, uid, gid, change: true }))
            }
        }
    }
}

/// The name, user id and group id of the first account that is `wanted`.
///
/// Reads `/etc/passwd` rather than ask the C library, whose answer needs shared objects that a
/// static program cannot load.
fn look_up(wanted: impl Fn(&str, u32) -> bool) -> Result<Option<(String, u32, u32)>> {
    let text = fs::read_to_string("/etc/passwd").context("cannot read `/etc/passwd`")?;
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some((name, uid, gid))
    };
    Ok(text.lines().filter_map(entry).find(|(name, uid, _)| wanted(name, *uid)))
}
