//! Requirements only narrow (I3), for generated texts of configuration and requirements: what holds is never
//! something that the requirements refuse, and one requirement more never permits more.
//!
//! One requirement more is a further key, a further place in `deny_read`, a further rule, or an element less in a
//! list of what is allowed, in the same layer. A higher *layer* that replaces the list of a lower one may well
//! allow more: it is the higher authority. Where the value that holds is taken from a list, the documented
//! fallback follows, which is compared with what would hold without requirements.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[path = "narrow_only/generate.rs"]
mod generate;
mod permitted;

use std::collections::BTreeSet;

use execpolicy::{Limits, Policy, Resolution, Sandboxing, WritableRoots};
use generate::{Configured, Required, configured, required};
use permitted::{Permitted, TMPDIR, places, restricted};
use policies::effective::{ProfileError, ValueOrigin};
use policies::layers::{Layer, LayerSource, Layers};
use policies::requirements::{RequirementsText, SandboxModeLimit};
use policies::{
    AbsolutePath, Access, ApprovalPolicy, Asked, Config, EffectivePolicy, EntryPath, Granular, KeyPath,
    PermissionProfile, Project, ProjectProfile, Purpose, Requirements, RequirementsContext, SandboxMode,
    SessionRequest, SpecialPath, Trust, WebSearchMode, parse_override,
};
use proptest::prelude::*;
use proptest::sample::select;

const PURPOSES: [Purpose; 2] = [Purpose::Session, Purpose::Sandbox];

/// Paths to ask about: all that the generated texts name, what is below, and what is beside.
const PROBES: [&str; 34] = [
    "/",
    "/etc",
    "/etc/x",
    "/etc/codex/keys",
    "/etc/codex/keys/k",
    "/usr",
    "/usr/lib",
    "/bin/x",
    "/home/u",
    "/home/u/x/y",
    "/home/u/.ssh",
    "/home/u/.ssh/id",
    "/tmp",
    "/tmp/x",
    TMPDIR,
    "/tmp/codex-t/x",
    "/srv",
    "/srv/x",
    "/srv/x/y",
    "/srv/a.pem",
    "/srv/data",
    "/srv/data/a",
    "/srv/data/a.pem",
    "/srv/data/b/c.pem",
    "/srv/data/secrets",
    "/srv/data/secrets/k",
    "/srv/secrets",
    "/srv/secrets/x",
    "/w",
    "/w/src/a",
    "/w/.env",
    "/w/src/.env",
    "/w/docs",
    "/w/docs/a",
];

/// Commands to ask about.
const COMMANDS: [&[&str]; 7] = [
    &["git", "push", "origin"],
    &["/usr/bin/git", "push"],
    &["git", "status"],
    &["rm", "-rf", "x"],
    &["ls", "-l"],
    &["bash", "-lc", "ls && curl https://a.test/"],
    &["cargo", "test"],
];

/// Rules of a person, all of which loosen.
const LOOSE: &str =
    "prefix_rule(pattern=[[\"git\", \"rm\", \"ls\", \"curl\", \"cargo\"]], decision=\"allow\")\n";

fn absolute(path: &str) -> AbsolutePath {
    AbsolutePath::parse(path).unwrap()
}

fn file_layer(source: LayerSource, text: &str) -> Layer {
    Layer::with_text(source, text.parse().unwrap(), text.to_owned())
}

