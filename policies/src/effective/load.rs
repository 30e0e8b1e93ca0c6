//! From files to an effective policy.

use std::path::Path;

use crate::admin::{AdminError, AdminFolder};
use crate::config::{Config, ConfigSources};
use crate::config_error::ConfigError;
use crate::effective::{EffectivePolicy, ProfileError};
use crate::path::AbsolutePath;
use crate::requirements::{
    ManagedConfig, ManagedSource, RequirementSources, Requirements, RequirementsContext, RequirementsError,
    SourceError, read_texts, system_config_layer,
};
use crate::rules::{LayeredRules, LayeredRulesError, RuleFiles, RuleFolder, RuleLayer, load_rule_layers};
use crate::select::SessionRequest;

/// The folder of rule files in each layer.
const RULES: &str = "rules";

/// Where to look.
pub struct PolicySources<'a> {
    /// The administrator's folder.
    pub admin: &'a AdminFolder,
    /// What an enterprise delivers otherwise, lowest first.
    pub managed: &'a [&'a dyn ManagedSource],
    /// Requirements of device management, base64.
    pub mdm: Option<&'a str>,
    /// `managed_config.toml` of device management, base64.
    pub legacy_mdm: Option<&'a str>,
    /// For `remote_sandbox_config`.
    pub hostname: &'a str,
    /// The home directory in the user database, if known.
    pub account_home: Option<&'a AbsolutePath>,
    /// The layers of configuration; the system's and the managed ones are added here.
    pub config: ConfigSources,
    /// Whom to obey.
    pub obey: Obey,
}

/// Whether requirements apply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Obey {
    /// They do.
    Requirements,
    /// They do not, and their files are not looked at: a person tries a profile, and says so.
    ConfigurationOnly,
}

/// Which rule files to read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RuleScope {
    /// Those of the system, the person and the repository.
    All,
    /// Those of the system: `--ignore-rules`.
    SystemOnly,
}

/// Why there is no effective policy. [`Self::help`] says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A layer of configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file of the administrator.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// A source of requirements.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What requirements say.
    #[error(transparent)]
    Requirements(#[from] RequirementsError),
    /// A profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A rule file of the administrator.
    #[error(transparent)]
    Rules(#[from] LayeredRulesError),
}

impl LoadError {
    /// The smallest change that helps.
    pub fn help(&self) -> String {
        match self {
            Self::Config(error) => error.help(),
            Self::Admin(error) => error.help(),
            Self::Source(error) => error.help(),
            Self::Requirements(error) => error.help(),
            Self::Profile(error) => error.help(),
            Self::Rules(error) => error.help().unwrap_or_else(|| "mend the rule file".to_owned()),
        }
    }
}

impl EffectivePolicy {
    /// Reads every layer and resolves what holds. Rules come apart from it, see [`Self::load_rules`].
    ///
    /// # Errors
    /// [`LoadError`]. Nothing of a wrong file is used, and no file of an administrator is ever skipped.
    pub fn load(sources: PolicySources<'_>, request: &SessionRequest) -> Result<Self, LoadError> {
        let PolicySources { admin, managed, mdm, legacy_mdm, hostname, account_home, mut config, obey } =
            sources;
        config.system.extend(system_config_layer(admin)?);
        let requirements = match obey {
            Obey::ConfigurationOnly => Requirements::default(),
            Obey::Requirements => {
                let config_home = config.config_home()?;
                let managed_config = ManagedConfig::read(admin, legacy_mdm)?;
                config.managed.extend(managed_config.layers()?);
                let sources = RequirementSources {
                    admin,
                    managed,
                    managed_config: &managed_config,
                    mdm,
                    config_home: &config_home,
                };
                let context = RequirementsContext { hostname, home: config.home.as_ref(), account_home };
                Requirements::from_texts(&read_texts(&sources)?, context)?
            }
        };
        Ok(Self::resolve(Config::load(&config)?, requirements, request)?)
    }

    /// Reads the rule files of all layers, and adds the rules of the administrator.
    ///
    /// A broken file of the person or the repository contributes nothing, everything else stays, and commands that
    /// no rule matches are asked about until it is mended.
    ///
    /// # Errors
    /// A rule file in the administrator's folder that is broken, or that somebody else could have written.
    pub fn load_rules(
        &self,
        admin: &AdminFolder,
        config_home: &Path,
        scope: RuleScope,
    ) -> Result<LayeredRules, LoadError> {
        let system = admin.read_all(RULES, ".rules")?;
        let mut folders = vec![RuleFolder { layer: RuleLayer::System, files: RuleFiles::Given(system) }];
        if scope == RuleScope::All {
            folders
                .push(RuleFolder { layer: RuleLayer::User, files: RuleFiles::In(config_home.join(RULES)) });
            let trusted = self.config.project.iter().filter(|project| project.trust.is_trusted());
            folders.extend(trusted.flat_map(|project| {
                project.config_folders(config_home).into_iter().map(|folder| RuleFolder {
                    layer: RuleLayer::Project,
                    files: RuleFiles::InProject { root: project.root.clone(), folder: folder.join(RULES) },
                })
            }));
        }
        let mut rules = load_rule_layers(&folders)?;
        for required in &self.requirements.rules {
            rules.policy.add(required.value.clone());
        }
        Ok(rules)
    }
}
