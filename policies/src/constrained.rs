//! A value that only takes what somebody allows.

use std::fmt;
use std::sync::Arc;

use crate::display::escape_short;
use crate::requirements::RequirementSource;

/// Judges a candidate.
type Validator<T> = Arc<dyn Fn(&T) -> Result<(), Rejection> + Send + Sync>;
/// Maps a candidate before it is judged.
type Normaliser<T> = Arc<dyn Fn(T) -> T + Send + Sync>;

/// A current value, with what may replace it.
///
/// INVARIANT: the value is one that the validator accepts. There is no way to change it but [`Self::set`].
#[derive(Clone)]
pub struct Constrained<T> {
    value: T,
    validator: Validator<T>,
    normaliser: Option<Normaliser<T>>,
}

/// Why a candidate was not accepted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "invalid value for `{field}`: `{}` is not in the allowed set {} (set by {source_layers})",
    escape_short(candidate),
    escape_short(allowed)
)]
pub struct Rejection {
    /// What was to be set.
    pub field: &'static str,
    /// To what.
    pub candidate: String,
    /// What would be accepted.
    pub allowed: String,
    /// Who says so.
    pub source_layers: RequirementSource,
}

impl<T: 'static> Constrained<T> {
    /// A value that `validator` has to accept, now and later.
    ///
    /// # Errors
    /// [`Rejection`] of the initial value.
    pub fn new(
        initial: T,
        validator: impl Fn(&T) -> Result<(), Rejection> + Send + Sync + 'static,
    ) -> Result<Self, Rejection> {
        validator(&initial)?;
        Ok(Self { value: initial, validator: Arc::new(validator), normaliser: None })
    }

    /// A value that anything may replace.
    pub fn allow_any(value: T) -> Self {
        Self { value, validator: Arc::new(|_| Ok(())), normaliser: None }
    }

    /// A value that whatever is set becomes something acceptable by `normaliser`.
    pub fn normalised(value: T, normaliser: impl Fn(T) -> T + Send + Sync + 'static) -> Self {
        let value = normaliser(value);
        Self { value, validator: Arc::new(|_| Ok(())), normaliser: Some(Arc::new(normaliser)) }
    }

    /// Adds a normaliser, which runs after the ones that are there.
    ///
    /// # Errors
    /// [`Rejection`] of what it makes of the current value.
    pub fn with_normaliser(
        self,
        normaliser: impl Fn(T) -> T + Send + Sync + 'static,
    ) -> Result<Self, Rejection> {
        let value = normaliser(self.value);
        (self.validator)(&value)?;
        let normaliser: Normaliser<T> = match self.normaliser {
            None => Arc::new(normaliser),
            Some(earlier) => Arc::new(move |value| normaliser(earlier(value))),
        };
        Ok(Self { value, validator: self.validator, normaliser: Some(normaliser) })
    }

    /// The current value.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// Whether a value would be accepted; nothing changes.
    ///
    /// # Errors
    /// [`Rejection`] if not.
    pub fn can_set(&self, candidate: &T) -> Result<(), Rejection>
    where
        T: Clone,
    {
        (self.validator)(&self.normalise(candidate.clone()))
    }

    /// Replaces the value; a rejected candidate leaves it as it is.
    ///
    /// # Errors
    /// [`Rejection`] if it is not accepted.
    pub fn set(&mut self, candidate: T) -> Result<(), Rejection> {
        let candidate = self.normalise(candidate);
        (self.validator)(&candidate)?;
        self.value = candidate;
        Ok(())
    }

    fn normalise(&self, candidate: T) -> T {
        match &self.normaliser {
            Some(normaliser) => normaliser(candidate),
            None => candidate,
        }
    }
}