fn config(configured: &Configured) -> Config {
    let (cwd, home) = (absolute("/w"), absolute("/home/u"));
    let user = file_layer(LayerSource::UserFile("/home/u/.codex/config.toml".into()), &configured.user);
    let typed = configured.typed.iter().map(|text| parse_override(text).unwrap());
    let read = |layers| Config::from_layers(layers, &cwd, Some(&home)).unwrap();
    let mut config = read(Layers::new(std::iter::once(user.clone()).chain(typed)));
    let trust = match configured.trust {
        None => Trust::Unlisted,
        Some(true) => Trust::Trusted(None),
        Some(false) => Trust::Untrusted(None),
    };
    let is_recorded = trust != Trust::Unlisted;
    config.project = Some(Project { root: cwd.clone(), cwd: cwd.clone(), trust, is_recorded });
    if let Some((text, default)) = &configured.repository {
        let layer = file_layer(LayerSource::ProjectFile("/w/.codex/config.toml".into()), text);
        config.project_profiles = vec![ProjectProfile {
            permissions: read(Layers::new([user, layer.clone()])).permissions,
            default_permissions: default.map(str::to_owned),
            layer,
        }];
    }
    config
}

/// Layers of requirements, lowest first. What is no requirement by its own rules is none here either.
fn requirements(layers: &[&Required]) -> Option<Requirements> {
    let text = |(index, layer): (usize, &&Required)| RequirementsText {
        source: LayerSource::RequirementsFile(format!("/etc/codex/requirements.d/{index}.toml").into()),
        text: layer.to_text(),
        folder: absolute("/etc/codex"),
    };
    let texts: Vec<_> = layers.iter().enumerate().map(text).collect();
    let context =
        RequirementsContext { hostname: "build-7", home: Some(&absolute("/home/u")), account_home: None };
    Requirements::from_texts(&texts, context).ok()
}

fn any_asked() -> impl Strategy<Value = Option<Asked>> {
    let names = ["p", "q", "m", ":read-only", ":workspace", ":danger-full-access"];
    let modes = [SandboxMode::ReadOnly, SandboxMode::WorkspaceWrite, SandboxMode::DangerFullAccess];
    prop_oneof![
        3 => Just(None),
        2 => select(names.to_vec()).prop_map(|name| Some(Asked::Named(name.to_owned()))),
        1 => select(modes.to_vec()).prop_map(|mode| Some(Asked::Mode(mode))),
    ]
}

fn resolve(
    config: &Config,
    requirements: Requirements,
    purpose: Purpose,
    asked: &Option<Asked>,
) -> Result<EffectivePolicy, ProfileError> {
    let request = SessionRequest {
        purpose,
        asked: asked.clone(),
        cwd: absolute("/w"),
        home: Some(absolute("/home/u")),
        tmpdir: Some(absolute(TMPDIR)),
    };
    EffectivePolicy::resolve(config.clone(), requirements, &request)
}

fn permitted(policy: &EffectivePolicy) -> Permitted {
    let resolved = &policy.profile.resolved;
    let probes = PROBES.iter().map(|path| absolute(path)).collect();
    Permitted::of(&resolved.profile, &resolved.network, &absolute("/w"), probes)
}

fn servers(policy: &EffectivePolicy) -> BTreeSet<&String> {
    policy.mcp_servers.iter().filter(|(_, server)| server.is_enabled()).map(|(name, _)| name).collect()
}

/// As lists of what is allowed spell it.
fn listed(policy: ApprovalPolicy) -> ApprovalPolicy {
    if policy == ApprovalPolicy::OnFailure { ApprovalPolicy::OnRequest } else { policy }
}

/// Whether a place that is never readable covers a path.
fn covers(denied: &EntryPath, path: &AbsolutePath) -> bool {
    match denied {
        EntryPath::Path(denied) => path.starts_with(denied),
        EntryPath::Glob(glob) => {
            let matcher = glob.to_matcher().unwrap();
            path.ancestors().any(|path| matcher.is_match(path.as_path()))
        }
        EntryPath::Special { .. } => unreachable!("requirements cannot name it"),
    }
}

