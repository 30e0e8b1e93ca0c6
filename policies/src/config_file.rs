//! Reading one config file: bounded, regular files only, UTF-8, TOML.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use crate::config_error::ConfigError;
use crate::layers::{Layer, LayerSource};
use crate::location::{Location, Position};
use crate::toml_text::parse_table;

/// The largest config file read. Hand-written settings stay far below; a bound keeps a mistaken link to a log or
/// a device from filling memory.
pub const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Reads a file as a layer; `None` when there is no such file.
pub(crate) fn read_layer(
    path: &Path,
    source: impl FnOnce(std::path::PathBuf) -> LayerSource,
) -> Result<Option<Layer>, ConfigError> {
    let Some(bytes) = read_bounded(path)? else { return Ok(None) };
    let source = source(path.to_owned());
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        let position = Some(Position::at(&text, valid));
        ConfigError::NotUtf8 { location: Location { source: source.clone(), position } }
    })?;
    match parse_table(&text) {
        Ok(table) => Ok(Some(Layer::with_text(source, table, text))),
        Err(error) => {
            let position = error.span.map(|span| Position::at(&text, span.start));
            Err(ConfigError::Syntax { location: Location { source, position }, message: error.message })
        }
    }
}

/// Reads a whole file of limited size; `None` when there is none.
fn read_bounded(path: &Path) -> Result<Option<Vec<u8>>, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    // Before opening, since opening a pipe that nobody writes would wait forever.
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if !metadata.is_file() {
        let kind = if metadata.is_dir() { "a directory" } else { "a pipe, socket or device" };
        return Err(ConfigError::NotAFile { path: path.to_owned(), kind });
    }
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too big; its stated length could change while reading.
    File::open(path)
        .and_then(|file| file.take(MAX_CONFIG_BYTES + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_CONFIG_BYTES) {
        return Err(ConfigError::TooBig { path: path.to_owned() });
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_dir::TestDir;

    fn read(path: &Path) -> Result<Option<Layer>, ConfigError> {
        read_layer(path, LayerSource::UserFile)
    }

    #[test]
    fn a_file_becomes_a_layer_and_none_is_none() {
        let dir = TestDir::new("config-file-ok");
        assert!(read(&dir.path("absent.toml")).unwrap().is_none());
        dir.write("a.toml", "a = 1");
        let layer = read(&dir.path("a.toml")).unwrap().unwrap();
        assert_eq!(layer.table.get("a"), Some(&toml::Value::Integer(1)));
        dir.write("empty.toml", "");
        assert!(read(&dir.path("empty.toml")).unwrap().unwrap().table.is_empty());
    }

    #[test]
    fn anything_else_is_an_error_with_the_file_and_place() {
        let dir = TestDir::new("config-file-bad");
        dir.write("syntax.toml", "a = 1\n\n  b = = 2\n");
        dir.write("twice.toml", "a = 1\na = 2\n");
        dir.write("bytes.toml", b"a = 1\n# \xff");
        dir.write("big.toml", "#".repeat(usize::try_from(MAX_CONFIG_BYTES).unwrap() + 1));
        dir.write("nul.toml", "a = '\0'");
        std::fs::create_dir(dir.path("dir.toml")).unwrap();
        let rows = [
            ("syntax.toml", "syntax.toml:3:7`: `b = = 2`: invalid TOML: "),
            ("twice.toml", "twice.toml:2:1`: `a = 2`: invalid TOML: duplicate key"),
            ("bytes.toml", "bytes.toml:2:3`: "),
            ("nul.toml", "nul.toml:1:6`: `a = '\\u{0}'`: invalid TOML: "),
            ("big.toml", "big.toml` is larger than 1048576 bytes"),
            ("dir.toml", "dir.toml` is a directory, not a regular file"),
            ("syntax.toml/x", "cannot read config file `"),
        ];
        for (name, expect) in rows {
            let error = read(&dir.path(name)).expect_err(name);
            assert!(error.to_string().contains(expect), "{name}: {error}");
            assert!(!error.help().is_empty());
        }
    }

    #[test]
    fn a_device_is_not_read() {
        let error = read(Path::new("/dev/zero")).unwrap_err().to_string();
        assert_eq!(error, "config file `/dev/zero` is a pipe, socket or device, not a regular file");
    }

    #[test]
    fn deep_nesting_is_an_error_not_a_crash() {
        let dir = TestDir::new("config-file-deep");
        for text in [format!("a = {}", "[".repeat(500_000)), format!("{}a = 1", "a.".repeat(70))] {
            dir.write("deep.toml", &text);
            let error = read(&dir.path("deep.toml")).unwrap_err();
            assert!(matches!(error, ConfigError::Syntax { .. }), "{error}");
        }
    }
}
