//! The schemas at the top of the repository, which editors complete and check configuration with, are those of the
//! types, and say of whole files what the readers say.
//!
//! After a change of the types: `UPDATE_SCHEMAS=1 cargo test -p policies --test schemas`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::fs;
use std::path::PathBuf;

use jsonschema::Validator;
use policies::config_schema;
use policies::requirements::requirements_schema;
use serde_json::Value as Json;

/// Set, the files are written instead of compared.
const UPDATE: &str = "UPDATE_SCHEMAS";

fn check(name: &str, schema: &Json) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../schemas").join(name);
    let text = serde_json::to_string_pretty(schema).unwrap() + "\n";
    if std::env::var_os(UPDATE).is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        return;
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == text,
        "`schemas/{name}` is not what the types say: run `{UPDATE}=1 cargo test -p policies --test schemas`, and check it in"
    );
}

#[test]
fn files_are_those_of_the_types() {
    check("config.schema.json", &config_schema());
    check("requirements.schema.json", &requirements_schema());
}

/// TOML as JSON; dates become text.
fn json(toml: &str) -> Json {
    fn convert(value: toml::Value) -> Json {
        match value {
            toml::Value::Table(table) => {
                table.into_iter().map(|(key, value)| (key, convert(value))).collect()
            }
            toml::Value::Array(list) => list.into_iter().map(convert).collect(),
            toml::Value::Datetime(date) => Json::from(date.to_string()),
            value @ (toml::Value::String(_)
            | toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)) => serde_json::to_value(value).unwrap(),
        }
    }
    convert(toml::Value::Table(toml.parse().unwrap_or_else(|error| panic!("{toml}\n{error}"))))
}

fn problems(validator: &Validator, toml: &str) -> Vec<String> {
    validator.iter_errors(&json(toml)).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// The rows of the table tests of requirements: the texts of files of the system and of delivered layers, and
/// whether keys that are not known are the point of the row.
fn rows(file: &str) -> Vec<(String, Vec<String>, bool)> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases/requirements").join(file);
    let table: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
    let rows = table["case"].as_array().unwrap().iter();
    rows.map(|row| {
        let layers = row["layers"].as_array().unwrap().iter();
        let texts = layers.filter_map(|layer| match layer.get("from").and_then(toml::Value::as_str) {
            // They are configuration.
            Some("legacy" | "legacy-mdm") => None,
            Some(_) => layer["text"].as_str(),
            None => layer.as_str(),
        });
        let is_unknown = |text: &toml::Value| text.as_str().is_some_and(|text| text.contains("unknown key"));
        let warnings = row.get("warnings").and_then(toml::Value::as_array).into_iter().flatten();
        let unknown = warnings.chain(row.get("err")).any(is_unknown);
        (row["name"].as_str().unwrap().to_owned(), texts.map(str::to_owned).collect(), unknown)
    })
    .collect()
}

#[test]
fn accepted_requirements_are_valid() {
    let validator = jsonschema::draft202012::new(&requirements_schema()).unwrap();
    let mut checked = 0;
    for (name, texts, unknown) in rows("keys.toml").into_iter().chain(rows("merging.toml")) {
        for text in texts {
            let problems = problems(&validator, &text);
            assert!(unknown || problems.is_empty(), "{name}\n{text}\n{problems:#?}");
            checked += usize::from(!unknown);
        }
    }
    assert!(checked > 70, "{checked}");
}

#[test]
fn refused_requirements_are_not_valid() {
    let validator = jsonschema::draft202012::new(&requirements_schema()).unwrap();
    let refused = [
        "allowed_approval_policies = []",
        "allowed_approval_policies = 'never'",
        "allowed_approval_policies = ['always']",
        "allowed_approval_policies = [{ granular = { rules = true } }]",
        "allowed_approvals_reviewers = ['model']",
        "allowed_sandbox_modes = ['workspace-write']",
        "allowed_sandbox_modes = ['read-only', 'workspace']",
        "allowed_sandbox_mode = ['read-only']",
        "remote_sandbox_config = [{ hostname_patterns = ['a'] }]",
        "allowed_permission_profiles = ['a']",
        "[permissions.filesystem]\ndeny_read = '/a'",
        "[permissions.filesystem]\nextends = ':workspace'",
        "[permissions.w.filesystem]\n'/a' = 'rw'",
        "[experimental_network]\nhttp_port = 70000",
        "[experimental_network]\ndomains = { a = 'maybe' }",
        "allowed_web_search_modes = ['always']",
        "[rules]\nprefix_rules = []",
        "[rules]\nprefix_rules = [{ pattern = [{ token = 'a' }], decision = 'allow' }]",
        "[rules]\nprefix_rules = [{ pattern = [{ token = 'a', any_of = ['b'] }], decision = 'prompt' }]",
        "[mcp_servers.a]\nidentity = {}",
        "[mcp_servers.a]\nidentity = { url = { match = 'suffix', value = 'x' } }",
        "features = { a = 'on' }",
        "enforce_residency = 'moon'",
        "strict = 'yes'",
        "[delivery]\nfolder = '/x'",
        "[delivery]\nfolder = '/x'\npublic_keys = []\nserial = 1",
        "[windows]\nallowed_sandbox_implementations = []",
    ];
    for toml in refused {
        assert!(!problems(&validator, toml).is_empty(), "{toml}");
    }
    // Of the rows that the reader refuses, the schema refuses those that are wrong by themselves, in form.
    let all = rows("refusals.toml");
    let caught = all.iter().filter(|(_, texts, _)| {
        let parses = |text: &&String| text.parse::<toml::Table>().is_ok();
        texts.iter().filter(parses).any(|text| !problems(&validator, text).is_empty())
    });
    let caught = caught.count();
    assert!(caught * 5 > all.len() * 2, "{caught} of {}", all.len());
}

#[test]
fn the_files_of_the_documentation_are_valid() {
    let documents = [
        ("configuration.md", jsonschema::draft202012::new(&config_schema()).unwrap()),
        ("profiles.md", jsonschema::draft202012::new(&config_schema()).unwrap()),
        ("requirements.md", jsonschema::draft202012::new(&requirements_schema()).unwrap()),
    ];
    for (name, validator) in documents {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
        let text = fs::read_to_string(path).unwrap();
        let blocks: Vec<&str> = text
            .split("```toml\n")
            .skip(1)
            .map(|rest| rest.split_once("\n```").unwrap().0)
            // The index of a delivery is another file.
            .filter(|block| !block.contains("serial ="))
            .collect();
        assert!(!blocks.is_empty(), "{name}");
        for block in blocks {
            let problems = problems(&validator, block);
            assert!(problems.is_empty(), "{name}\n{block}\n{problems:#?}");
        }
    }
}
