//! Layers of configuration and how they combine.
//!
//! A layer is one file or one command-line setting. Tables merge key by key, anything else is replaced by the
//! higher layer. Which layers exist and in what order is `config.rs`; further kinds of layer only need a
//! [`LayerSource`].

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::{Table, Value};

use crate::display::{escape, escape_short};
use crate::hidden;
use crate::keys::KeyPath;
use crate::location::{Anchor, Location};
use crate::source_text::SourceText;

/// Where a layer of configuration or of requirements comes from. Displayed as messages name it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum LayerSource {
    /// `config.toml` of the system folder.
    SystemFile(PathBuf),
    /// `config.toml` of the config home.
    UserFile(PathBuf),
    /// `NAME.config.toml` of the config home.
    ProfileFile(PathBuf),
    /// `.codex/config.toml` in a repository: it can only narrow (I10).
    ProjectFile(PathBuf),
    /// `-c`, as typed.
    Override(String),
    /// Another option that was typed, with its value.
    Flag(String),
    /// `managed_config.toml` of the system folder: the highest layer of configuration, and requirements.
    LegacyManagedFile(PathBuf),
    /// The same text from device management.
    LegacyManagedMdm,
    /// `requirements.toml` of the system folder, or another file of an administrator.
    RequirementsFile(PathBuf),
    /// Requirements that a managed source delivers.
    Managed {
        /// Its key with the source.
        id: String,
        /// For people.
        name: String,
    },
    /// Requirements from a preference of device management.
    Mdm {
        /// The preference domain.
        domain: String,
        /// The preference.
        key: String,
    },
}

impl LayerSource {
    /// Whether the person who runs this command typed it just now.
    pub fn is_command_line(&self) -> bool {
        matches!(self, Self::Override(_) | Self::Flag(_))
    }

    /// Whether the repository wrote it.
    pub fn is_project(&self) -> bool {
        matches!(self, Self::ProjectFile(_))
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::SystemFile(path)
            | Self::UserFile(path)
            | Self::ProfileFile(path)
            | Self::ProjectFile(path)
            | Self::LegacyManagedFile(path)
            | Self::RequirementsFile(path) => Some(path),
            Self::Override(_)
            | Self::Flag(_)
            | Self::LegacyManagedMdm
            | Self::Managed { .. }
            | Self::Mdm { .. } => None,
        }
    }

    /// As a report names it: without what was typed of a value that may be a secret.
    pub(crate) fn in_report(&self) -> String {
        match self {
            Self::Override(text) => format!("-c {}", hidden::typed(text)),
            Self::SystemFile(_)
            | Self::UserFile(_)
            | Self::ProfileFile(_)
            | Self::ProjectFile(_)
            | Self::Flag(_)
            | Self::LegacyManagedFile(_)
            | Self::LegacyManagedMdm
            | Self::RequirementsFile(_)
            | Self::Managed { .. }
            | Self::Mdm { .. } => self.to_string(),
        }
    }

    /// The folder that relative paths of the layer start from; `None` means the working directory for an
    /// override, and the config home for what device management or a managed source delivers.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.file().and_then(Path::parent)
    }
}

impl fmt::Display for LayerSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SystemFile(path)
            | Self::UserFile(path)
            | Self::ProfileFile(path)
            | Self::ProjectFile(path)
            | Self::LegacyManagedFile(path)
            | Self::RequirementsFile(path) => formatter.write_str(&escape(path)),
            Self::Override(text) => write!(formatter, "-c {}", escape_short(text)),
            Self::Flag(text) => formatter.write_str(&escape_short(text)),
            Self::LegacyManagedMdm => formatter.write_str("MDM managed_config.toml (legacy)"),
            Self::Managed { id, name } => {
                write!(
                    formatter,
                    "enterprise-managed requirements {} ({})",
                    escape_short(name),
                    escape_short(id)
                )
            }
            Self::Mdm { domain, key } => {
                write!(formatter, "MDM {}:{}", escape_short(domain), escape_short(key))
            }
        }
    }
}

/// One layer.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Where it comes from.
    pub source: LayerSource,
    /// What it says.
    pub table: Table,
    /// The TOML it was read from, to point into; `None` for an override.
    text: Option<Arc<SourceText>>,
}

impl Layer {
    /// A layer without a text.
    pub fn new(source: LayerSource, table: Table) -> Self {
        Self { source, table, text: None }
    }

    /// A layer read from a TOML text.
    pub fn with_text(source: LayerSource, table: Table, text: String) -> Self {
        Self { source, table, text: Some(Arc::new(SourceText::new(text))) }
    }

    /// Whether this layer sets a key.
    pub(crate) fn sets<Part: AsRef<str>>(&self, key: &[Part]) -> bool {
        matches!(self.look_up(key), Reach::Set)
    }

    /// The same layer, saying something else; places are still those of its text.
    pub(crate) fn with_table(self, table: Table) -> Self {
        Self { table, ..self }
    }

