//! Requirements by themselves: layers of text in, one merged value or an error out.
//!
//! The rows are in `cases/requirements/*.toml`, as `{ name, layers, hostname, expect, err, help, warnings }`. A
//! layer is its text, or `{ from, text }` with `from` one of the kinds in [`source`]. `expect` compares the lines
//! that [`describe`] gives; those not named must not be there unless `partial` is set.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use policies::entry::EntryPath;
use policies::keys::KeyPath;
use policies::layers::LayerSource;
use policies::requirements::{
    Delivery, Matcher, McpIdentity, NetworkRequirement, Requirements, RequirementsContext, RequirementsText,
    RequirementsToml, Severity, Sourced, lint,
};
use policies::{AbsolutePath, NetworkRule};
use serde::Deserialize;

/// One file of rows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

/// One row.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    layers: Vec<LayerText>,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    no_home: bool,
    #[serde(default)]
    partial: bool,
    expect: Option<BTreeMap<String, String>>,
    err: Option<String>,
    help: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

/// A layer of a row.
#[derive(Deserialize)]
#[serde(untagged)]
enum LayerText {
    Plain(String),
    From { from: String, text: String },
}

/// The source of a layer and its folder.
fn source(kind: &str) -> (LayerSource, &'static str) {
    match kind {
        "system" => (LayerSource::RequirementsFile("/etc/codex/requirements.toml".into()), "/etc/codex"),
        "drop-in" => {
            let path = "/etc/codex/requirements.d/10.toml";
            (LayerSource::RequirementsFile(path.into()), "/etc/codex/requirements.d")
        }
        "legacy" => (LayerSource::LegacyManagedFile("/etc/codex/managed_config.toml".into()), "/etc/codex"),
        "legacy-mdm" => (LayerSource::LegacyManagedMdm, "/home/u/.codex"),
        "mdm" => {
            let (domain, key) = ("com.openai.codex".to_owned(), "requirements_toml_base64".to_owned());
            (LayerSource::Mdm { domain, key }, "/home/u/.codex")
        }
        id => (LayerSource::Managed { id: id.to_owned(), name: "Base".to_owned() }, "/home/u/.codex"),
    }
}

impl LayerText {
    fn to_text(&self) -> RequirementsText {
        let (from, text) = match self {
            Self::Plain(text) => ("system", text),
            Self::From { from, text } => (from.as_str(), text),
        };
        let (source, folder) = source(from);
        RequirementsText { source, text: text.clone(), folder: AbsolutePath::parse(folder).unwrap() }
    }
}

fn read(
    texts: &[RequirementsText],
    hostname: &str,
    home: Option<&AbsolutePath>,
) -> Result<Requirements, policies::RequirementsError> {
    Requirements::from_texts(texts, RequirementsContext { hostname, home, account_home: None })
}

/// A system file.
fn system(text: &str) -> RequirementsText {
    LayerText::Plain(text.to_owned()).to_text()
}

fn list<T: Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A value as TOML has it on one line.
fn show(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => format!("{text:?}"),
        toml::Value::Array(items) => format!("[{}]", list(&items.iter().map(show).collect::<Vec<_>>())),
        toml::Value::Table(table) if table.is_empty() => "{}".to_owned(),
        toml::Value::Table(table) => {
            let items = table.iter().map(|(name, value)| format!("{name} = {}", show(value)));
            format!("{{ {} }}", list(&items.collect::<Vec<_>>()))
        }
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Boolean(value) => value.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Datetime(date) => date.to_string(),
    }
}

