//! Texts from device management: base64 of TOML in a preference.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::admin::MAX_ADMIN_BYTES;
use crate::layers::LayerSource;
use crate::rules::{NotUtf8, text_of};

/// The preference domain.
pub const MDM_DOMAIN: &str = "com.openai.codex";

/// The preference that holds requirements.
pub const MDM_REQUIREMENTS_KEY: &str = "requirements_toml_base64";

/// A preference that holds no text. Nothing starts then: it may hold the limits.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{preference}` {problem}")]
pub struct MdmError {
    /// The preference.
    pub preference: LayerSource,
    /// What is wrong with it.
    pub problem: MdmProblem,
}

/// What is wrong with a preference, after its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MdmProblem {
    /// Invalid: not base64.
    #[error("is not base64")]
    Base64,
    /// Invalid: not text.
    #[error("holds text that is {0}")]
    Encoding(NotUtf8),
    /// Invalid: larger than a file may be.
    #[error("holds more than {MAX_ADMIN_BYTES} bytes")]
    TooBig,
}

impl MdmError {
    /// The smallest change that helps.
    pub fn help(&self) -> String {
        let help = match self.problem {
            MdmProblem::Base64 => "set it to what `base64` prints for the TOML file",
            MdmProblem::Encoding(_) => "save the TOML file as UTF-8 before encoding it",
            MdmProblem::TooBig => "shorten the TOML file; it holds limits, not data",
        };
        help.to_owned()
    }
}

/// The preference for requirements.
pub(super) fn requirements_preference() -> LayerSource {
    LayerSource::Mdm { domain: MDM_DOMAIN.to_owned(), key: MDM_REQUIREMENTS_KEY.to_owned() }
}

/// Decodes a preference; `None` when it is blank, as where nothing is set. Whitespace counts nowhere, since
/// encoders break lines.
pub(super) fn decode(value: &str, preference: &LayerSource) -> Result<Option<String>, MdmError> {
    let failed = |problem| MdmError { preference: preference.clone(), problem };
    let is_digit = |character: &char| !character.is_whitespace();
    // Four digits hold three bytes. This bound only spares work; the exact one follows.
    let most_digits = MAX_ADMIN_BYTES.saturating_mul(4).div_ceil(3).saturating_add(4);
    if !fits(value.chars().filter(is_digit).count(), most_digits) {
        return Err(failed(MdmProblem::TooBig));
    }
    let digits: String = value.chars().filter(is_digit).collect();
    if digits.is_empty() {
        return Ok(None);
    }
    let bytes = STANDARD.decode(digits).map_err(|_| failed(MdmProblem::Base64))?;
    if !fits(bytes.len(), MAX_ADMIN_BYTES) {
        return Err(failed(MdmProblem::TooBig));
    }
    text_of(bytes).map(Some).map_err(|place| failed(MdmProblem::Encoding(place)))
}

fn fits(length: usize, most: u64) -> bool {
    u64::try_from(length).is_ok_and(|length| length <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(value: &str) -> Result<Option<String>, String> {
        decode(value, &requirements_preference()).map_err(|error| {
            assert!(!error.help().is_empty());
            error.to_string()
        })
    }

    #[test]
    fn base64_becomes_text_and_blank_is_absent() {
        for blank in ["", " ", "\n\t \r\n"] {
            assert_eq!(decoded(blank), Ok(None), "{blank:?}");
        }
        for value in ["YSA9IDE=", " YSA9\n IDE=\r\n", "Y S A 9 I D E ="] {
            assert_eq!(decoded(value), Ok(Some("a = 1".to_owned())), "{value:?}");
        }
        let umlaut = STANDARD.encode("a = 'ä'");
        assert_eq!(decoded(&umlaut), Ok(Some("a = 'ä'".to_owned())));
    }

    #[test]
    fn anything_else_is_an_error_that_names_the_preference() {
        let most = usize::try_from(MAX_ADMIN_BYTES).unwrap();
        assert!(decoded(&STANDARD.encode("#".repeat(most))).is_ok());
        let rows = [
            ("a = 1".to_owned(), "is not base64"),
            ("YSA9IDE".to_owned(), "is not base64"),
            ("YSA9IDF=".to_owned(), "is not base64"),
            ("YSA9ID-_".to_owned(), "is not base64"),
            ("====".to_owned(), "is not base64"),
            (STANDARD.encode(b"\n\xff"), "holds text that is not UTF-8: byte 1 of line 2"),
            (STANDARD.encode("#".repeat(most + 1)), "holds more than 1048576 bytes"),
            ("A".repeat(3 * most), "holds more than 1048576 bytes"),
        ];
        for (value, expect) in rows {
            let expect = format!("`MDM com.openai.codex:requirements_toml_base64` {expect}");
            let shown: String = value.chars().take(20).collect();
            assert_eq!(decoded(&value), Err(expect), "{shown}");
        }
    }
}
