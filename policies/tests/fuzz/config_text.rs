// What must hold for any text of a config file. Included by the fuzz target and by the bounded test in the tree,
// so that both check the same.

use policies::layers::{LayerSource, Layers};
use policies::{
    AbsolutePath, Config, ConfigError, EffectivePolicy, Location, Purpose, Requirements, SessionRequest,
    parse_layer,
};

use crate::words::{is_printable, is_usable};

/// Reads bytes as the person's file, and resolves what holds. It never breaks, errors can be shown, and what was
/// merged says the same when it is written and read again.
pub(crate) fn config_text(data: &[u8]) {
    let config = match read(data.to_vec()) {
        Ok(config) => config,
        Err(error) => {
            return is_usable(&error, &error.help(), place(&error).and_then(|at| at.position.as_ref()));
        }
    };
    let printed = toml::to_string(&config.layers().merged()).expect("what was TOML can be written as TOML");
    let again = read(printed.clone().into_bytes()).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    assert_eq!(settings(&config), settings(&again), "{printed}");
    for purpose in [Purpose::Session, Purpose::Sandbox] {
        let request = SessionRequest { purpose, asked: None, cwd: cwd(), home: Some(cwd()), tmpdir: None };
        match EffectivePolicy::resolve(config.clone(), Requirements::default(), &request) {
            Ok(policy) => policy.warnings.iter().for_each(|warning| is_printable(warning)),
            Err(error) => is_usable(&error, &error.help(), None),
        }
    }
}

fn cwd() -> AbsolutePath {
    AbsolutePath::parse("/w").expect("an absolute path")
}

fn read(bytes: Vec<u8>) -> Result<Config, ConfigError> {
    let layer = parse_layer(LayerSource::UserFile("/h/config.toml".into()), bytes)?;
    Config::from_layers(Layers::new([layer]), &cwd(), Some(&cwd()))
}

/// Where the text is wrong. A text that fails otherwise, as a file would, has no place.
fn place(error: &ConfigError) -> Option<&Location> {
    if let ConfigError::Syntax { location, .. } | ConfigError::NotUtf8 { location } = error {
        return Some(location);
    }
    let ConfigError::Value(invalid) = error else { panic!("a text cannot fail so: {error}") };
    invalid.location.as_ref()
}

/// All settings, without their places.
fn settings(config: &Config) -> String {
    format!(
        "{:?}",
        (
            (config.approval_policy, config.approvals_reviewer, config.web_search, config.sandbox_mode),
            (&config.allow_login_shell, &config.default_permissions, &config.sandbox_workspace_write),
            (&config.shell_environment_policy, &config.mcp_servers, &config.features, &config.permissions),
        )
    )
}
