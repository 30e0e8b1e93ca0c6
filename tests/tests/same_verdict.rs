//! I11: the same policy, seen from inside, is the same on every backend. One survey of hundreds of
//! small facts runs on each; the answers must be equal line by line.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use tests::case::{Backend, User};
use tests::identity::Identity;
use tests::place::{Place, skip_user};
use tests::process;
use tests::table::PREAMBLE;
use tests::tools;

/// Prints one fact a line. It changes nothing that exists.
const SURVEY: &str = r#"
import resource, stat
def fact(name, value): print(name, "=", value)
def look(path):
    try:
        mode = os.lstat(path).st_mode
    except OSError as error:
        return errno.errorcode[error.errno]
    def make():
        # In /tmp others make names as well.
        name = path + "/" + os.environ["CODEX_PROBE_MARK"]
        os.mkdir(name)
        os.rmdir(name)
    reads = verdict(lambda: os.listdir(path) if stat.S_ISDIR(mode) else opens(path, os.O_RDONLY))
    writes = verdict(lambda: make() if stat.S_ISDIR(mode) else opens(path, os.O_WRONLY))
    # Who owns a mount decides between these two, and it makes no difference.
    reads, writes = (word.replace("EPERM", "EACCES") for word in (reads, writes))
    return "%s read %s write %s" % (stat.filemode(mode)[0], reads, writes)
for line in open("/proc/self/status"):
    if line.split(":")[0] in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Uid", "Gid",
                              "Groups", "SigBlk", "SigIgn", "Umask"):
        fact("status", line.split())
# The outer end of the map is a number of the namespace above, which is bwrap's own.
fact("uid_map", [(line.split()[0], line.split()[2]) for line in open("/proc/self/uid_map")])
fact("gid_map", [(line.split()[0], line.split()[2]) for line in open("/proc/self/gid_map")])
fact("setgroups", open("/proc/self/setgroups").read())
fact("cwd", os.getcwd())
fact("host name", os.uname().nodename)
fact("environment", sorted((n, v) for n, v in os.environ.items() if n != "CODEX_PROBE_MARK"))
fact("descriptors", sorted(os.listdir("/proc/self/fd"))[:3])
for name in dir(resource):
    if name.startswith("RLIMIT_"):
        fact(name, resource.getrlimit(getattr(resource, name)))
fact("leads a session", os.getsid(0) == os.getpgid(0))
fact("interfaces", sorted(line.split(":")[0].strip() for line in list(open("/proc/net/dev"))[2:]))
for folder in ("/", "/dev", "/proc/sys", "/tmp", os.getcwd(), os.environ["HOME"], os.environ["HOME"] + "/.codex"):
    fact("look " + folder, look(folder))
    try:
        # bwrap makes /dev/core, a link to what is hidden.
        names = sorted(set(os.listdir(folder)) - {"core"})
    except OSError as error:
        fact("list " + folder, errno.errorcode[error.errno])
        continue
    if folder != "/tmp":
        fact("list " + folder, names)
        for name in names:
            fact("look " + os.path.join(folder, name), look(os.path.join(folder, name)))
for path in ("/etc/passwd", "/proc/self/mem", "/proc/1/root", "/proc/1/environ", "/proc/kcore", "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern",
             "/proc/self/comm", "/proc/self/attr/current", "/sys/kernel", "/sys/fs/cgroup", "/sys/power/state", "/dev/pts", "/dev/ptmx", "/dev/mqueue",
             "/run", "/var/tmp", "/usr/bin", "/root", "/boot", ".git/config", ".codex", "secret", "private/x", "open"):
    fact("look " + path, look(path))
for name in sorted(_NUMBERS):
    # Arguments that no call accepts: what answers is either the filter or the kernel's first check.
    bad = ctypes.c_void_p(1)
    fact("call " + name, verdict(lambda: syscall(name, -1, bad, bad, -1, -1, -1)))
for family in range(46):
    for kind in (1, 2, 3, 5):
        call = {"x86_64": 41, "aarch64": 198}[platform.machine()]
        fact("socket %d %d" % (family, kind), verdict(lambda: os.close(syscall(call, family, kind, 0))))
"#;

/// What each fact is.
fn survey(place: &Place, backend: Backend, flags: &[&str]) -> Result<BTreeMap<String, String>> {
    let python = tools::find("python3").unwrap_or_default();
    let mut command = place.sandbox(backend);
    let _configured = command
        .args(flags)
        .arg("--")
        .arg(python)
        .args(["-c", &format!("{PREAMBLE}\n{SURVEY}")])
        .env("LC_ALL", "C");
    let finished = process::finish(command, b"")?;
    ensure!(
        finished.status.success() && finished.out().lines().count() > 300,
        "{}: {finished}",
        backend.as_str()
    );
    let facts = finished.out();
    let facts = facts.lines().filter_map(|line| line.split_once(" = "));
    Ok(facts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn compare(user: User, flags: &[&str]) -> Result<()> {
    let Some(identity) = Identity::of(user)? else { return skip_user(user) };
    let mut place = Place::new(identity)?;
    std::fs::write(
        place.config_home().join("config.toml"),
        "[permissions.narrow.filesystem]
\":minimal\" = \"read\"
[permissions.narrow.filesystem.\":workspace_roots\"]
\".\" = \"write\"
\"secret\" = \"deny\"
\"private\" = \"deny\"
\"private/x\" = \"read\"
\"open\" = \"read\"
",
    )?;
    place.sh("mkdir .git private private/x open; echo x > .git/config; echo x > secret; echo x > open/x")?;
    place.settle()?;
    let bwrap = survey(&place, Backend::Bwrap, flags)?;
    let namespaces = survey(&place, Backend::Namespaces, flags)?;
    let names: BTreeSet<&String> = bwrap.keys().chain(namespaces.keys()).collect();
    let different: Vec<String> = names
        .into_iter()
        .filter(|name| bwrap.get(*name) != namespaces.get(*name))
        .map(|name| {
            format!("{name}: {:?} with bwrap, {:?} with namespaces", bwrap.get(name), namespaces.get(name))
        })
        .collect();
    ensure!(different.is_empty(), "{} with {flags:?}:\n{}", user.as_str(), different.join("\n"));
    place.close()
}

/// As each user.
fn compare_all(flags: &[&str]) -> Result<()> {
    User::ALL.into_iter().try_for_each(|user| compare(user, flags))
}

#[test]
fn read_only() -> Result<()> {
    compare_all(&["--mode", "read-only"])
}

#[test]
fn workspace_write() -> Result<()> {
    compare_all(&["--mode", "workspace-write", "--deny-read", "secret"])
}

#[test]
fn workspace_write_with_network() -> Result<()> {
    compare_all(&["--mode", "workspace-write", "--network", "on"])
}

#[test]
fn narrow_profile() -> Result<()> {
    compare_all(&["--permission-profile", "narrow"])
}
