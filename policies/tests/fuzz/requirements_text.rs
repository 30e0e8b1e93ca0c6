// What must hold for any text of a requirements file. Included by the fuzz target and by the bounded test in the
// tree, so that both check the same.

use policies::effective::class;
use policies::layers::LayerSource;
use policies::requirements::{RequirementsText, Severity, lint};
use policies::{
    AbsolutePath, Asked, Config, EffectivePolicy, Purpose, Requirements, RequirementsContext,
    RequirementsError, SandboxMode, SessionRequest, WebSearchMode,
};

use crate::words::{is_printable, is_usable};

/// Reads bytes as the system's requirements, and applies them to a session without configuration, and to one that
/// wants everything. It never breaks, errors can be shown, and what holds is allowed.
pub(crate) fn requirements_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let path = |path| AbsolutePath::parse(path).expect("an absolute path");
    let text = RequirementsText {
        source: LayerSource::RequirementsFile("/etc/codex/requirements.toml".into()),
        text: text.to_owned(),
        folder: path("/etc/codex"),
    };
    let context = RequirementsContext { hostname: "build-7", home: Some(&path("/h")), account_home: None };
    let remarks = lint(&text, context);
    for remark in &remarks {
        is_usable(&remark.message, &remark.help, remark.location.position.as_ref());
    }
    let requirements = match Requirements::from_texts(std::slice::from_ref(&text), context) {
        Ok(requirements) => requirements,
        Err(error) => {
            assert!(
                remarks.iter().any(|remark| remark.severity == Severity::Error),
                "not found by lint: {error}"
            );
            return is_usable_error(&error);
        }
    };
    assert!(!remarks.iter().any(|remark| remark.severity == Severity::Error), "{remarks:?}");
    for purpose in [Purpose::Session, Purpose::Sandbox] {
        for asked in [None, Some(Asked::Mode(SandboxMode::DangerFullAccess))] {
            let request =
                SessionRequest { purpose, asked, cwd: path("/w"), home: Some(path("/h")), tmpdir: None };
            match EffectivePolicy::resolve(Config::default(), requirements.clone(), &request) {
                Ok(policy) => is_within(&policy),
                Err(error) => is_usable(&error, &error.help(), None),
            }
        }
    }
}

fn is_usable_error(error: &RequirementsError) {
    if let RequirementsError::Rules { error, .. } = error {
        assert!(error.line >= 1 && error.column >= 1, "{error}");
    }
    is_usable(error, &error.help(), None);
}

/// What holds is what the lists allow.
fn is_within(policy: &EffectivePolicy) {
    policy.warnings.iter().for_each(|warning| is_printable(warning));
    let limits = &policy.requirements;
    if let Some(allowed) = &limits.allowed_approval_policies {
        assert!(allowed.value.contains(policy.approval_policy.get()));
    }
    if let Some(allowed) = &limits.allowed_approvals_reviewers {
        assert!(allowed.value.contains(policy.approvals_reviewer.get()));
    }
    let class = class(&policy.profile.resolved.profile);
    if let Some(allowed) = &limits.allowed_sandbox_modes {
        assert!(allowed.value.contains(&class), "{class}");
    }
    assert!(
        limits.deny_read.is_empty() || class != policies::requirements::SandboxModeLimit::DangerFullAccess
    );
    if let Some(allowed) = &limits.allowed_web_search_modes {
        for mode in [*policy.web_search.get(), policy.web_search_of_turn()] {
            assert!(mode == WebSearchMode::Disabled || allowed.value.contains(&mode), "{mode}");
        }
    }
    for (name, pin) in &limits.features {
        assert_eq!(policy.has_feature(name), pin.value, "{name}");
    }
}
