//! Each row: a secret, beside the nearest harmless word, which stays.

use super::{argv, text};

fn words(line: &[&str]) -> Vec<String> {
    argv(&line.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
}

/// `X` stands for the secret, `[redacted]` for what becomes of it.
const ARGV: &[(&[&str], &[&str])] = &[
    (&["a", "--password", "X"], &["a", "--password", "[redacted]"]),
    (&["a", "--password=X"], &["a", "--password=[redacted]"]),
    (&["a", "--password", "X", "--user", "me"], &["a", "--password", "[redacted]", "--user", "me"]),
    (&["a", "--password-file", "x"], &["a", "--password-file", "x"]),
    (&["a", "--password-stdin", "x"], &["a", "--password-stdin", "x"]),
    (&["a", "--password", "--user", "me"], &["a", "--password", "--user", "me"]),
    (&["a", "-token", "X"], &["a", "-token", "[redacted]"]),
    (&["a", "--max-tokens", "5"], &["a", "--max-tokens", "5"]),
    (&["a", "--api-key=X&Y;Z"], &["a", "--api-key=[redacted]"]),
    (&["sort", "--key", "2"], &["sort", "--key", "2"]),
    (&["git", "commit", "-m", "token"], &["git", "commit", "-m", "token"]),
    (&["git", "commit", "-m", "set token limits"], &["git", "commit", "-m", "set token limits"]),
    (
        &["git", "show", "3f786850e387550fdab836ed7e6dc881de23001b"],
        &["git", "show", "3f786850e387550fdab836ed7e6dc881de23001b"],
    ),
    (&["env", "TOKEN=X", "make"], &["env", "TOKEN=[redacted]", "make"]),
    (&["env", "TERM=X", "make"], &["env", "TERM=X", "make"]),
    (
        &["docker", "run", "-e", "DB_PASSWORD=X", "-p", "80:80"],
        &["docker", "run", "-e", "DB_PASSWORD=[redacted]", "-p", "80:80"],
    ),
    (&["docker", "login", "-u", "me", "-p", "X"], &["docker", "login", "-u", "me", "-p", "[redacted]"]),
    (&["mysql", "-pX", "db"], &["mysql", "-p[redacted]", "db"]),
    (&["mysql", "-p", "db"], &["mysql", "-p", "db"]),
    (
        &["sudo", "-u", "db", "/usr/bin/mysqldump", "-pX"],
        &["sudo", "-u", "db", "/usr/bin/mysqldump", "-p[redacted]"],
    ),
    (&["mkdir", "-pX"], &["mkdir", "-pX"]),
    (&["sshpass", "-p", "X", "ssh", "h"], &["sshpass", "-p", "[redacted]", "ssh", "h"]),
    (&["ssh", "-p", "22", "h"], &["ssh", "-p", "22", "h"]),
    (&["redis-cli", "-a", "X"], &["redis-cli", "-a", "[redacted]"]),
    (&["git", "-a", "X"], &["git", "-a", "X"]),
    (&["curl", "-u", "me:X", "h"], &["curl", "-u", "me:[redacted]", "h"]),
    (&["curl", "-ume:X", "h"], &["curl", "-ume:[redacted]", "h"]),
    (&["curl", "--user=me:X", "h"], &["curl", "--user=me:[redacted]", "h"]),
    (&["curl", "--user-agent", "me:x"], &["curl", "--user-agent", "me:x"]),
    (&["sort", "-u", "me:x"], &["sort", "-u", "me:x"]),
    (&["curl", "-H", "Authorization: Bearer X Y", "h"], &["curl", "-H", "Authorization: [redacted]", "h"]),
    (&["curl", "-H", "X-Api-Key: X"], &["curl", "-H", "X-Api-Key: [redacted]"]),
    (&["curl", "-H", "Accept: text/html"], &["curl", "-H", "Accept: text/html"]),
    (
        &["curl", "-d", "{\"user\": \"me\", \"password\": \"X y\"}"],
        &["curl", "-d", "{\"user\": \"me\", \"password\": \"[redacted]\"}"],
    ),
    (&["curl", "https://h/?token=X&page=2"], &["curl", "https://h/?token=[redacted]&page=2"]),
    (&["git", "clone", "https://me:X@h/r.git"], &["git", "clone", "https://[redacted]@h/r.git"]),
    (&["git", "clone", "https://X@h/r.git"], &["git", "clone", "https://[redacted]@h/r.git"]),
    (&["git", "clone", "ssh://git@h/r.git"], &["git", "clone", "ssh://git@h/r.git"]),
    (&["git", "clone", "https://h/me@2x.git"], &["git", "clone", "https://h/me@2x.git"]),
    (&["psql", "postgres://me:X@h/db"], &["psql", "postgres://[redacted]@h/db"]),
    (&["git", "config", "github.token", "X-1"], &["git", "config", "github.token", "[redacted]"]),
    (&["git", "config", "user.name", "X-1"], &["git", "config", "user.name", "X-1"]),
    (
        &["npm", "config", "set", "//registry.npmjs.org/:_authToken", "X-1"],
        &["npm", "config", "set", "//registry.npmjs.org/:_authToken", "[redacted]"],
    ),
    (&["openssl", "rsa", "-passin", "pass:X"], &["openssl", "rsa", "-passin", "pass:[redacted]"]),
    (&["htpasswd", "-b", "f", "me", "X"], &["htpasswd", "-b", "f", "me", "[redacted]"]),
    (&["sh", "-c", "TOKEN=X make; echo TOKEN"], &["sh", "-c", "TOKEN=[redacted] make; echo TOKEN"]),
    (&["sh", "-c", "mysql -pX db | wc -l"], &["sh", "-c", "mysql -p[redacted] db | wc -l"]),
    (&["sh", "-c", "a && mkdir -pX"], &["sh", "-c", "a && mkdir -pX"]),
    (&["sh", "-c", "a --password 'X y' b"], &["sh", "-c", "a --password '[redacted]' b"]),
    (&["sh", "-c", "bash -c 'a --password X' b"], &["sh", "-c", "bash -c 'a --password [redacted]' b"]),
    (&["sh", "-c", "export API_KEY=\"X y\"\nrun"], &["sh", "-c", "export API_KEY=\"[redacted]\"\nrun"]),
    (
        &["sh", "-c", "curl -H \"Authorization: Basic X\" h"],
        &["sh", "-c", "curl -H \"Authorization: [redacted]\" h"],
    ),
    (&["sh", "-c", "cat a.txt | grep token"], &["sh", "-c", "cat a.txt | grep token"]),
    // Options that only manuals know.
    (&["curl", "-su", "me:X", "h"], &["curl", "-su", "me:[redacted]", "h"]),
    (&["curl", "-sSume:X", "h"], &["curl", "-sSume:[redacted]", "h"]),
    (&["curl", "-so", "me:x", "h"], &["curl", "-so", "me:x", "h"]),
    (&["curl", "-o", "u", "me:x"], &["curl", "-o", "u", "me:x"]),
    (&["curl", "-sb", "a=X"], &["curl", "-sb", "a=[redacted]"]),
    (&["twine", "upload", "-p", "X", "d"], &["twine", "upload", "-p", "[redacted]", "d"]),
    (&["useradd", "-p", "X", "me"], &["useradd", "-p", "[redacted]", "me"]),
    (&["userdel", "-p", "x", "me"], &["userdel", "-p", "x", "me"]),
    (&["openssl", "enc", "-k", "X"], &["openssl", "enc", "-k", "[redacted]"]),
    (&["openssl", "req", "-keyout", "x"], &["openssl", "req", "-keyout", "x"]),
    (&["keytool", "-storepass", "X"], &["keytool", "-storepass", "[redacted]"]),
    (&["keytool", "-storetype", "x"], &["keytool", "-storetype", "x"]),
    (&["vault", "login", "X"], &["vault", "login", "[redacted]"]),
    (&["vault", "login", "-method=x"], &["vault", "login", "-method=x"]),
    (&["vault", "kv", "put", "s/a", "b=X"], &["vault", "kv", "put", "s/a", "b=[redacted]"]),
    (&["vault", "kv", "put", "s/a", "b=@x"], &["vault", "kv", "put", "s/a", "b=@x"]),
    (&["fly", "secrets", "set", "FOO=X"], &["fly", "secrets", "set", "FOO=[redacted]"]),
    (&["fly", "config", "set", "FOO=x"], &["fly", "config", "set", "FOO=x"]),
    (&["smbclient", "//h/s", "X"], &["smbclient", "//h/s", "[redacted]"]),
    (&["smbclient", "//h/s", "-N"], &["smbclient", "//h/s", "-N"]),
    (&["sqlplus", "me/X@db"], &["sqlplus", "me/[redacted]"]),
    (&["sqlplus", "/nolog", "@a/x.sql"], &["sqlplus", "/nolog", "@a/x.sql"]),
    (&["wpa_passphrase", "net", "X"], &["wpa_passphrase", "net", "[redacted]"]),
    (&["nmcli", "c", "up", "password", "X-1"], &["nmcli", "c", "up", "password", "[redacted]"]),
    (&["npm", "publish", "--otp=X"], &["npm", "publish", "--otp=[redacted]"]),
    (
        &["kubectl", "create", "secret", "generic", "s", "--from-literal=a=X"],
        &["kubectl", "create", "secret", "generic", "s", "--from-literal=a=[redacted]"],
    ),
    (&["ssh", "h", "mysql", "-pX"], &["ssh", "h", "mysql", "-p[redacted]"]),
    (&["ssh", "h", "mkdir", "-pX"], &["ssh", "h", "mkdir", "-pX"]),
    (&["docker", "exec", "c", "mysql", "-pX"], &["docker", "exec", "c", "mysql", "-p[redacted]"]),
    (&["ssh", "h", "mysql -pX -e x"], &["ssh", "h", "mysql -p[redacted] -e x"]),
    (&["tailscale", "up", "--authkey", "X"], &["tailscale", "up", "--authkey", "[redacted]"]),
    (&["tailscale", "up", "--authkey=X"], &["tailscale", "up", "--authkey=[redacted]"]),
    (&["tailscale", "up", "--hostname=x"], &["tailscale", "up", "--hostname=x"]),
    (&["sh", "-c", "SSHPASS=X sshpass -e ssh h"], &["sh", "-c", "SSHPASS=[redacted] sshpass -e ssh h"]),
    (&["ssh-keygen", "-N", "X", "-f", "x"], &["ssh-keygen", "-N", "[redacted]", "-f", "x"]),
    (&["ssh-keygen", "-p", "-P", "X"], &["ssh-keygen", "-p", "-P", "[redacted]"]),
    (&["grep", "-P", "x"], &["grep", "-P", "x"]),
    (&["sqlcmd", "-S", "h", "-P", "X"], &["sqlcmd", "-S", "h", "-P", "[redacted]"]),
    (&["lftp", "-u", "me,X", "h"], &["lftp", "-u", "me,[redacted]", "h"]),
    (&["lftp", "-e", "a,b", "h"], &["lftp", "-e", "a,b", "h"]),
    (&["sh", "-c", "setenv FOO_TOKEN X"], &["sh", "-c", "setenv FOO_TOKEN [redacted]"]),
    (&["sh", "-c", "setenv FOO_TERM X"], &["sh", "-c", "setenv FOO_TERM X"]),
    (&["gh", "auth", "login", "--with-token", "X"], &["gh", "auth", "login", "--with-token", "[redacted]"]),
    (&["cargo", "login", "--registry", "X"], &["cargo", "login", "--registry", "[redacted]"]),
    (&["sudo", "cargo", "login", "X"], &["sudo", "cargo", "login", "[redacted]"]),
    (&["cargo", "run", "x"], &["cargo", "run", "x"]),
    (&["bw", "login", "me", "X"], &["bw", "login", "me", "[redacted]"]),
    (&["bw", "unlock", "X", "--raw"], &["bw", "unlock", "[redacted]", "--raw"]),
    (&["bw", "list", "x"], &["bw", "list", "x"]),
    (
        // The name goes with it: behind most options of this name is the secret.
        &["pulumi", "config", "set", "--secret", "k", "X"],
        &["pulumi", "config", "set", "--secret", "[redacted]", "[redacted]"],
    ),
    (&["pulumi", "config", "set", "k", "x"], &["pulumi", "config", "set", "k", "x"]),
    (&["wrangler", "secret", "put", "K", "X"], &["wrangler", "secret", "put", "K", "[redacted]"]),
    (&["wrangler", "kv", "put", "k", "x"], &["wrangler", "kv", "put", "k", "x"]),
    (
        &["heroku", "config:set", "FOO_KEY=X", "A=X"],
        &["heroku", "config:set", "FOO_KEY=[redacted]", "A=[redacted]"],
    ),
    (&["heroku", "ps:scale", "web=x"], &["heroku", "ps:scale", "web=x"]),
    (&["s3fs", "AKIAIOSFODNN7EXAMPLE:X/y"], &["s3fs", "[redacted]"]),
    (&["s3fs", "bucket:x/y"], &["s3fs", "bucket:x/y"]),
    // Names and values in other languages.
    (&["curl", "-d", "{\"pw\":\"X\"}"], &["curl", "-d", "{\"pw\":\"[redacted]\"}"]),
    (
        &["curl", "-d", "{\"auth\": {\"key\": \"X\", \"n\": 1}}"],
        &["curl", "-d", "{\"auth\": {\"key\": \"[redacted]\", \"n\": 1}}"],
    ),
    (&["curl", "-d", "{\"author\": {\"key\": \"x\"}}"], &["curl", "-d", "{\"author\": {\"key\": \"x\"}}"]),
    (
        &["sh", "-c", "curl -d \"{\\\"password\\\": \\\"X y\\\"}\" h"],
        &["sh", "-c", "curl -d \"{\\\"password\\\": \\\"[redacted]\\\"}\" h"],
    ),
    (&["curl", "h/?key=X&page=2"], &["curl", "h/?key=[redacted]&page=2"]),
    (&["sort", "key=x"], &["sort", "key=x"]),
    (&["python3", "-c", "token = 'X'"], &["python3", "-c", "token = '[redacted]'"]),
    (&["python3", "-c", "total = 'x'"], &["python3", "-c", "total = 'x'"]),
    (&["python3", "-c", "token = read(x)"], &["python3", "-c", "token = read(x)"]),
    (&["node", "-e", "const apiKey = \"X\""], &["node", "-e", "const apiKey = \"[redacted]\""]),
    (
        &["python3", "-c", "os.environ[\"API_KEY\"]=\"X\""],
        &["python3", "-c", "os.environ[\"API_KEY\"]=\"[redacted]\""],
    ),
    (
        &["python3", "-c", "get(u, auth=(\"me\", \"X\"))"],
        &["python3", "-c", "get(u, auth=(\"[redacted]\", \"[redacted]\"))"],
    ),
    (&["psql", "-c", "ALTER USER me PASSWORD 'X'"], &["psql", "-c", "ALTER USER me PASSWORD '[redacted]'"]),
    (
        &["mysql", "-e", "CREATE USER 'me'@'%' IDENTIFIED BY 'X'"],
        &["mysql", "-e", "CREATE USER 'me'@'%' IDENTIFIED BY '[redacted]'"],
    ),
    (
        &["mysql", "-e", "SET PASSWORD FOR 'me'@'h' = 'X'"],
        &["mysql", "-e", "SET PASSWORD FOR 'me'@'h' = '[redacted]'"],
    ),
    (
        &["mysql", "-e", "SET PASSWORD FOR me=PASSWORD('X')"],
        &["mysql", "-e", "SET PASSWORD FOR me=PASSWORD('[redacted]')"],
    ),
    (&["mysql", "-e", "UPDATE t SET a = 'x'"], &["mysql", "-e", "UPDATE t SET a = 'x'"]),
    (&["grep", "-r", "password 'x'"], &["grep", "-r", "password 'x'"]),
    // What scripts hand on.
    (&["sh", "-c", "TOKEN=$(echo X)"], &["sh", "-c", "TOKEN=$(echo [redacted])"]),
    (&["sh", "-c", "TOKEN=$(cat x)"], &["sh", "-c", "TOKEN=$(cat x)"]),
    (&["sh", "-c", "export API_KEY=$'X'"], &["sh", "-c", "export API_KEY=$'[redacted]'"]),
    (
        &["sh", "-c", "echo 'X y' | docker login --password-stdin"],
        &["sh", "-c", "echo '[redacted]' | docker login --password-stdin"],
    ),
    (&["sh", "-c", "echo 'x y' | docker load"], &["sh", "-c", "echo 'x y' | docker load"]),
    (&["sh", "-c", "echo x; sudo -S true"], &["sh", "-c", "echo x; sudo -S true"]),
    (&["sh", "-c", "echo x || sudo -S true"], &["sh", "-c", "echo x || sudo -S true"]),
    (&["sh", "-c", "echo X | sudo -S true"], &["sh", "-c", "echo [redacted] | sudo -S true"]),
    (
        &["sh", "-c", "printf '%s' 'X' | gh auth login --with-token"],
        &["sh", "-c", "printf '%s' '[redacted]' | gh auth login --with-token"],
    ),
    (&["sh", "-c", "echo \"root:X\" | chpasswd"], &["sh", "-c", "echo \"[redacted]\" | chpasswd"]),
    (&["sh", "-c", "read -r PASS <<< X"], &["sh", "-c", "read -r PASS <<< [redacted]"]),
    (&["sh", "-c", "read -r LINE <<< x"], &["sh", "-c", "read -r LINE <<< x"]),
    (
        &["sh", "-c", "cat > .netrc <<EOF\nmachine h login me password X\nEOF"],
        &["sh", "-c", "cat > .netrc <<EOF\nmachine h login me password [redacted]\nEOF"],
    ),
    (&["sh", "-c", "echo 'login and password please'"], &["sh", "-c", "echo 'login and password please'"]),
    (
        &["sh", "-c", "docker login --password-stdin h <<EOF\nX|y z\nEOF\necho x"],
        &["sh", "-c", "docker login --password-stdin h <<EOF\n[redacted]|[redacted] [redacted]\nEOF\necho x"],
    ),
    (
        &["sh", "-c", "chpasswd << 'END'\nroot:X\nEND\n"],
        &["sh", "-c", "chpasswd << 'END'\n[redacted]\nEND\n"],
    ),
    (&["sh", "-c", "docker load h <<EOF\nx y\nEOF"], &["sh", "-c", "docker load h <<EOF\nx y\nEOF"]),
    (&["sh", "-c", "gh auth login --with-token < x"], &["sh", "-c", "gh auth login --with-token < x"]),
    (&["sh", "-c", "STRIPE_KEY=X make"], &["sh", "-c", "STRIPE_KEY=[redacted] make"]),
    (&["sh", "-c", "SORT_KEY=x make"], &["sh", "-c", "SORT_KEY=x make"]),
];

#[test]
fn words_of_commands() {
    let mut wrong = Vec::new();
    for (given, wanted) in ARGV {
        let is = words(given);
        if is != *wanted {
            wrong.push(format!("{given:?}: {is:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Secrets by their shape, in the middle of text, beside the nearest text without one.
#[test]
fn shapes() {
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
    let rows = [
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_short"),
        ("github_pat_11ABCDEFG0abcdefghijklmnop_abc", "github_pattern_matching_in_the_text"),
        ("glpat-abcdefghijklmnopqrst", "glpat-x"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLES"),
        ("ASIAIOSFODNN7EXAMPLE", "ASIAN"),
        ("xoxb-123456789012-abcdefghijkl", "xoxb"),
        ("sk-ant-api03-abcdefghijklmnopqrstuvwxyz", "sk-learn"),
        ("sk-proj-abcdefghijklmnopqrstuvwxyz", "task-abcdefghijklmnopqrstuvwxyz"),
        ("AIzaSyA1234567890abcdefghijklmnopqrstuvw", "AIzawa"),
        (jwt, "eyJub"),
        ("npm_abcdefghijklmnopqrstuvwxyz0123456789", "npm_config_registry"),
    ];
    for (secret, harmless) in rows {
        assert_eq!(text(&format!("see <{secret}>, then")), "see <[redacted]>, then", "{secret}");
        assert_eq!(text(&format!("see <{harmless}>, then")), format!("see <{harmless}>, then"));
        assert_eq!(words(&["echo", secret, harmless]), ["echo", "[redacted]", harmless]);
    }
}

#[test]
fn private_keys() {
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\nZXkt\n-----END OPENSSH PRIVATE KEY-----\n";
    let hidden = "-----BEGIN OPENSSH PRIVATE KEY-----[redacted]-----END OPENSSH PRIVATE KEY-----\n";
    assert_eq!(text(key), hidden);
    assert_eq!(text("-----BEGIN PRIVATE KEY-----\nabc"), "-----BEGIN PRIVATE KEY-----[redacted]");
    let certificate = "-----BEGIN CERTIFICATE-----\nb3BlbnNzaC1r\n-----END CERTIFICATE-----\n";
    assert_eq!(text(certificate), certificate);
}

#[test]
fn sentences() {
    for (given, wanted) in [
        ("log in with password: hunter2 please", "log in with password: [redacted] please"),
        ("it says Bearer abc123DEF there", "it says Bearer [redacted] there"),
        ("the token 0123456789abcdef0123 expired", "the token [redacted] expired"),
        ("run it with --token hunter2", "run it with --token [redacted]"),
        (
            "prefix_rule(pattern=[\"a\", \"--token=hunter2\"])",
            "prefix_rule(pattern=[\"a\", \"--token=[redacted]\"])",
        ),
    ] {
        assert_eq!(text(given), wanted);
    }
    for stays in [
        "a basic understanding of the bearer protocol",
        "don't forget the password, it's in the vault",
        "the token of the commit 3f786850e387550fdab836ed7e6dc881de23001b",
        "auth::token::parse fails",
        "see https://h/a:b and mail me@h",
        "writes to `/ws/a b`; the rule `git` says so",
        "",
    ] {
        assert_eq!(text(stays), stays);
    }
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = "a \"b 'c \\\"d e\\\" f' g\" ".repeat(2000);
    assert!(text(&deep).len() >= 2000);
    let quotes = "'\" ".repeat(50_000);
    text(&quotes);
    text(&"=".repeat(100_000));
    text(&"token".repeat(50_000));
    text(&"a:".repeat(100_000));
    text(&"authorization:".repeat(20_000));
    text(&"token = {".repeat(20_000));
    text(&"auth={'a".repeat(20_000));
    text(&"identified password '".repeat(20_000));
    text(&"echo x | sudo -S ".repeat(20_000));
    text(&"token = \\\"a ".repeat(20_000));
    text(&"a \"--token x\" ".repeat(20_000));
    assert!(text(&"a=\"b --token hunter2\" ".repeat(3)).matches("hunter2").next().is_none());
}
