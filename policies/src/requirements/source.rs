//! Which layers a required value comes from.

use std::fmt;

use crate::layers::LayerSource;

/// The layers that set a value, highest first. Displayed as messages name it: the layer, a list of layers, or
/// `<unspecified>`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RequirementSource(pub Vec<LayerSource>);

/// A required value.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Who set it.
    pub source: RequirementSource,
}

impl From<LayerSource> for RequirementSource {
    fn from(source: LayerSource) -> Self {
        Self(vec![source])
    }
}

impl fmt::Display for RequirementSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => formatter.write_str("<unspecified>"),
            [one] => one.fmt(formatter),
            several => {
                formatter.write_str("requirements layers: ")?;
                for (index, source) in several.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(formatter, "{separator}{source}")?;
                }
                Ok(())
            }
        }
    }
}