/// What is required, one line for each value, with its source.
fn describe(requirements: &Requirements) -> BTreeMap<String, String> {
    struct Lines(BTreeMap<String, String>);
    impl Lines {
        fn put<T>(&mut self, key: impl Display, value: &Sourced<T>, show: impl FnOnce(&T) -> String) {
            let source = value.source.to_string().replace("/etc/codex/", "");
            self.0.insert(key.to_string(), format!("{} <- {source}", show(&value.value)));
        }
    }
    let mut lines = Lines(BTreeMap::new());
    let Requirements {
        allowed_approval_policies,
        allowed_approvals_reviewers,
        allowed_sandbox_modes,
        allowed_web_search_modes,
        allowed_permission_profiles,
        default_permissions,
        permissions,
        deny_read,
        network,
        rules,
        mcp_servers,
        features,
        enforce_residency,
        exact,
        others,
        warnings: _,
        layers: _,
    } = requirements;
    allowed_approval_policies.iter().for_each(|it| lines.put("approval", it, |it| list(it)));
    allowed_approvals_reviewers.iter().for_each(|it| lines.put("reviewers", it, |it| list(it)));
    allowed_sandbox_modes.iter().for_each(|it| lines.put("modes", it, |it| list(it)));
    allowed_web_search_modes.iter().for_each(|it| lines.put("web", it, |it| list(it)));
    default_permissions.iter().for_each(|it| lines.put("default", it, Clone::clone));
    enforce_residency.iter().for_each(|it| lines.put("residency", it, ToString::to_string));
    if let Some(catalogue) = allowed_permission_profiles {
        lines.put("catalogue", catalogue, |names| {
            list(&names.iter().map(|(name, on)| format!("{name}={on}")).collect::<Vec<_>>())
        });
    }
    for (name, profile) in permissions {
        lines.put(format!("profile {name}"), profile, |it| {
            format!("{:?} {:?} {:?}", it.extends, it.workspace_roots, it.filesystem)
        });
    }
    for (index, entry) in deny_read.iter().enumerate() {
        lines.put(format!("deny_read {index}"), entry, |it| match it {
            EntryPath::Path(path) => path.to_string(),
            EntryPath::Glob(glob) => format!("glob {glob}"),
            EntryPath::Special { .. } => "special".to_owned(),
        });
    }
    network.iter().for_each(|it| lines.put("network", it, describe_network));
    for (index, set) in rules.iter().enumerate() {
        lines.put(format!("rules {index}"), set, |set| {
            let rule = |rule: &execpolicy::PrefixRule| format!("{} {:?}", rule.program, rule.decision);
            list(&set.prefix.iter().map(rule).collect::<Vec<_>>())
        });
    }
    if let Some(servers) = mcp_servers {
        lines.put("mcp", servers, |servers| {
            list(&servers.iter().map(|(name, it)| format!("{name}: {}", identity(it))).collect::<Vec<_>>())
        });
    }
    features.iter().for_each(|(name, it)| lines.put(format!("feature {name}"), it, ToString::to_string));
    exact.iter().for_each(|(key, it)| lines.put(format!("exact {key}"), it, show));
    others.iter().for_each(|(name, it)| lines.put(format!("other {name}"), it, show));
    lines.0
}

