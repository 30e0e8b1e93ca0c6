//! The order of the sources, and that none can be skipped.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::test_dir::TestDir;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/delivery");
const KEY: &str = include_str!("../../../tests/data/delivery/delivery.pub");

/// A service that answers with these layers, or not at all.
struct Service(&'static str, Option<Vec<ManagedLayer>>);

impl ManagedSource for Service {
    fn name(&self) -> &str {
        self.0
    }

    fn layers(&self) -> Result<Vec<ManagedLayer>, ManagedError> {
        self.1.clone().ok_or_else(|| ManagedError::Other {
            message: "the service `policy.example` does not answer".to_owned(),
            help: "connect".to_owned(),
            source: None,
        })
    }
}

fn managed(id: &str, text: impl Into<String>) -> ManagedLayer {
    ManagedLayer { id: id.to_owned(), name: "Example".to_owned(), text: text.into() }
}

struct System {
    dir: TestDir,
    admin: AdminFolder,
    home: AbsolutePath,
}

impl System {
    fn new(name: &str) -> Self {
        let dir = TestDir::new(&format!("load-{name}"));
        fs::create_dir(dir.path("requirements.d")).unwrap();
        for name in ["", "requirements.d"] {
            fs::set_permissions(dir.path(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let me = rustix::process::geteuid().as_raw();
        let admin = AdminFolder::at(AbsolutePath::parse(dir.path("")).unwrap(), me);
        Self { dir, admin, home: AbsolutePath::parse("/home/u/.codex").unwrap() }
    }

    fn write(&self, name: &str, text: &str) {
        self.dir.write(name, text);
        self.mode(name, 0o644);
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.dir.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn read(
        &self,
        managed: &[&dyn ManagedSource],
        legacy_mdm: Option<&str>,
        mdm: Option<&str>,
    ) -> Result<Vec<RequirementsText>, SourceError> {
        let managed_config = ManagedConfig::read(&self.admin, legacy_mdm)?;
        read_texts(&RequirementSources {
            admin: &self.admin,
            managed,
            managed_config: &managed_config,
            mdm,
            config_home: &self.home,
        })
    }

    /// The system file that names the signed folder.
    fn deliver(&self, folder: &str) {
        let key = KEY.lines().nth(1).unwrap();
        let table = format!("[delivery]\nfolder = '{folder}'\npublic_keys = ['{key}']");
        self.write("requirements.toml", &table);
    }
}

#[test]
fn without_sources_nothing_is_required() {
    let system = System::new("none");
    assert_eq!(system.read(&[], None, None).unwrap(), []);
    assert_eq!(system.read(&[], Some(" \n"), Some("")).unwrap(), []);
    assert_eq!(system.read(&[&Service("s", Some(Vec::new()))], None, None).unwrap(), []);
    fs::remove_dir_all(system.dir.path("")).unwrap();
    assert_eq!(system.read(&[], None, None).unwrap(), []);
}

#[test]
fn all_sources_come_in_their_order() {
    let system = System::new("order");
    system.deliver(&format!("{DATA}/good"));
    system.write("requirements.d/20-b.toml", "b");
    system.write("requirements.d/10-a.toml", "a");
    system.write("managed_config.toml", "approval_policy = 'never'");
    let first = Service("first", Some(vec![managed("2", "two"), managed("1", "one")]));
    let second = Service("second", Some(vec![managed("3", "three")]));
    let legacy_mdm = STANDARD.encode("sandbox_mode = 'read-only'");
    let mdm = STANDARD.encode("enforce_residency = 'us'");
    let texts = system.read(&[&first, &second], Some(&legacy_mdm), Some(&mdm)).unwrap();

    let folder = system.dir.path("").display().to_string();
    let good = format!("enterprise-managed requirements {DATA}/good, serial 12");
    let expect = [
        format!("{folder}/requirements.toml"),
        format!("{folder}/requirements.d/10-a.toml"),
        format!("{folder}/requirements.d/20-b.toml"),
        format!("{good} (10-base.toml)"),
        format!("{good} (20-team.toml)"),
        "enterprise-managed requirements Example (2)".to_owned(),
        "enterprise-managed requirements Example (1)".to_owned(),
        "enterprise-managed requirements Example (3)".to_owned(),
        format!("{folder}/managed_config.toml"),
        "MDM managed_config.toml (legacy)".to_owned(),
        "MDM com.openai.codex:requirements_toml_base64".to_owned(),
    ];
    let sources: Vec<String> = texts.iter().map(|text| text.source.to_string()).collect();
    assert_eq!(sources, expect);
    let folders: Vec<String> = texts.iter().map(|text| text.folder.to_string()).collect();
    let (drop, home) = (format!("{folder}/requirements.d"), system.home.to_string());
    let expect =
        [&folder, &drop, &drop, &home, &home, &home, &home, &home, &folder, &home, &home].map(String::clone);
    assert_eq!(folders, expect);
    assert_eq!(texts[1].text, "a");
    assert_eq!(texts[9].text, "sandbox_mode = 'read-only'");
}

#[test]
fn a_source_that_fails_stops_the_load() {
    let system = System::new("fails");
    let fails = |managed: &[&dyn ManagedSource], legacy: Option<&str>, mdm: Option<&str>, expect: &str| {
        let error = system.read(managed, legacy, mdm).unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
        assert!(!error.help().is_empty());
    };
    let works = Service("works", Some(vec![managed("1", "one")]));
    let broken = Service("Policy\x1b service", None);
    assert_eq!(system.read(&[&works], None, None).unwrap().len(), 1);
    fails(&[&works, &broken], None, None, "cannot tell what `Policy\\u{1b} service` requires");
    fails(&[&works], None, Some("!"), "`MDM com.openai.codex:requirements_toml_base64` is not base64");
    fails(&[&works], Some("!"), None, "`MDM managed_config.toml (legacy)` is not base64");

    let most = usize::try_from(MAX_ADMIN_BYTES).unwrap();
    let big = |length| Service("big", Some(vec![managed("1", "#".repeat(length))]));
    assert_eq!(system.read(&[&big(most)], None, None).unwrap().len(), 1);
    fails(&[&big(most + 1)], None, None, "`big`: layer `1` is larger than 1048576 bytes");
    let many = |count| Service("many", Some(vec![managed("1", ""); count]));
    assert_eq!(system.read(&[&many(256)], None, None).unwrap().len(), 256);
    fails(&[&many(257)], None, None, "`many`: they are more than 256 layers");

    for name in ["requirements.toml", "managed_config.toml", "requirements.d/a.toml"] {
        system.write(name, "");
        assert_eq!(system.read(&[], None, None).unwrap().len(), 1, "{name}");
        system.mode(name, 0o646);
        fails(&[], None, None, &format!("{name}`: it is writable by everybody"));
        fs::remove_file(system.dir.path(name)).unwrap();
    }
}

#[test]
fn a_delivery_cannot_be_deleted() {
    let system = System::new("delivery");
    system.deliver("/nowhere/at/all");
    let SourceError::Managed { name, source } = system.read(&[], None, None).unwrap_err() else { panic!() };
    assert_eq!(name, "/nowhere/at/all");
    let expect = "refused the delivered requirements: `/nowhere/at/all` is missing";
    assert_eq!(source.to_string(), expect);
    let key = KEY.lines().nth(1).unwrap();
    let rows = [
        ("delivery = true".to_owned(), "field `delivery` must be a table"),
        (
            "\n[delivery]\nfolder = '/d'".to_owned(),
            "/requirements.toml:2:1`: `[delivery]`: field `delivery` has no",
        ),
        (format!("[delivery]\npublic_keys = ['{key}']"), "has no `folder`"),
        ("[delivery]\nfolder = '/d'\npublic_keys = 'x'".to_owned(), "must be a list of strings"),
        (format!("[delivery]\nfolder = 'd'\npublic_keys = ['{key}']"), "path `d` is not absolute"),
        (format!("[delivery]\nfolder = '~/d'\npublic_keys = ['{key}']"), "path `~/d` is not absolute"),
        (
            format!("[delivery]\nfolder = '/d'\npublic_keys = ['{key}']\nserial = 1"),
            "`delivery.serial` is not known",
        ),
        ("[delivery]\nfolder = '/d'\npublic_keys = []".to_owned(), "`delivery.public_keys` cannot be empty"),
        ("[delivery]\nfolder = '/d'\npublic_keys = ['x']".to_owned(), "`x` is not a public key"),
        ("[[delivery]]\nfolder = '/d'\npublic_keys = ['x']".to_owned(), "field `delivery` must be a table"),
        ("[delivery".to_owned(), "invalid TOML"),
    ];
    for (text, expect) in rows {
        system.write("requirements.toml", &text);
        let error = system.read(&[], None, None).unwrap_err();
        assert!(matches!(error, SourceError::Requirements(_)), "{error}");
        assert!(error.to_string().contains(expect), "{text}: {error}");
        assert!(!error.help().is_empty());
    }
    for none in ["", "a = 1", "[other.delivery]\nfolder = 1"] {
        system.write("requirements.toml", none);
        assert_eq!(system.read(&[], None, None).unwrap().len(), 1, "{none}");
    }
    // A file of the drop folder names none: its layers are not asked for, and the table is refused when read.
    system.write("requirements.d/a.toml", "[delivery]\nfolder = '/nowhere'\npublic_keys = []");
    let texts = system.read(&[], None, None).unwrap();
    assert_eq!(texts.len(), 2);
    let error = Delivery::in_text(&texts[1]).unwrap_err().to_string();
    assert!(error.contains("may only stand in the requirements file of the system"), "{error}");
}

#[test]
fn files_of_the_administrator_are_layers_of_configuration() {
    let system = System::new("config");
    assert!(system_config_layer(&system.admin).unwrap().is_none());
    system.write("config.toml", "a = 1");
    let layer = system_config_layer(&system.admin).unwrap().unwrap();
    assert_eq!(layer.source, LayerSource::SystemFile(system.dir.path("config.toml")));
    assert_eq!(layer.table, "a = 1".parse().unwrap());
    system.mode("config.toml", 0o666);
    assert!(matches!(system_config_layer(&system.admin), Err(SourceError::Admin(_))));
    system.write("config.toml", "a = ");
    let error = system_config_layer(&system.admin).unwrap_err();
    assert!(error.to_string().contains("/config.toml:1:"), "{error}");

    let mdm = STANDARD.encode("b = 2");
    assert!(ManagedConfig::read(&system.admin, None).unwrap().layers().unwrap().is_empty());
    system.write("managed_config.toml", "b = 1");
    let read = ManagedConfig::read(&system.admin, Some(&mdm)).unwrap();
    // Both uses see what was read, not what the file has become.
    fs::remove_file(system.dir.path("managed_config.toml")).unwrap();
    let layers = read.layers().unwrap();
    let sources: Vec<&LayerSource> = layers.iter().map(|layer| &layer.source).collect();
    let file = LayerSource::LegacyManagedFile(system.dir.path("managed_config.toml"));
    assert_eq!(sources, [&file, &LayerSource::LegacyManagedMdm]);
    let texts: Vec<String> =
        read.requirements(&system.home).unwrap().into_iter().map(|text| text.text).collect();
    assert_eq!(texts, ["b = 1", "b = 2"]);
    let mdm = STANDARD.encode("b = ");
    let broken = ManagedConfig::read(&system.admin, Some(&mdm)).unwrap();
    let error = broken.layers().unwrap_err();
    assert!(error.to_string().starts_with("`MDM managed_config.toml (legacy):1:"), "{error}");
}