/// What of the policy the requirements alone would refuse.
fn refused(policy: &EffectivePolicy) -> Vec<&'static str> {
    let requirements = &policy.requirements;
    let approval = *policy.approval_policy.get();
    let approvals = requirements.allowed_approval_policies.as_ref();
    let reviewers = requirements.allowed_approvals_reviewers.as_ref();
    let modes = requirements.allowed_web_search_modes.as_ref();
    let searches =
        |mode| mode == WebSearchMode::Disabled || modes.is_none_or(|allowed| allowed.value.contains(&mode));
    let listed_server = |name: &String| {
        let server = &policy.mcp_servers.get(name).unwrap().server;
        requirements
            .mcp_servers
            .as_ref()
            .is_none_or(|list| list.value.get(name).is_some_and(|identity| identity.matches(server)))
    };
    let login_shell = requirements.exact.get(&KeyPath::new(["allow_login_shell"]));
    let pinned = |(name, pin): (&String, &policies::Sourced<bool>)| policy.has_feature(name) == pin.value;
    let checks = [
        ("approval_policy", approvals.is_none_or(|allowed| allowed.value.contains(&listed(approval)))),
        (
            "approvals_reviewer",
            reviewers.is_none_or(|allowed| allowed.value.contains(policy.approvals_reviewer.get())),
        ),
        ("web_search", searches(*policy.web_search.get())),
        ("web_search of a turn", searches(policy.web_search_of_turn())),
        ("mcp_servers", servers(policy).into_iter().all(listed_server)),
        ("features", requirements.features.iter().all(pinned)),
        (
            "allow_login_shell",
            login_shell.is_none_or(|exact| exact.value.as_bool() == Some(*policy.allow_login_shell.get())),
        ),
        (
            "exact values",
            requirements.exact.iter().all(|(key, exact)| policy.exact(key).unwrap().value == exact.value),
        ),
        ("mode", is_in_modes(policy)),
        ("catalogue", is_in_catalogue(policy)),
        ("deny_read", hides_denied(policy)),
        ("rules", rules_hold(policy)),
    ];
    checks.into_iter().filter_map(|(part, holds)| (!holds).then_some(part)).collect()
}

/// By what may be written, not by what the policy says of itself.
fn is_in_modes(policy: &EffectivePolicy) -> bool {
    let Some(modes) = &policy.requirements.allowed_sandbox_modes else { return true };
    let permitted = permitted(policy);
    let writes = permitted.levels.values().any(|level| *level == 2);
    let writes_all = !permitted.confined || permitted.levels.get(&AbsolutePath::root()) == Some(&2);
    let allows = |mode| modes.value.contains(&mode);
    (allows(SandboxModeLimit::DangerFullAccess) || !writes_all)
        && (allows(SandboxModeLimit::WorkspaceWrite)
            || !writes
            || writes_all && allows(SandboxModeLimit::DangerFullAccess))
        && (!writes || permitted.confined || allows(SandboxModeLimit::DangerFullAccess))
}

/// `:read-only` is the fallback of modes, which a catalogue need not have.
fn is_in_catalogue(policy: &EffectivePolicy) -> bool {
    let Some(catalogue) = &policy.requirements.allowed_permission_profiles else { return true };
    let name = &policy.profile.resolved.name;
    catalogue.value.get(name) == Some(&true) || name == ":read-only"
}

/// Whether nothing that is never readable can be read, as far as entries by name decide. A run around whose
/// special places that cannot be kept is refused by the launcher.
fn hides_denied(policy: &EffectivePolicy) -> bool {
    let denied: Vec<_> = policy.requirements.deny_read.iter().map(|denied| &denied.value).collect();
    if denied.is_empty() {
        return true;
    }
    let Some(entries) = restricted(&policy.profile.resolved.profile) else { return false };
    let special = entries.iter().filter(|entry| {
        let is_root = matches!(&entry.path, EntryPath::Special { path: SpecialPath::Root, .. });
        matches!(entry.path, EntryPath::Special { .. }) && !is_root && entry.access != Access::Deny
    });
    let opened: Vec<_> = special.flat_map(|entry| places(&entry.path, &absolute("/w"))).collect();
    let has_entry =
        |place: &EntryPath| entries.iter().any(|entry| entry.path == *place && entry.access == Access::Deny);
    let permitted = permitted(policy);
    denied.iter().all(|place| {
        let is_refused_later = opened.iter().any(|opened| covers(place, opened));
        let hides = |(path, level): (&AbsolutePath, &u8)| *level == 0 || !covers(place, path);
        let is_glob = matches!(place, EntryPath::Glob(_));
        has_entry(place) && (is_glob || is_refused_later || permitted.levels.iter().all(hides))
    })
}