fn describe_network(network: &NetworkRequirement) -> String {
    let rules = |rules: &BTreeMap<String, NetworkRule>| {
        let rule = |(name, rule): (&String, &NetworkRule)| match rule {
            NetworkRule::Allow => format!("+{name}"),
            NetworkRule::Deny => format!("-{name}"),
        };
        rules.iter().map(rule).collect::<Vec<_>>().join(" ")
    };
    let shown = [
        network.enabled.map(|it| format!("enabled={it}")),
        network.http_port.map(|it| format!("http={it}")),
        network.socks_port.map(|it| format!("socks={it}")),
        network.allow_upstream_proxy.map(|it| format!("upstream={it}")),
        network.dangerously_allow_non_loopback_proxy.map(|it| format!("non_loopback={it}")),
        network.dangerously_allow_all_unix_sockets.map(|it| format!("all_sockets={it}")),
        network.domains.as_ref().map(|it| format!("domains={}", rules(it))),
        network.review_domains.as_ref().map(|it| format!("review={}", list(it))),
        network.managed_allowed_domains_only.map(|it| format!("managed_only={it}")),
        network.unix_sockets.as_ref().map(|it| format!("sockets={}", rules(it))),
        network.allow_local_binding.map(|it| format!("local={it}")),
        network.header_injections.as_ref().map(|it| format!("headers={}", show(it))),
    ];
    shown.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn identity(identity: &McpIdentity) -> String {
    let matcher = |matcher: &Matcher| match matcher {
        Matcher::Exact(text) => format!("={text}"),
        Matcher::Prefix(text) => format!("^{text}"),
        Matcher::Regex(regex) => format!("~{}", regex.as_str()),
    };
    match identity {
        McpIdentity::Command { command, args: None } => command.clone(),
        McpIdentity::Command { command, args: Some(args) } => {
            format!("{command} [{}]", args.iter().map(matcher).collect::<Vec<_>>().join(" "))
        }
        McpIdentity::Url(url) => format!("url {}", matcher(url)),
    }
}

/// What is wrong with the outcome of a row, if anything.
fn fault(case: &Case) -> Option<String> {
    let texts: Vec<_> = case.layers.iter().map(LayerText::to_text).collect();
    let home = AbsolutePath::parse("/home/u").unwrap();
    let outcome = read(&texts, &case.hostname, (!case.no_home).then_some(&home));
    match (&outcome, &case.err) {
        (Err(error), Some(expect)) => {
            let (message, help) = (error.to_string(), error.help());
            let is_line = |text: &str| !text.is_empty() && !text.contains('\n') && !text.contains('\x1b');
            let fits = message.contains(expect.as_str())
                && is_line(&message)
                && is_line(&help)
                && case.help.as_ref().is_none_or(|expect| help.contains(expect));
            (!fits).then(|| format!("{message}\nhelp: {help}"))
        }
        (Err(error), None) => Some(error.to_string()),
        (Ok(requirements), Some(_)) => Some(format!("accepted: {:#?}", describe(requirements))),
        (Ok(requirements), None) => {
            let expect = case.expect.clone().unwrap_or_default();
            let mut found = describe(requirements);
            if case.partial {
                found.retain(|key, _| expect.contains_key(key));
            }
            let warnings = &requirements.warnings;
            let fits = found == expect
                && warnings.len() == case.warnings.len()
                && warnings.iter().zip(&case.warnings).all(|(found, expect)| found.contains(expect));
            (!fits).then(|| format!("{found:#?}\nwarnings: {warnings:#?}"))
        }
    }
}

/// The rows of one file.
fn load(file: &str) -> Cases {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/requirements").join(file);
    toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Runs the rows of one file.
fn run(file: &str) {
    let cases = load(file);
    let faults: Vec<String> = cases
        .case
        .iter()
        .filter_map(|case| fault(case).map(|fault| format!("--- {}\n{fault}", case.name)))
        .collect();
    assert!(faults.is_empty(), "{} of {} rows:\n{}", faults.len(), cases.case.len(), faults.join("\n"));
}

#[test]
fn keys() {
    run("keys.toml");
}

#[test]
fn refusals() {
    run("refusals.toml");
}

#[test]
fn merging() {
    run("merging.toml");
}

/// What is accepted, without keys that are not known, fits the types that the JSON Schema comes from.
#[test]
fn accepted_files_fit_the_schema() {
    let cases = load("keys.toml").case.into_iter().chain(load("merging.toml").case);
    let mut checked = 0;
    for case in cases.filter(|case| !case.warnings.iter().any(|warning| warning.contains("unknown key"))) {
        for layer in case.layers.iter().map(LayerText::to_text) {
            if !matches!(layer.source, LayerSource::LegacyManagedFile(_) | LayerSource::LegacyManagedMdm) {
                let read = toml::from_str::<RequirementsToml>(&layer.text);
                assert!(read.is_ok(), "{}: {}", case.name, read.unwrap_err());
                checked += 1;
            }
        }
    }
    assert!(checked > 50);
}

#[test]
fn nothing_required_is_empty_and_anything_else_is_not() {
    let empty = read(&[], "", None).unwrap();
    assert!(empty.is_empty() && empty.layers().is_empty());
    let silent = read(&[system("newer = 1")], "", None).unwrap();
    assert!(silent.is_empty());
    assert_eq!(silent.layers(), [source("system").0]);
    for text in
        ["mcp_servers = {}", "allowed_web_search_modes = []", "experimental_network = {}", "apps = {}"]
    {
        assert!(!read(&[system(text)], "", None).unwrap().is_empty(), "{text}");
    }
}

#[test]
fn a_delivery_is_read_from_the_system_file_only() {
    let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let toml = format!("[delivery]\nfolder = '/var/lib/codex'\npublic_keys = ['{key}']");
    let delivery = Delivery::in_text(&system(&toml)).unwrap().unwrap();
    assert_eq!((delivery.folder.as_str(), delivery.public_keys), ("/var/lib/codex", vec![key.to_owned()]));
    assert_eq!(Delivery::in_text(&system("")), Ok(None));
    for from in ["cloud", "drop-in"] {
        let text = LayerText::From { from: from.to_owned(), text: toml.clone() }.to_text();
        let error = Delivery::in_text(&text).unwrap_err().to_string();
        assert!(error.contains("may only stand in the requirements file of the system"), "{error}");
    }
    assert!(Delivery::in_text(&system("[delivery\n")).is_err());
}

#[test]
fn a_check_lists_all_that_is_wrong_in_the_order_of_the_file() {
    let text = "allowed_sandbox_modes = ['workspace-write']\nallowed_sandbox_mode = 1\n\
                default_permissions = 2\n[windows]\nallow_mxc = 'x'\n[rules]\nprefix_rules = []\n\
                [permissions.a]\nextends = 1\n[permissions.b.filesystem]\n'/x' = 'rw'\n";
    let remarks = lint(&system(text), RequirementsContext { hostname: "", home: None, account_home: None });
    let shown: Vec<_> = remarks
        .iter()
        .map(|remark| {
            assert!(!remark.help.is_empty() && !remark.message.contains('\n'));
            (remark.location.position.as_ref().unwrap().line, remark.severity, remark.message.as_str())
        })
        .collect();
    let expect = [
        (1, Severity::Error, "must contain `read-only`"),
        (2, Severity::Warning, "`allowed_sandbox_mode` is not known and is ignored"),
        (3, Severity::Error, "field `default_permissions` must be a string"),
        (4, Severity::Warning, "`windows` only has an effect on Windows"),
        (5, Severity::Error, "field `windows.allow_mxc` must be"),
        (
            7,
            Severity::Error,
            "invalid rules in requirements (set by /etc/codex/requirements.toml): `prefix_rules` is empty",
        ),
        (9, Severity::Error, "field `permissions.a.extends` must be a string"),
        (11, Severity::Error, "field `permissions.b.filesystem.\"/x\"` must be"),
    ];
    assert_eq!(shown.len(), expect.len(), "{shown:#?}");
    for ((line, severity, message), (expect_line, expect_severity, part)) in shown.iter().zip(expect) {
        assert_eq!((*line, *severity), (expect_line, expect_severity), "{message}");
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_check_says_what_is_not_as_it_seems() {
    let home = AbsolutePath::parse("/home/u").unwrap();
    let rows: [(&str, Severity, &str, &str); 8] = [
        (
            "[permissions.filesystem]\ndeny_read = ['**/.env', 'x', '/y']",
            Severity::Warning,
            "`**/.env` and 1 more is relative",
            "/home/**/.env",
        ),
        ("allowed_permissions = ['x']", Severity::Warning, "old key", "allowed_permission_profiles"),
        (
            "allowed_approval_policies = ['on-failure']",
            Severity::Warning,
            "read as `on-request`",
            "on-request",
        ),
        (
            "allowed_sandbox_modes = ['read-only', 'danger-full-access']\n[permissions.filesystem]\ndeny_read = ['/x']",
            Severity::Warning,
            "`danger-full-access` cannot be used",
            "remove",
        ),
        ("strict = true\nnewer = 1", Severity::Error, "`newer` is not known", "remove the key"),
        ("default_permissions = 'x'", Severity::Error, "there is no `allowed_permission_profiles`", "add"),
        ("a = ", Severity::Error, "invalid TOML", "quotes"),
        (
            "alowed_web_search_modes = []",
            Severity::Warning,
            "not known",
            "did you mean `allowed_web_search_modes`?",
        ),
    ];
    for (text, severity, message, help) in rows {
        let remarks =
            lint(&system(text), RequirementsContext { hostname: "", home: Some(&home), account_home: None });
        let [remark] = remarks.as_slice() else { panic!("{text}: {remarks:#?}") };
        assert_eq!(remark.severity, severity, "{text}");
        assert!(remark.message.contains(message) && remark.help.contains(help), "{text}: {remark:#?}");
        assert!(remark.location.position.is_some(), "{text}");
    }
    let catalogue = "[allowed_permission_profiles]\n':workspace' = false\nw = true\n";
    let remarks =
        lint(&system(catalogue), RequirementsContext { hostname: "", home: None, account_home: None });
    let shown: Vec<_> =
        remarks.iter().map(|it| (it.location.position.as_ref().unwrap().line, &it.message)).collect();
    let [(1, default), (3, profile)] = shown.as_slice() else { panic!("{shown:#?}") };
    assert!(default.contains("has no `default_permissions`") && profile.contains("names `w`"), "{shown:#?}");
    let fine = "allowed_sandbox_modes = ['read-only']\nmcp_servers = {}\n[permissions.filesystem]\ndeny_read = ['~/.ssh']";
    assert_eq!(
        lint(&system(fine), RequirementsContext { hostname: "", home: Some(&home), account_home: None }),
        []
    );
}

/// Large texts made to be slow are read or refused in a moment. Callers let in eight times as much.
#[test]
fn large_texts_take_a_moment() {
    const BYTES: usize = 1 << 17;
    let fill = |head: &str, piece: &dyn Fn(usize) -> String, tail: &str| {
        let mut text = head.to_owned();
        let mut index = 0;
        while text.len() < BYTES - 200 {
            text += &piece(index);
            index += 1;
        }
        text + tail
    };
    let texts = [
        fill("", &|index| format!("k{index} = 1\n"), ""),
        fill("[permissions.filesystem]\ndeny_read = [", &|index| format!("'/srv/{index}',"), "]"),
        fill("[permissions.filesystem]\ndeny_read = [", &|index| format!("'/s/{index}/*',"), "]"),
        fill("[mcp_servers]\n", &|index| format!("s{index} = {{ identity = {{ command = 'x' }} }}\n"), ""),
        fill(
            "[mcp_servers]\n",
            &|index| {
                format!(
                    "s{index} = {{ identity = {{ url = {{ match = 'regex', expression = '\\pL{{50}}' }} }} }}\n"
                )
            },
            "",
        ),
        fill("[experimental_network.domains]\n", &|index| format!("'h{index}' = 'allow'\n"), ""),
        fill("[features]\n", &|index| format!("f{index} = true\n"), ""),
        fill("[auto_review]\nrequired_on_models = [", &|index| format!("'{index}',"), "]"),
        fill("", &|index| format!("[permissions.p{index}.filesystem]\n'/' = 'x'\n"), ""),
        fill(
            "",
            &|_| {
                "[[remote_sandbox_config]]\nhostname_patterns = ['*a*a*a*b']\nallowed_sandbox_modes = ['read-only']\n".to_owned()
            },
            "",
        ),
    ];
    let home = AbsolutePath::parse("/home/u").unwrap();
    let context = RequirementsContext { hostname: &"a".repeat(64), home: Some(&home), account_home: None };
    for text in texts {
        let started = std::time::Instant::now();
        let layers =
            [system(&text), LayerText::From { from: "cloud".to_owned(), text: text.clone() }.to_text()];
        let outcome = Requirements::from_texts(&layers, context);
        let remarks = lint(&layers[0], context);
        assert_eq!(outcome.is_err(), remarks.iter().any(|remark| remark.severity == Severity::Error));
        assert!(started.elapsed().as_secs() < 60, "{:?} for {text:.80}", started.elapsed());
    }
}

/// What a key of the configuration is called here is what it is called there.
#[test]
fn exact_values_are_found_by_their_config_key() {
    let requirements = read(&[system("[feedback]\nenabled = false")], "", None).unwrap();
    let value = &requirements.exact[&KeyPath::new(["feedback", "enabled"])];
    assert_eq!(value.value, toml::Value::Boolean(false));
}
