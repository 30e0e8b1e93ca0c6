//! Full Unicode case folding, for rules with `canonical_matching = True`.

use std::borrow::Cow;

/// The default full case folding of Unicode 16 (Unicode Standard, section 3.13, `toCasefold`), without
/// normalisation: `ß` becomes `ss`, the Kelvin sign `k`, final sigma sigma; `İ` becomes `i` and a dot.
pub(crate) fn fold(word: &str) -> Cow<'_, str> {
    if word.is_ascii() {
        if word.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Cow::Owned(word.to_ascii_lowercase());
        }
        return Cow::Borrowed(word);
    }
    Cow::Owned(caseless::default_case_fold_str(word))
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn full_folding() {
        for (one, other) in
            [("straße", "STRASSE"), ("\u{212a}", "k"), ("ς", "Σ"), ("Git", "gIT"), ("ﬁ", "FI")]
        {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        for (one, other) in [("İ", "i"), ("ı", "i"), ("ａ", "a"), ("é", "e\u{301}"), ("–", "-")] {
            assert_ne!(fold(one), fold(other), "{one} {other}");
        }
    }
}