/// Whether each command is judged at least as strictly as without the required rules, and as by them alone.
fn rules_hold(policy: &EffectivePolicy) -> bool {
    let sets = || policy.requirements.rules.iter().map(|rules| rules.value.clone());
    let loose = || {
        execpolicy::rules_file::load_data("u.rules", LOOSE, &Policy::default(), &Limits::default())
            .unwrap()
            .unwrap()
    };
    let (required, own) = (Policy::from_iter(sets()), Policy::from_iter([loose()]));
    let both = Policy::from_iter(std::iter::once(loose()).chain(sets()));
    let programs = WritableRoots(vec!["/w".to_owned()]);
    let context = execpolicy::Context {
        approval: policy.approval_policy.get().for_evaluation(),
        sandboxing: Sandboxing::Restricted,
        request: execpolicy::Request::Default,
        cwd: "/w",
        moved: false,
        programs: &programs,
        wanted_prefix: None,
    };
    COMMANDS.iter().all(|words| {
        let argv: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let verdict = |policy: &Policy| policy.evaluate(&argv, &context).decision;
        let alone = required.check(&argv, Resolution::ByBasename, "/w");
        let forbids = alone.iter().any(|found| found.rule.decision == execpolicy::Decision::Forbidden);
        verdict(&both) >= verdict(&own)
            && (!forbids || verdict(&both) == execpolicy::Decision::Forbidden)
            && (alone.is_empty() || verdict(&both) > execpolicy::Decision::Allow)
    })
}

/// In which parts `with` permits more than `base`. `open` says what is not compared.
fn wider(with: &EffectivePolicy, base: &EffectivePolicy, open: NotCompared) -> Vec<&'static str> {
    let (held, before) = (listed(*with.approval_policy.get()), listed(*base.approval_policy.get()));
    let allowed = with.requirements.allowed_approval_policies.as_ref();
    // A fallback stays one, so it is the first of the list also where a shorter list begins otherwise.
    let chosen = |origin: &ValueOrigin| !matches!(origin, ValueOrigin::Required(_));
    let keeps = allowed.is_none_or(|allowed| allowed.value.contains(&before))
        && (chosen(&base.approval_policy.origin) || allowed.is_none());
    let first = allowed.and_then(|allowed| allowed.value.first());
    let reviewers = with.requirements.allowed_approvals_reviewers.as_ref();
    let (reviewer, earlier) = (with.approvals_reviewer.get(), base.approvals_reviewer.get());
    let keeps_reviewer = reviewers.is_none_or(|allowed| allowed.value.contains(earlier))
        && (chosen(&base.approvals_reviewer.origin) || reviewers.is_none());
    let first_reviewer = reviewers.and_then(|allowed| allowed.value.first());
    let checks = [
        ("approval_policy", if keeps { held == before } else { Some(&held) == first }),
        (
            "approvals_reviewer",
            if keeps_reviewer { reviewer == earlier } else { Some(reviewer) == first_reviewer },
        ),
        ("web_search", open.web_search || with.web_search.get() <= base.web_search.get()),
        ("web_search of a turn", open.web_search || with.web_search_of_turn() <= base.web_search_of_turn()),
        ("mcp_servers", servers(with).is_subset(&servers(base))),
        ("profile", open.profile || is_profile_within(with, base)),
    ];
    checks.into_iter().filter_map(|(part, holds)| (!holds).then_some(part)).collect()
}

