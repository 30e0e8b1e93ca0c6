//! The effective policy around a command line: of the working directory, with what was typed.

use policies::admin::AdminFolder;
use policies::effective::load::{LoadError, Obey, PolicySources};
use policies::effective::{EffectivePolicy, ProxyMissing};
use policies::{ConfigSources, SessionRequest, feature_override};

use crate::caller::Caller;
use crate::report::{Blame, Failure};

/// Settings that were typed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Typed<'a> {
    /// `-c`, in order.
    pub(crate) config: &'a [String],
    /// `--enable`.
    pub(crate) enable: &'a [String],
    /// `--disable`.
    pub(crate) disable: &'a [String],
    /// `-p`.
    pub(crate) profile_file: Option<&'a str>,
}

impl Typed<'_> {
    /// As overrides, lowest first.
    fn overrides(&self) -> Vec<String> {
        let switch =
            |names: &[String], on| names.iter().map(|name| feature_override(name, on)).collect::<Vec<_>>();
        [self.config.to_vec(), switch(self.enable, true), switch(self.disable, false)].concat()
    }
}

/// Loads what holds for the caller.
pub(crate) fn load(
    caller: &Caller,
    admin: &AdminFolder,
    typed: Typed<'_>,
    request: &SessionRequest,
    obey: Obey,
) -> Result<EffectivePolicy, Failure> {
    let hostname = sandbox::probe::hostname();
    let account_home = sandbox::probe::account_home();
    let config = ConfigSources {
        codex_home: caller.config_home.clone(),
        profile_file: typed.profile_file.map(str::to_owned),
        overrides: typed.overrides(),
        cwd: caller.cwd.clone(),
        home: caller.home.clone(),
        system: Vec::new(),
        managed: Vec::new(),
    };
    let sources = PolicySources {
        admin,
        managed: &[],
        mdm: None,
        legacy_mdm: None,
        hostname: &hostname,
        account_home: account_home.as_ref(),
        config,
        obey,
    };
    Ok(EffectivePolicy::load(sources, request)?)
}

impl From<ProxyMissing> for Failure {
    fn from(error: ProxyMissing) -> Self {
        Self::of(Blame::Refused, &error, [error.help().to_owned()])
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Self::of(Blame::Invalid, &error, [error.help()])
    }
}
