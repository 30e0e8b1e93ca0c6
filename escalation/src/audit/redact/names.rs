//! Which names promise a secret: of options, variables, settings, headers and fields.

/// A part of a name that promises one, wherever it stands and whatever it is glued to in front: `dbpassword`.
const SECRET: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "authkey",
    "accesskey",
    "secretkey",
    "privatekey",
    "credential",
    "bearer",
    "authorization",
];
/// A part that promises one as the last of a name.
const SECRET_AT_END: [&str; 14] = [
    "pass",
    "pw",
    "pwd",
    "auth",
    "cookie",
    "jwt",
    "keypass",
    "otp",
    "pat",
    "sas",
    "sig",
    "signature",
    "sshpass",
    "storepass",
];
/// What makes a `key` a secret one.
const SECRET_KEYS: [&str; 9] =
    ["access", "account", "api", "auth", "encryption", "master", "private", "secret", "shared"];
/// What the key in a variable's name is for, if it is none.
const PLAIN_KEYS: [&str; 12] = [
    "cache",
    "foreign",
    "group",
    "hash",
    "host",
    "index",
    "lookup",
    "partition",
    "primary",
    "public",
    "sort",
    "unique",
];
/// The last part of a name of something *about* a secret.
const ABOUT: [&str; 55] = [
    "arn",
    "backend",
    "budget",
    "change",
    "cmd",
    "command",
    "count",
    "dir",
    "enabled",
    "endpoint",
    "env",
    "expiration",
    "expires",
    "expiry",
    "fd",
    "field",
    "file",
    "files",
    "folder",
    "format",
    "helper",
    "host",
    "id",
    "ids",
    "kind",
    "len",
    "length",
    "lifetime",
    "limit",
    "manager",
    "max",
    "min",
    "mode",
    "name",
    "only",
    "path",
    "policy",
    "program",
    "prompt",
    "provider",
    "ref",
    "required",
    "reset",
    "rotation",
    "scope",
    "scopes",
    "size",
    "stdin",
    "store",
    "ttl",
    "type",
    "uri",
    "url",
    "var",
    "version",
];
/// The first part of the name of a switch, which takes no value.
const SWITCH: [&str; 7] = ["ask", "hide", "no", "prompt", "show", "with", "without"];

/// Whether a value with this name is a secret. A name that only mentions one, such as `password-file`, is not of one.
pub(super) fn is_secret(name: &str) -> bool {
    let parts = parts(name);
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return false };
    if ABOUT.contains(&last.as_str()) || (parts.len() > 1 && SWITCH.contains(&first.as_str())) {
        return false;
    }
    // They are folders.
    if matches!(name, "PWD" | "OLDPWD" | "pwd") {
        return false;
    }
    let promises = |part: &String| {
        let singular = part.strip_suffix('s').filter(|one| *one != "token").unwrap_or(part);
        SECRET.iter().any(|secret| singular.ends_with(secret))
    };
    let key = parts.windows(2).any(|pair| match pair {
        [kind, key] => key == "key" && SECRET_KEYS.contains(&kind.as_str()),
        _ => false,
    });
    // `STRIPE_KEY`, `X-Key`: whose key it is varies.
    let variable = name.contains('_') && !name.bytes().any(|byte| byte.is_ascii_lowercase());
    let of_variable = match parts.as_slice() {
        [.., kind, key] if key == "key" => (variable || first == "x") && !PLAIN_KEYS.contains(&kind.as_str()),
        [..] => false,
    };
    of_variable || parts.iter().any(promises) || SECRET_AT_END.contains(&last.as_str()) || key
}

/// Names whose value is the rest of the line.
pub(super) fn is_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with("authorization") || matches!(name.as_str(), "cookie" | "set-cookie")
}

/// The words that a name is made of, in lower case: `--dbPassword`, `DB_PASSWORD` and `db.password` are the same.
fn parts(name: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut lower = false;
    for c in name.chars() {
        let hump = lower && c.is_ascii_uppercase();
        lower = c.is_ascii_lowercase();
        if (hump || !c.is_alphanumeric()) && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
        }
        if c.is_alphanumeric() {
            part.push(c.to_ascii_lowercase());
        }
    }
    parts.extend(Some(part).filter(|part| !part.is_empty()));
    parts
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn secrets_beside_what_is_only_about_them() {
        for (secret, harmless) in [
            ("password", "password-file"),
            ("--password", "--password-stdin"),
            ("db_password", "PASSWORD_STORE_DIR"),
            ("MYSQL_PWD", "PWD"),
            ("GITHUB_TOKEN", "max-tokens"),
            ("token", "tokenizer"),
            ("access_token", "token_type"),
            ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
            ("apiKey", "key"),
            ("OPENAI_API_KEY", "sort-key"),
            ("dbPassword", "no-password"),
            ("pass", "bypass"),
            ("sshpass.password", "askpass"),
            ("//registry.npmjs.org/:_authToken", "//registry.npmjs.org/:always"),
            ("client-secret", "secret-name"),
            ("auth", "author"),
            ("PRIVATE_KEY", "PUBLIC_KEY"),
            ("credentials", "credential-helper"),
            ("SECRET_KEY_BASE", "SSH_AUTH_SOCK"),
            ("token", "with-token"),
            ("STRIPE_KEY", "CACHE_KEY"),
            ("SERVICE_KEY", "service_key"),
            ("X-Key", "X-Cache-Key"),
            ("--otp", "--top"),
            ("pw", "pws"),
            ("-storepass", "-storetype"),
            ("--authkey", "--authkind"),
            ("SSHPASS", "SSHPATH"),
        ] {
            assert!(is_secret(secret), "{secret}");
            assert!(!is_secret(harmless), "{harmless}");
        }
        assert!(!is_secret(""));
    }
}