/// What is never readable is hidden or the run refused, whatever else a profile says. Without a network no host
/// needs to be denied.
fn is_profile_within(with: &EffectivePolicy, base: &EffectivePolicy) -> bool {
    let launched = |policy: &EffectivePolicy| {
        let mut permitted = permitted(policy);
        let denied = policy.profile.limit.never_readable();
        let hidden = permitted.levels.iter_mut().filter(|(path, _)| denied.iter().any(|it| covers(it, path)));
        hidden.for_each(|(_, level)| *level = 0);
        permitted
    };
    let (with, mut base) = (launched(with), launched(base));
    if !with.network {
        base.denied_hosts.clear();
    }
    with.is_within(&base)
}

/// Where the documented fallback is not a narrower value of the same kind.
#[derive(Clone, Copy)]
struct NotCompared {
    /// A catalogue brings its own default, for those who chose nothing, and for those whose choice was refused
    /// before by its mode: they had read-only, and get the default as far as their choice permits it.
    profile: bool,
    /// The mode that held was taken from the list.
    web_search: bool,
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_holds_is_never_refused_by_the_requirements(
        configured in configured(),
        low in required(),
        high in prop::option::of(required()),
        asked in any_asked(),
    ) {
        let config = config(&configured);
        let layers: Vec<&Required> = std::iter::once(&low).chain(&high).collect();
        let Some(required) = requirements(&layers) else { return Ok(()) };
        for purpose in PURPOSES {
            let Ok(policy) = resolve(&config, required.clone(), purpose, &asked) else { continue };
            let refused = refused(&policy);
            prop_assert!(
                refused.is_empty(),
                "{refused:?}\n{configured:#?}\n{}\n{asked:?} {:#?}",
                layers.iter().map(|layer| layer.to_text()).collect::<Vec<_>>().join("--- above:\n"),
                policy.profile
            );
        }
    }

    #[test]
    fn what_is_printed_is_read_back(configured in configured(), base in required(), asked in any_asked()) {
        let Some(required) = requirements(&[&base]) else { return Ok(()) };
        let Ok(policy) = resolve(&config(&configured), required, Purpose::Session, &asked) else { return Ok(()) };
        let profile = &policy.profile.resolved.profile;
        let json = profile.to_canonical_json().unwrap();
        let again: PermissionProfile = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(again.to_canonical_json().unwrap(), json);
        prop_assert_eq!(&again, profile);
    }

