//! JSON Schema documents out of types, in the form that editors of TOML take, and that fits JSON in which what is absent
//! is left out.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value as Json;

/// The schema of a file, draft 2020-12. It has no `$id`, so that it means the same wherever it is put.
pub fn document<T: JsonSchema>() -> Json {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(for_toml));
    sorted(settings.into_generator().into_root_schema_for::<T>().to_value())
}

/// Takes out what TOML has no words for: `null`, which only stands for a key that is not there, and the widths of
/// numbers, which are in `minimum` and `maximum` too. Descriptions lose the line breaks of our comments.
fn for_toml(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    object.retain(|key, value| match key.as_str() {
        "default" => !value.is_null(),
        "format" => !value.as_str().is_some_and(|format| format.starts_with("uint")),
        _ => true,
    });
    if let Some(Json::String(description)) = object.get_mut("description") {
        *description = description.replace('\n', " ");
    }
    if let Some(one) = object.get_mut("type").and_then(|types| only(types, |kind| kind == "null")) {
        object.insert("type".to_owned(), one);
    }
    let is_null = |schema: &Json| schema.get("type").is_some_and(|kind| kind == "null");
    if let Some(Json::Object(one)) = object.get_mut("anyOf").and_then(|any| only(any, is_null)) {
        object.remove("anyOf");
        object.extend(one);
    }
}

/// Takes the null out of a list, and answers with what is left if that is one.
fn only(list: &mut Json, is_null: impl Fn(&Json) -> bool) -> Option<Json> {
    let list = list.as_array_mut()?;
    let length = list.len();
    list.retain(|item| !is_null(item));
    match list.as_slice() {
        [one] if length == 2 => Some(one.clone()),
        _ => None,
    }
}

/// With keys in alphabetical order, whatever the features of the JSON library are.
fn sorted(value: Json) -> Json {
    match value {
        Json::Object(object) => {
            let mut entries: Vec<(String, Json)> = object.into_iter().collect();
            entries.sort_by(|left, right| left.0.cmp(&right.0));
            Json::Object(entries.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        Json::Array(list) => list.into_iter().map(sorted).collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => value,
    }
}
