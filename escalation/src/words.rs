//! What a yes would give, in a few words that are safe to print: for reasons, and for clients that show no more than
//! those.

use policies::{Access, AdditionalPermissions};

/// How many of one kind are named. Whoever wants to see all has the fields of the question.
const MAX_NAMED: usize = 12;
/// How long one of them is, in characters.
const MAX_NAME: usize = 300;

/// The first ones, and how many more there are.
pub(crate) fn list(items: impl IntoIterator<Item = String>) -> String {
    let mut items = items.into_iter();
    let shown = |item: String| execpolicy::display::visible_up_to(&item, MAX_NAME);
    let mut named: Vec<String> = items.by_ref().take(MAX_NAMED).map(shown).collect();
    let more = items.count();
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    named.join(", ")
}

/// What permissions allow, from the widest.
pub(crate) fn permissions(permissions: &AdditionalPermissions) -> String {
    let network = permissions.network.is_enabled().then(|| "use the network".to_owned());
    let entries = permissions.entries.iter().map(|entry| {
        let access = match entry.access {
            Access::Read => "read",
            Access::Write => "write",
            Access::Deny => "not touch",
        };
        format!("{access} {}", entry.path)
    });
    list(network.into_iter().chain(entries))
}

#[cfg(test)]
mod tests {
    use super::{MAX_NAME, MAX_NAMED, list, permissions};
    use policies::AdditionalPermissions;

    #[test]
    fn permissions_are_named() {
        let given = r#"{"network": {"enabled": true}, "fileSystem": {"read": ["/r"], "write": ["/w"]}}"#;
        let given = AdditionalPermissions::parse(given).unwrap();
        assert_eq!(permissions(&given), "use the network, read /r, write /w");
        assert_eq!(permissions(&AdditionalPermissions::default()), "");
    }

    #[test]
    fn a_list_is_bounded_and_safe_to_print() {
        let many = (0..MAX_NAMED + 3).map(|number| format!("{number}\u{202e}{}", "x".repeat(9 * MAX_NAME)));
        let text = list(many);
        assert!(text.starts_with("0\\u{202e}x") && text.ends_with("…, and 3 more"), "{text}");
        assert!(text.chars().count() < MAX_NAMED * (MAX_NAME + 20));
    }
}