    #[test]
    fn a_printed_key_is_the_key(parts in prop::collection::vec("[a-zA-Z0-9_:/ .é\"\\\\'-]{0,12}", 1..6)) {
        let key = KeyPath::new(parts);
        let printed = format!("{key} = 1");
        let (again, value) = KeyPath::parse_assignment(&printed).unwrap();
        prop_assert_eq!((again, value.map(str::trim)), (key, Some("1")), "{}", printed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_requirement_more_never_permits_more(
        configured in configured(),
        base in required(),
        others in required(),
        asked in any_asked(),
        purpose in select(PURPOSES.to_vec()),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 3),
    ) {
        let config = config(&configured);
        let Some(required) = requirements(&[&base]) else { return Ok(()) };
        let steps = base.steps(&others);
        if steps.is_empty() {
            return Ok(());
        }
        let free = resolve(&config, Requirements::default(), purpose, &asked);
        let nothing_chosen = match &free {
            Ok(free) => free.profile.origin == ValueOrigin::Default,
            Err(error) => matches!(error, ProfileError::Select(policies::SelectError::NoDefault { .. })),
        };
        let before = resolve(&config, required.clone(), purpose, &asked);
        for step in picks.iter().map(|pick| pick.get(&steps)) {
            let Some(more) = requirements(&[&step.required]) else { continue };
            let takes_search = step.shrinks_web_search && before.as_ref().is_ok_and(|before| {
                let allowed = more.allowed_web_search_modes.as_ref();
                let holds = |mode| allowed.is_none_or(|allowed| allowed.value.contains(&mode));
                !holds(*before.web_search.get()) || !holds(before.web_search_of_turn())
            });
            // A refusal is the narrowest outcome.
            let Ok(with) = resolve(&config, more, purpose, &asked) else { continue };
            let has_catalogue = with.requirements.allowed_permission_profiles.is_some();
            let fell_back = before.as_ref().is_ok_and(|before| {
                let is_required = matches!(before.profile.origin, ValueOrigin::Required(_));
                is_required && before.profile.resolved.name == ":read-only"
            });
            let open = NotCompared {
                profile: nothing_chosen && step.brings_catalogue
                    || fell_back && (step.brings_catalogue || step.shrinks_catalogue),
                web_search: takes_search,
            };
            let mut found = Vec::new();
            // Where a start was refused before, what no longer is configured need not be refused.
            found.extend(before.iter().flat_map(|before| wider(&with, before, open)));
            let open = NotCompared { profile: nothing_chosen && has_catalogue, web_search: false };
            found.extend(free.iter().flat_map(|free| wider(&with, free, open)));
            prop_assert!(
                found.is_empty(),
                "{found:?} by {}\n{configured:#?}\n{}\n{asked:?} {purpose:?}\nwith {:#?}\nbefore {:#?}",
                step.what,
                base.to_text(),
                with.profile.resolved,
                before.map(|before| before.profile.resolved)
            );
        }
    }
}

#[test]
fn every_printed_approval_policy_is_the_same_setting() {
    let granular = (0..32_u8).map(|bits| {
        let bit = |at: u8| bits >> at & 1 == 1;
        ApprovalPolicy::Granular(Granular {
            sandbox_approval: bit(0),
            rules: bit(1),
            mcp_elicitations: bit(2),
            skill_approval: bit(3),
            request_permissions: bit(4),
        })
    });
    let words = [
        ApprovalPolicy::Untrusted,
        ApprovalPolicy::OnFailure,
        ApprovalPolicy::OnRequest,
        ApprovalPolicy::Never,
    ];
    for policy in granular.chain(words) {
        let is_table = matches!(policy, ApprovalPolicy::Granular(_));
        let value = if is_table { policy.to_string() } else { format!("'{policy}'") };
        let text = format!("approval_policy = {value}");
        let layer = file_layer(LayerSource::UserFile("/c.toml".into()), &text);
        let config = Config::from_layers(Layers::new([layer]), &absolute("/w"), None).unwrap();
        assert_eq!(config.approval_policy, Some(policy), "{text}");
    }
}

/// The whole disk was, before this test: more than the person's own profile, and what a repository had taken away.
#[test]
fn read_only_in_place_of_a_profile_reads_no_more_than_the_profile() {
    let configured = Configured {
        user: "default_permissions = 'p'\n[permissions.p.filesystem]\n':minimal' = 'read'\n
            ':workspace_roots' = { '.' = 'write', docs = 'deny' }\n"
            .to_owned(),
        typed: Vec::new(),
        repository: Some((
            "[permissions.r]\nextends = ':workspace'\n[permissions.r.filesystem]\n'/w/src' = 'deny'\n"
                .to_owned(),
            Some("r"),
        )),
        trust: Some(true),
    };
    let text = "allowed_sandbox_modes = ['read-only']";
    let text = RequirementsText {
        source: LayerSource::RequirementsFile("/etc/codex/requirements.toml".into()),
        text: text.to_owned(),
        folder: absolute("/etc/codex"),
    };
    let context = RequirementsContext { hostname: "", home: None, account_home: None };
    let limited = Requirements::from_texts(&[text], context).unwrap();
    let levels = |requirements| {
        let policy = resolve(&config(&configured), requirements, Purpose::Session, &None).unwrap();
        let permitted = permitted(&policy);
        ["/usr/lib", "/w/.env", "/w/docs/a", "/w/src/a", "/srv"].map(|path| permitted.levels[&absolute(path)])
    };
    assert_eq!(levels(Requirements::default()), [1, 2, 0, 0, 0]);
    assert_eq!(levels(limited), [1, 1, 0, 0, 0]);
}