    /// How long the text is that it was read from.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text.as_ref().map_or(0, |text| text.len())
    }

    /// Where a key stands in this layer.
    pub(crate) fn locate(&self, key: &KeyPath, anchor: Anchor) -> Location {
        let position = self.text.as_ref().and_then(|text| text.of_key(key, anchor));
        Location { source: self.source.clone(), position }
    }

    /// What this layer says about a key.
    fn look_up<Part: AsRef<str>>(&self, key: &[Part]) -> Reach {
        let mut table = &self.table;
        let mut parts = key.iter().peekable();
        while let Some(part) = parts.next() {
            match table.get(part.as_ref()) {
                None => return Reach::Absent,
                Some(_) if parts.peek().is_none() => return Reach::Set,
                Some(Value::Table(inner)) => table = inner,
                Some(_) => return Reach::Replaced,
            }
        }
        Reach::Absent
    }
}

/// What a layer says about a key.
enum Reach {
    /// It has the key.
    Set,
    /// It has a plain value where the key would need a table, which hides all lower layers.
    Replaced,
    /// Nothing.
    Absent,
}

/// All layers, lowest precedence first.
#[derive(Clone, Debug, Default)]
pub struct Layers(Vec<Layer>);

impl Layers {
    /// From layers in order, lowest precedence first.
    pub fn new(layers: impl IntoIterator<Item = Layer>) -> Self {
        Self(layers.into_iter().collect())
    }

    /// The layers, lowest precedence first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Layer> {
        self.0.iter()
    }

    /// Adds a layer above all others.
    pub(crate) fn push(&mut self, layer: Layer) {
        self.0.push(layer);
    }

    /// All layers as one table.
    pub fn merged(&self) -> Table {
        let mut merged = Table::new();
        for layer in &self.0 {
            merge(&mut merged, &layer.table);
        }
        merged
    }

    /// The layer that the value of a key comes from: the highest that sets it, unless one above replaced a table
    /// around it. For a table, the highest layer with any of it.
    pub fn origin_of<Part: AsRef<str>>(&self, key: &[Part]) -> Option<&LayerSource> {
        self.origin_layer(key).map(|layer| &layer.source)
    }

    /// The value of a key in the highest layer that sets it.
    pub fn value_of(&self, key: &KeyPath) -> Option<&Value> {
        let table = &self.origin_layer(key.parts())?.table;
        let (last, parents) = key.parts().split_last()?;
        let inner = parents.iter().try_fold(table, |table, part| table.get(part)?.as_table())?;
        inner.get(last)
    }

    /// Where the value of a key stands.
    pub fn locate(&self, key: &KeyPath, anchor: Anchor) -> Option<Location> {
        self.origin_layer(key.parts()).map(|layer| layer.locate(key, anchor))
    }

    /// As [`Self::origin_of`].
    fn origin_layer<Part: AsRef<str>>(&self, key: &[Part]) -> Option<&Layer> {
        for layer in self.0.iter().rev() {
            match layer.look_up(key) {
                Reach::Set => return Some(layer),
                Reach::Replaced => return None,
                Reach::Absent => {}
            }
        }
        None
    }
}

/// Lays `over` on `base`: tables merge, anything else is replaced. Recursion is as deep as the tables, which the parsers limit.
pub(crate) fn merge(base: &mut Table, over: &Table) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(texts: &[&str]) -> Layers {
        Layers::new(texts.iter().enumerate().map(|(index, text)| {
            let source = LayerSource::UserFile(format!("/layer{index}").into());
            Layer::with_text(source, text.parse().unwrap(), (*text).to_owned())
        }))
    }

    #[test]
    fn tables_merge_and_everything_else_is_replaced() {
        let rows: [(&[&str], &str); 7] = [
            (&[], ""),
            (&["a = 1"], "a = 1"),
            (&["a = 1\nb = 2", "a = 3"], "a = 3\nb = 2"),
            (&["[t]\na = 1\nb = 1", "[t]\nb = 2\n[t.c]\nd = 3"], "[t]\na = 1\nb = 2\n[t.c]\nd = 3"),
            (&["a = [1, 2]", "a = [3]"], "a = [3]"),
            (&["[t]\na = 1", "t = 2"], "t = 2"),
            (&["t = 2", "[t]\na = 1", "[t]\nb = 1"], "[t]\na = 1\nb = 1"),
        ];
        for (texts, expect) in rows {
            assert_eq!(layers(texts).merged(), expect.parse::<Table>().unwrap(), "{texts:?}");
        }
    }

    #[test]
    fn every_leaf_has_an_origin() {
        let layers = layers(&["a = 1\n[t]\nx = 1\ny = 1\n[u]\nz = 1", "[t]\ny = 2", "u = 3\n[t]\nw = {}"]);
        let rows: [(&[&str], Option<&str>); 8] = [
            (&["a"], Some("/layer0")),
            (&["t", "x"], Some("/layer0")),
            (&["t", "y"], Some("/layer1")),
            (&["t"], Some("/layer2")),
            (&["u"], Some("/layer2")),
            (&["u", "z"], None),
            (&["missing"], None),
            (&[], None),
        ];
        for (key, expect) in rows {
            let origin = layers.origin_of(key).map(ToString::to_string);
            assert_eq!(origin.as_deref(), expect, "{key:?}");
        }
    }

    #[test]
    fn a_leaf_is_located_in_the_layer_that_decides_it() {
        let layers = layers(&["[t]\ny = 1", "# comment\n[t]\n  y = 2"]);
        let location = layers.locate(&KeyPath::new(["t", "y"]), Anchor::Value).unwrap();
        assert_eq!(location.to_string(), "`/layer1:3:7`: `y = 2`");
    }
}
