//! How far one turn may search the web.

use crate::constrained::{Constrained, Rejection};
use crate::effective::setting::{Configured, Setting, ValueOrigin};
use crate::requirements::Sourced;
use crate::web_search::WebSearchMode;

/// The field in messages.
const FIELD: &str = "web_search_mode";

/// Where a disallowed mode falls back to, in this order, as far as that is not more open.
const FALLBACKS: [WebSearchMode; 4] =
    [WebSearchMode::Cached, WebSearchMode::Indexed, WebSearchMode::Live, WebSearchMode::Disabled];

/// What is preferred with full access, where nothing is configured: a command could search by itself.
const FULL_ACCESS: [WebSearchMode; 3] = [WebSearchMode::Live, WebSearchMode::Cached, WebSearchMode::Disabled];

/// The mode of a session. Without a configured one it is `cached`, which is [`of_turn`]'s to raise.
///
/// Of a mode that is not allowed, the fallback is the first of [`FALLBACKS`] that is allowed and not more open:
/// a requirement takes away, it does not give.
pub(crate) fn of_session(
    configured: Option<Configured<WebSearchMode>>,
    allowed: Option<&Sourced<Vec<WebSearchMode>>>,
) -> (Setting<WebSearchMode>, Option<Rejection>) {
    let wanted = configured.as_ref().map_or(WebSearchMode::Cached, |configured| configured.value);
    let Some(Sourced { value: allowed, source }) = allowed else {
        return Setting::choose(configured, wanted, None);
    };
    let admitted = |mode: &WebSearchMode| *mode == WebSearchMode::Disabled || allowed.contains(mode);
    let set = WebSearchMode::WORDS.map(|(_, mode)| mode).into_iter().filter(admitted).collect();
    let fallback = FALLBACKS.into_iter().find(|mode| *mode <= wanted && admitted(mode));
    let mut value = Constrained::one_of(FIELD, set, WebSearchMode::Disabled, source.clone());
    match value.set(wanted) {
        Ok(()) => {
            let origin = ValueOrigin::of(configured.map(|configured| configured.location));
            (Setting { value, origin, configured: None }, None)
        }
        // The implicit default is said, too: people notice a missing search, not a missing key.
        Err(rejection) => {
            if let Some(fallback) = fallback {
                // It is one of the admitted, so this cannot fail; the value stays the strictest if it did.
                value.set(fallback).ok();
            }
            let configured = configured.map(|configured| configured.value);
            (Setting { value, origin: ValueOrigin::Required(source.clone()), configured }, Some(rejection))
        }
    }
}

/// The mode of one turn. What was configured holds. Where nothing was, full access prefers `live`, then
/// `cached`, then `disabled`, whichever the session's limits allow first.
pub(crate) fn of_turn(session: &Setting<WebSearchMode>, full_access: bool) -> WebSearchMode {
    let implicit = session.configured.is_none() && !matches!(session.origin, ValueOrigin::Configured(_));
    let preferred = FULL_ACCESS.into_iter().filter(|_| implicit && full_access);
    preferred
        .chain([*session.get()])
        .find(|mode| session.value.can_set(mode).is_ok())
        .unwrap_or(WebSearchMode::Disabled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::LayerSource;
    use crate::location::Location;
    use WebSearchMode::{Cached, Disabled, Indexed, Live};

    fn allowed(modes: &[WebSearchMode]) -> Sourced<Vec<WebSearchMode>> {
        let source = LayerSource::RequirementsFile("/etc/codex/requirements.toml".into()).into();
        Sourced { value: modes.to_vec(), source }
    }

    fn configured(mode: WebSearchMode) -> Configured<WebSearchMode> {
        let source = LayerSource::UserFile("/h/config.toml".into());
        Configured { value: mode, location: Location { source, position: None } }
    }

    #[test]
    fn a_disallowed_mode_falls_back_and_never_up() {
        let rows: [(Option<WebSearchMode>, &[WebSearchMode], WebSearchMode, bool); 9] = [
            (None, &[Cached], Cached, false),
            (None, &[], Disabled, true),
            (None, &[Live], Disabled, true),
            (Some(Live), &[Cached, Indexed], Cached, true),
            (Some(Live), &[Indexed], Indexed, true),
            (Some(Live), &[Live], Live, false),
            (Some(Cached), &[Live, Indexed], Disabled, true),
            (Some(Disabled), &[Live], Disabled, false),
            (Some(Disabled), &[], Disabled, false),
        ];
        for (wanted, modes, effective, said) in rows {
            let (setting, rejection) = of_session(wanted.map(configured), Some(&allowed(modes)));
            assert_eq!((*setting.get(), rejection.is_some()), (effective, said), "{wanted:?} {modes:?}");
        }
    }

    #[test]
    fn full_access_prefers_live_where_nothing_is_configured() {
        let turn = |wanted: Option<WebSearchMode>, modes: Option<&[WebSearchMode]>, full| {
            let allowed = modes.map(allowed);
            let (session, _) = of_session(wanted.map(configured), allowed.as_ref());
            of_turn(&session, full)
        };
        assert_eq!(turn(None, None, false), Cached);
        assert_eq!(turn(None, None, true), Live);
        assert_eq!(turn(None, Some(&[Cached]), true), Cached);
        assert_eq!(turn(None, Some(&[]), true), Disabled);
        assert_eq!(turn(None, Some(&[Live]), true), Live);
        assert_eq!(turn(None, Some(&[Live]), false), Disabled);
        assert_eq!(turn(Some(Cached), None, true), Cached, "what was configured holds");
        assert_eq!(turn(Some(Disabled), None, true), Disabled);
        assert_eq!(turn(Some(Live), Some(&[Cached]), true), Cached);
        assert_eq!(turn(Some(Live), None, false), Live);
    }
}
