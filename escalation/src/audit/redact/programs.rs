//! What only the manuals of programs tell: which of their words are secrets.

use super::words::Action;

/// How an option of some program gives a secret away.
#[derive(Clone, Copy)]
pub(super) enum Gives {
    /// The value is one, in the same word or the next.
    Value,
    /// The value is one, and only in the same word: alone it makes the program ask.
    Attached,
    /// The next word is one; what is in the same word belongs to another option's name.
    Next,
    /// What follows this character in the value.
    After(char),
    /// The value, if the command has this word.
    With(&'static str),
}

/// Options that only their program's manual makes secret.
pub(super) const OPTIONS: &[(&[&str], &[&str], Gives)] = &[
    (
        &["mysql", "mysqldump", "mysqladmin", "mysqlimport", "mysqlshow", "mysqlcheck"],
        &["-p"],
        Gives::Attached,
    ),
    (&["mariadb", "mariadb-dump", "mariadb-admin", "mariadb-import"], &["-p"], Gives::Attached),
    (&["7z", "7za", "7zr", "rar", "unrar"], &["-p"], Gives::Attached),
    (&["sshpass", "mongo", "mongosh", "mongodump", "mongorestore", "mongoexport"], &["-p"], Gives::Value),
    (&["redis-cli", "redis-benchmark"], &["-a"], Gives::Value),
    (
        &["ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldapwhoami", "ldappasswd"],
        &["-w"],
        Gives::Value,
    ),
    (&["zip", "unzip"], &["-P"], Gives::Value),
    (
        &["docker", "podman", "nerdctl", "buildah", "skopeo", "helm", "oras", "crane", "az"],
        &["-p"],
        Gives::With("login"),
    ),
    (&["gh"], &["-b", "--body"], Gives::With("secret")),
    // It reads standard input; whoever puts the token behind it is told so by the program.
    (&["gh"], &["--with-token"], Gives::Next),
    (&["ssh-keygen"], &["-N", "-P"], Gives::Value),
    (&["sqlcmd", "bcp"], &["-P"], Gives::Value),
    (&["lftp"], &["-u", "--user"], Gives::After(',')),
    (&["twine", "useradd", "usermod", "snowsql"], &["-p"], Gives::Value),
    (&["openssl"], &["-k", "-K"], Gives::Next),
    (&["kubectl", "oc"], &["--from-literal"], Gives::After('=')),
    // Its short options are in `in_cluster`.
    (&["curl"], &["--user", "--proxy-user"], Gives::After(':')),
    (&["curl"], &["--cookie"], Gives::After('=')),
    (&["http", "https", "xh", "xhs"], &["-a", "--auth"], Gives::After(':')),
    (&["smbclient", "rpcclient", "net"], &["-U", "--user"], Gives::After('%')),
];

/// Programs that run another one.
pub(super) const WRAPPERS: [&str; 13] = [
    "command", "doas", "env", "exec", "ionice", "nice", "nohup", "setsid", "stdbuf", "sudo", "time",
    "timeout", "xargs",
];

/// Programs that read words as scripts.
pub(super) const SHELLS: [&str; 15] = [
    "ash", "bash", "busybox", "dash", "eval", "fish", "ksh", "mksh", "runuser", "script", "sh", "ssh", "su",
    "watch", "zsh",
];

/// Programs that run another one elsewhere, if they have one of these words.
const CONTAINERS: [&str; 6] = ["docker", "docker-compose", "kubectl", "nerdctl", "oc", "podman"];
const ENTERS: [&str; 2] = ["exec", "run"];

/// Programs whose words `NAME=VALUE` hold secrets whatever the name, if they have one of these words.
const STORES: [(&str, &[&str]); 7] = [
    ("doppler", &["secrets"]),
    ("fly", &["secrets"]),
    ("flyctl", &["secrets"]),
    ("gh", &["secret"]),
    ("heroku", &["config:set"]),
    ("supabase", &["secrets"]),
    ("vault", &["put", "write", "patch"]),
];

/// Programs whose words are secrets behind one of theirs, from the first, the second, … on, if they have another word.
const PLACED: [(&str, &str, usize, &str); 6] = [
    ("bw", "login", 2, "login"),
    ("bw", "unlock", 1, "unlock"),
    ("cargo", "login", 1, "login"),
    ("pulumi", "set", 2, "--secret"),
    ("wrangler", "put", 2, "secret"),
    ("wrangler", "secret:put", 2, "secret:put"),
];

/// Whether there is something to know about a program.
pub(super) fn is_known(program: &str) -> bool {
    OPTIONS.iter().any(|(programs, ..)| programs.contains(&program))
        || STORES.iter().any(|(name, _)| *name == program)
        || PLACED.iter().any(|(name, ..)| *name == program)
}

/// Whether the word stands where its program has a secret.
fn is_placed(program: &str, words: &[&str], at: usize) -> bool {
    let positional = |word: &&&str| !word.starts_with(['-', '<', '>']) && !word.is_empty();
    let rules = PLACED.iter().filter(|(name, _, _, with)| *name == program && words.contains(with));
    let mut behind = rules.filter_map(|(_, verb, from, _)| {
        let verb = words.iter().position(|word| word == verb)?;
        Some((words.get(verb.saturating_add(1)..=at)?, *from))
    });
    words.get(at).as_ref().is_some_and(positional)
        && behind.any(|(behind, from)| behind.iter().filter(positional).count() >= from)
}

/// Whether a command runs another one, with its words.
pub(super) fn enters(program: &str, words: &[&str]) -> bool {
    WRAPPERS.contains(&program)
        || matches!(program, "ssh" | "su" | "runuser" | "watch")
        || (CONTAINERS.contains(&program) && words.iter().any(|word| ENTERS.contains(word)))
}

/// What a word is because of its program and its place in the command.
pub(super) fn by_place(program: &str, words: &[&str], at: usize) -> Action {
    let word = words.get(at).copied().unwrap_or_default();
    let before = at.checked_sub(1).and_then(|before| words.get(before)).copied().unwrap_or_default();
    let stores = STORES
        .iter()
        .any(|(name, with)| *name == program && words.iter().take(at).any(|word| with.contains(word)));
    if stores && let Some((name, value)) = word.split_once('=') {
        // A file's name, or standard input.
        let elsewhere = value.starts_with('@') || value == "-";
        let plain = name.starts_with('-') || value.is_empty() || elsewhere;
        return if plain { Action::Text } else { Action::HideFrom(name.len().saturating_add(1)) };
    }
    let positional = !word.starts_with('-') && !word.is_empty();
    let hidden = match program {
        _ if is_placed(program, words, at) => true,
        "vault" => before == "login" && positional && !word.contains('='),
        "smbclient" => before.starts_with("//") && positional,
        "wpa_passphrase" => {
            at.checked_sub(2).is_some_and(|ssid| words.get(ssid).is_some_and(|word| word.ends_with(program)))
        }
        // `machine HOST login NAME password X`.
        "machine" | "default" => matches!(before, "password" | "account") && words.contains(&"login"),
        _ => false,
    };
    if hidden {
        return Action::Hide;
    }
    match (program, word.split_once('/')) {
        // `NAME/X@HOST`, but not `/nolog` or the file of `@file`.
        ("sqlplus", Some((name, rest)))
            if !name.is_empty() && !rest.is_empty() && !name.starts_with(['@', '-', '.']) =>
        {
            Action::HideFrom(name.len().saturating_add(1))
        }
        _ => Action::Text,
    }
}

/// The short options of curl that take a value.
const CURL_VALUES: &str = "AbcCdDeEFhHKmoPQrtTuUwxXyYz";

/// Looks for options of curl that give a secret away among several in one word, as `-su NAME:X`: where their value
/// begins in the word, which is its end if it is the next one, and what the secret follows in it.
pub(super) fn in_cluster(word: &str) -> Option<(usize, char)> {
    let options = word.strip_prefix('-').filter(|options| !options.starts_with('-'))?;
    let (at, option) = options.char_indices().find(|(_, option)| CURL_VALUES.contains(*option))?;
    let value = at.saturating_add(2);
    match option {
        'u' | 'U' => Some((value, ':')),
        'b' => Some((value, '=')),
        _ => None,
    }
}
