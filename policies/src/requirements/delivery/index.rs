//! The list of the layers in a folder of signed requirements.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use super::error::DeliveryError;
use super::{INDEX, MAX_LAYERS};
use crate::display::escape_short;
use crate::layers::LayerSource;
use crate::location::{Location, Position};
use crate::toml_text::parse_table;

/// `index.toml`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Index {
    /// Counts the deliveries, so that people can tell which one is in force.
    pub(super) serial: u64,
    /// Lowest precedence first.
    pub(super) layers: Vec<IndexEntry>,
}

/// One layer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct IndexEntry {
    /// The plain name of a file beside the index.
    pub(super) file: String,
    /// Its SHA-256 digest in hexadecimal.
    pub(super) sha256: String,
}

impl Index {
    /// Reads an index that has been verified.
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, DeliveryError> {
        let invalid = |position, problem| DeliveryError::Index {
            location: Box::new(Location { source: LayerSource::RequirementsFile(path.to_owned()), position }),
            problem,
        };
        // The first bounds how deep it nests; the second knows where a wrong value stands.
        let syntax = parse_table(text).err().map(|error| (error.span, error.message));
        let read = syntax.map_or_else(
            || toml::from_str::<Self>(text).map_err(|error| (error.span(), error.message().to_owned())),
            Err,
        );
        let index = read
            .map_err(|(span, problem)| invalid(span.map(|span| Position::at(text, span.start)), problem))?;
        index.check().map_err(|problem| invalid(None, problem))?;
        Ok(index)
    }

    /// What types do not tell.
    fn check(&self) -> Result<(), String> {
        if self.layers.len() > MAX_LAYERS {
            return Err(format!("more than {MAX_LAYERS} layers"));
        }
        let mut names = BTreeSet::new();
        for IndexEntry { file, .. } in &self.layers {
            let has_stem = file.strip_suffix(".toml").is_some_and(|stem| !stem.is_empty());
            if !has_stem || file.contains(['/', '\0']) || file == INDEX {
                return Err(format!("`{}` is not the plain name of a layer `NAME.toml`", escape_short(file)));
            }
            if !names.insert(file) {
                return Err(format!("`{}` is listed twice", escape_short(file)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Index, String> {
        Index::parse(text, Path::new("/d/index.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn layers_are_listed_in_order() {
        let index = parse(
            "serial = 3\nlayers = [{ file = 'b.toml', sha256 = '00' }, { file = 'a.toml', sha256 = '11' }]",
        );
        let names: Vec<String> = index.unwrap().layers.into_iter().map(|entry| entry.file).collect();
        assert_eq!(names, ["b.toml", "a.toml"]);
        assert_eq!(parse("serial = 0\nlayers = []"), Ok(Index { serial: 0, layers: Vec::new() }));
        assert!(parse("serial = 1\n[[layers]]\nfile = '..toml'\nsha256 = ''").is_ok());
    }

    #[test]
    fn anything_else_is_an_error() {
        let layer = |file: &str| format!("serial = 1\nlayers = [{{ file = \"{file}\", sha256 = '' }}]");
        let many = "{ file = 'a.toml', sha256 = '' },".repeat(MAX_LAYERS + 1);
        let rows = [
            (String::new(), "missing field `serial`"),
            ("serial = 1".to_owned(), "missing field `layers`"),
            ("layers = []".to_owned(), "missing field `serial`"),
            ("serial = -1\nlayers = []".to_owned(), "index.toml:1:10`: `serial = -1`: "),
            ("serial = '1'\nlayers = []".to_owned(), "invalid type: string"),
            ("serial = 1\nlayers = []\nlayer = []".to_owned(), "unknown field `layer`"),
            ("serial = 1\nlayers = [{ file = 'a.toml' }]".to_owned(), "missing field `sha256`"),
            ("serial = ".to_owned(), "index.toml:1:"),
            (layer("../a.toml"), "`../a.toml` is not the plain name of a layer `NAME.toml`"),
            (layer("/a.toml"), "not the plain name"),
            (layer("b/a.toml"), "not the plain name"),
            (layer(".."), "not the plain name"),
            (layer(".toml"), "not the plain name"),
            (layer("a.txt"), "not the plain name"),
            (layer("a.TOML"), "not the plain name"),
            (layer("a\\u0000.toml"), "not the plain name"),
            (layer("index.toml"), "not the plain name"),
            (layer("a.toml', sha256 = ''}, {file = 'a.toml").replace('"', "'"), "`a.toml` is listed twice"),
            (format!("serial = 1\nlayers = [{many}]"), "more than 256 layers"),
        ];
        for (text, expect) in rows {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(expect), "{text}: {error}");
        }
    }
}
