//! One layer, read and checked by itself.

use execpolicy::RuleSet;
use execpolicy::requirements_rules::from_toml;
use toml::Table;

use crate::keys::KeyPath;
use crate::layers::LayerSource;
use crate::location::{Anchor, Location, Position};
use crate::reader::TableNode;
use crate::requirements::RequirementsContext;
use crate::requirements::delivery_table;
use crate::requirements::deny_read::Base;
use crate::requirements::error::RequirementsError;
use crate::requirements::known::{UnknownKey, unknown_keys};
use crate::requirements::text::RequirementsText;
use crate::requirements::values::Values;
use crate::toml_text::parse_table;

/// What a layer says.
#[derive(Debug)]
pub(crate) struct RequirementsLayer {
    /// Where it comes from.
    pub(crate) source: LayerSource,
    /// Its keys.
    pub(crate) values: Values,
    /// Its rules; `None` without any.
    pub(crate) rules: Option<RuleSet>,
    /// Keys without a meaning, with whether they are errors left open.
    pub(crate) unknown: Vec<UnknownKey>,
    /// What the administrator should know besides, one sentence each, safe to print.
    pub(crate) warnings: Vec<String>,
}

/// The text as TOML.
pub(crate) fn parse(text: &RequirementsText) -> Result<Table, RequirementsError> {
    parse_table(&text.text).map_err(|error| {
        let position = error.span.map(|span| Position::at(&text.text, span.start));
        let location = Location { source: text.source.clone(), position };
        RequirementsError::Syntax { location, message: error.message }
    })
}

/// Whether the text is a configuration that counts as requirements too.
pub(crate) fn is_legacy(source: &LayerSource) -> bool {
    matches!(source, LayerSource::LegacyManagedFile(_) | LayerSource::LegacyManagedMdm)
}

impl RequirementsLayer {
    /// Reads a layer, and all that is wrong with it as far as one problem does not hide another. With problems it
    /// must not be used. Of the problems with values, not more than `most` are looked up, which reads the text
    /// again for each.
    pub(crate) fn read(
        text: &RequirementsText,
        context: RequirementsContext<'_>,
        most: usize,
    ) -> Result<(Self, Vec<RequirementsError>), RequirementsError> {
        let table = parse(text)?;
        let base = Base { folder: &text.folder, home: context.home, account_home: context.account_home };
        let mut layer = Self {
            source: text.source.clone(),
            values: Values::default(),
            rules: None,
            unknown: Vec::new(),
            warnings: Vec::new(),
        };
        let in_text = |mismatch| RequirementsError::in_text(text, mismatch);
        if is_legacy(&text.source) {
            let (values, problems) = Values::read_legacy(&table, base);
            layer.values = values;
            return Ok((layer, problems.into_iter().take(most).map(in_text).collect()));
        }
        let (values, mut problems) = Values::read(&table, base, context.hostname);
        layer.values = values;
        let top = TableNode::top(&table);
        let misplaced = top.get("delivery").and_then(|node| delivery_table::check_source(&node, text).err());
        // Before what is wrong with the table, which is to go anyway.
        problems.splice(0..0, misplaced);
        let mut problems: Vec<_> = problems.into_iter().take(most).map(in_text).collect();
        layer.unknown = unknown_keys(&table);
        layer.warnings.extend(table.contains_key("windows").then(|| no_windows(text)));
        match layer.read_rules(text, &table) {
            Ok(()) => {}
            Err(error) => problems.push(error),
        }
        Ok((layer, problems))
    }

    /// Reads `[rules]`.
    fn read_rules(&mut self, text: &RequirementsText, table: &Table) -> Result<(), RequirementsError> {
        if !table.contains_key("rules") {
            return Ok(());
        }
        let read = from_toml(&text.source.to_string(), &text.text).map_err(|error| {
            RequirementsError::Rules { layer: text.source.clone(), error: Box::new(error) }
        })?;
        self.rules = Some(read.rules);
        self.unknown.extend(read.unknown_keys.into_iter().map(UnknownKey::of_rules));
        Ok(())
    }
}

/// That limits of another system limit nothing here, though their administrator may count on them.
fn no_windows(text: &RequirementsText) -> String {
    let position = Position::of_key(&text.text, &KeyPath::new(["windows"]), Anchor::Key);
    let location = Location { source: text.source.clone(), position };
    format!("{location}: `windows` only has an effect on Windows")
}
