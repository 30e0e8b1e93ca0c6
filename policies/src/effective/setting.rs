//! One effective value: what it is, who decided it, and what it would be without requirements.

use std::fmt;

use crate::constrained::{Constrained, Rejection};
use crate::location::Location;
use crate::requirements::RequirementSource;

/// Who decided a value.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum ValueOrigin {
    /// Nobody said anything.
    #[default]
    Default,
    /// A layer of configuration, or a flag of this run.
    Configured(Location),
    /// An administrator, over what was configured or against the default.
    Required(RequirementSource),
}

/// What was configured, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Configured<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub location: Location,
}

/// An effective value, with what may still replace it.
#[derive(Clone, Debug)]
pub struct Setting<T> {
    /// The value, and what requirements allow instead.
    pub value: Constrained<T>,
    /// Who decided it.
    pub origin: ValueOrigin,
    /// What was configured, where a requirement replaced it.
    pub configured: Option<T>,
}

impl<T: Clone + 'static> Setting<T> {
    /// What is configured, else the default, as far as `limit` allows it; else what `limit` begins with.
    ///
    /// A configured value that is not allowed is no error: it is said in the second part, and the limit's own
    /// value holds. A default that is not allowed gives way silently.
    pub(crate) fn choose(
        configured: Option<Configured<T>>,
        default: T,
        limit: Option<(Constrained<T>, RequirementSource)>,
    ) -> (Self, Option<Rejection>) {
        let origin = || match &configured {
            Some(configured) => ValueOrigin::Configured(configured.location.clone()),
            None => ValueOrigin::Default,
        };
        let wanted = configured.as_ref().map_or(&default, |configured| &configured.value).clone();
        let Some((mut value, source)) = limit else {
            let origin = origin();
            return (Self { value: Constrained::allow_any(wanted), origin, configured: None }, None);
        };
        match value.set(wanted) {
            Ok(()) => (Self { value, origin: origin(), configured: None }, None),
            Err(rejection) => {
                let configured = configured.map(|configured| configured.value);
                let rejection = configured.is_some().then_some(rejection);
                (Self { value, origin: ValueOrigin::Required(source), configured }, rejection)
            }
        }
    }

    /// The value, which somebody requires. What was configured is kept where it differs.
    pub(crate) fn required(
        field: &'static str,
        configured: Option<T>,
        value: T,
        source: &RequirementSource,
    ) -> Self
    where
        T: PartialEq + fmt::Display + Send + Sync,
    {
        let configured = configured.filter(|configured| *configured != value);
        let value = Constrained::allow_only(field, value, source.clone());
        Self { value, origin: ValueOrigin::Required(source.clone()), configured }
    }

    /// This setting if it is the same as `limit` or narrower, else `limit`.
    pub(crate) fn unless_wider(self, limit: Self, is_narrower: impl Fn(&T, &T) -> bool) -> Self
    where
        T: PartialEq,
    {
        let keep = self.get() == limit.get() || is_narrower(self.get(), limit.get());
        if keep { self } else { limit }
    }

    /// The value.
    pub fn get(&self) -> &T {
        self.value.value()
    }
}

impl ValueOrigin {
    /// Where a configured value stands, if known.
    pub(crate) fn of(location: Option<Location>) -> Self {
        location.map_or(Self::Default, Self::Configured)
    }
}

impl fmt::Display for ValueOrigin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::Configured(location) => formatter.write_str(&location.source.in_report()),
            Self::Required(source) => source.fmt(formatter),
        }
    }
}

/// What people are told when a configured value gives way.
pub(crate) fn disallowed(field: &str, required: &str, rejection: &Rejection) -> String {
    format!(
        "configured value for `{field}` is disallowed by requirements; falling back to required value `{required}`: {rejection}"
    )
}