impl<T: Clone + PartialEq + fmt::Display + Send + Sync + 'static> Constrained<T> {
    /// A value that nothing but itself may replace.
    pub fn allow_only(field: &'static str, value: T, source: RequirementSource) -> Self {
        let only = value.clone();
        let validator = move |candidate: &T| {
            if *candidate == only {
                return Ok(());
            }
            Err(Rejection::new(field, candidate, std::slice::from_ref(&only), &source))
        };
        Self { value, validator: Arc::new(validator), normaliser: None }
    }

    /// A value that is one of a list; the first is the initial one. An empty list allows nothing but
    /// `strictest`.
    pub fn one_of(field: &'static str, mut allowed: Vec<T>, strictest: T, source: RequirementSource) -> Self {
        if allowed.is_empty() {
            allowed.push(strictest.clone());
        }
        let value = allowed.first().cloned().unwrap_or(strictest);
        let validator = move |candidate: &T| {
            if allowed.contains(candidate) {
                return Ok(());
            }
            Err(Rejection::new(field, candidate, &allowed, &source))
        };
        Self { value, validator: Arc::new(validator), normaliser: None }
    }
}

impl Rejection {
    /// Says that a candidate is none of the allowed values.
    pub fn new<T: fmt::Display>(
        field: &'static str,
        candidate: &T,
        allowed: &[T],
        source: &RequirementSource,
    ) -> Self {
        let allowed: Vec<String> = allowed.iter().map(T::to_string).collect();
        Self {
            field,
            candidate: candidate.to_string(),
            allowed: format!("[{}]", allowed.join(", ")),
            source_layers: source.clone(),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Constrained<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Constrained").field("value", &self.value).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::LayerSource;

    fn source() -> RequirementSource {
        LayerSource::RequirementsFile("/etc/codex/requirements.toml".into()).into()
    }

    #[test]
    fn a_rejected_value_changes_nothing() {
        let mut value = Constrained::one_of("mode", vec![1, 2], 0, source());
        assert_eq!(*value.value(), 1);
        assert_eq!(value.can_set(&2), Ok(()));
        assert_eq!(*value.value(), 1, "probing sets nothing");
        value.set(2).unwrap();
        let error = value.set(3).unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid value for `mode`: `3` is not in the allowed set [1, 2] (set by /etc/codex/requirements.toml)"
        );
        assert_eq!(*value.value(), 2);
        let mut nothing = Constrained::one_of("mode", Vec::new(), 0, source());
        assert!(nothing.set(1).is_err() && nothing.set(0).is_ok(), "an empty list allows the strictest only");
    }

    #[test]
    fn only_one_value_or_any() {
        let mut only = Constrained::allow_only("x", 1, source());
        assert!(only.set(2).is_err() && only.set(1).is_ok());
        let mut any = Constrained::allow_any(1);
        any.set(9).unwrap();
        assert_eq!(*any.value(), 9);
    }

    #[test]
    fn the_initial_value_is_judged() {
        let even = |number: &i32| {
            if number % 2 == 0 { Ok(()) } else { Err(Rejection::new("n", number, &[], &source())) }
        };
        assert!(Constrained::new(1, even).is_err());
        assert!(Constrained::new(2, even).is_ok());
    }

    #[test]
    fn normalisers_compose_and_come_before_the_judgement() {
        let mut value = Constrained::normalised(5, |number: i32| number.min(10));
        value.set(50).unwrap();
        assert_eq!(*value.value(), 10);
        let mut value = value.with_normaliser(|number| number + 1).unwrap();
        assert_eq!(*value.value(), 11);
        value.set(50).unwrap();
        assert_eq!(*value.value(), 11, "first the earlier, then the later one");

        let mut listed = Constrained::one_of("n", vec![1, 2], 1, source());
        assert!(listed.set(-2).is_err());
        let mut absolute = listed.with_normaliser(i32::abs).unwrap();
        absolute.set(-2).unwrap();
        assert_eq!(*absolute.value(), 2);
        assert!(
            absolute.clone().with_normaliser(|number| number + 5).is_err(),
            "the current value would be 7"
        );
    }
}
