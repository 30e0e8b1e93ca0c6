//! Reading one config file: bounded, regular files only, UTF-8, TOML.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::config_error::ConfigError;
use crate::layers::{Layer, LayerSource};
use crate::location::{Location, Position};
use crate::path::AbsolutePath;
use crate::toml_text::parse_table;

/// The largest config file read. Hand-written settings stay far below; a bound keeps a mistaken link to a log or
/// a device from filling memory.
pub const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Reads a file as a layer; `None` when there is no such file. A link to nothing, in its place or in that of its
/// folder, is an error: somebody wanted settings there.
pub(crate) fn read_layer(
    path: &Path,
    source: impl FnOnce(std::path::PathBuf) -> LayerSource,
) -> Result<Option<Layer>, ConfigError> {
    match read_bounded(path)? {
        Some(bytes) => parse_layer(source(path.to_owned()), bytes).map(Some),
        None if leads_nowhere(path) || path.parent().is_some_and(leads_nowhere) => {
            Err(ConfigError::Read { path: path.to_owned(), source: Errno::NOENT.into() })
        }
        None => Ok(None),
    }
}

/// Whether this is a symlink to nothing.
fn leads_nowhere(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
        && fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Reads a config file of a trusted project; `None` when there is none.
///
/// The way to it may have symlinks as long as it stays in the project: where it leads is found out once, and then
/// walked from the project's folder without following any, so that a link put there meanwhile is an error.
pub(crate) fn read_project_layer(root: &AbsolutePath, path: &Path) -> Result<Option<Layer>, ConfigError> {
    let in_project = |error| ConfigError::InProject(Box::new(error));
    let failed = |source| in_project(ConfigError::Read { path: path.to_owned(), source });
    let resolved = match fs::canonicalize(path) {
        Ok(resolved) => resolved,
        // A link to nothing is not a missing file: somebody wanted settings there.
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    let Ok(below) = resolved.strip_prefix(root) else {
        return Err(ConfigError::OutsideProject {
            path: path.to_owned(),
            target: resolved,
            root: root.clone(),
        });
    };
    let file = open_below(root, below).map_err(failed)?;
    let bytes = read_open(File::from(file), path).map_err(in_project)?;
    parse_layer(LayerSource::ProjectFile(path.to_owned()), bytes).map(Some)
}

/// Opens a file or folder below a folder, following no symlink on the way.
pub(crate) fn open_below(root: &AbsolutePath, below: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::RDONLY;
    let mut at = rustix::fs::open(root.as_path(), flags | OFlags::DIRECTORY, Mode::empty())?;
    for component in below.components() {
        at = rustix::fs::openat(&at, component.as_os_str(), flags, Mode::empty())?;
    }
    Ok(at)
}

/// The bytes of a file as a layer.
///
/// # Errors
/// [`ConfigError::NotUtf8`] and [`ConfigError::Syntax`].
pub fn parse_layer(source: LayerSource, bytes: Vec<u8>) -> Result<Layer, ConfigError> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        let position = Some(Position::at(&text, valid));
        ConfigError::NotUtf8 { location: Location { source: source.clone(), position } }
    })?;
    match parse_table(&text) {
        Ok(table) => Ok(Layer::with_text(source, table, text)),
        Err(error) => {
            let position = error.span.map(|span| Position::at(&text, span.start));
            Err(ConfigError::Syntax { location: Location { source, position }, message: error.message })
        }
    }
}

/// Reads a whole file of limited size; `None` when there is none.
fn read_bounded(path: &Path) -> Result<Option<Vec<u8>>, ConfigError> {
    // Without waiting, since opening a pipe that nobody writes would wait forever.
    let flags = OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::RDONLY;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => read_open(File::from(file), path).map(Some),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(ConfigError::Read { path: path.to_owned(), source: error.into() }),
    }
}

/// Reads an open file of limited size, if it is one.
fn read_open(file: File, path: &Path) -> Result<Vec<u8>, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        let kind = if metadata.is_dir() { "a directory" } else { "a pipe, socket or device" };
        return Err(ConfigError::NotAFile { path: path.to_owned(), kind });
    }
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too big; its stated length could change while reading.
    file.take(MAX_CONFIG_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_CONFIG_BYTES) {
        return Err(ConfigError::TooBig { path: path.to_owned() });
    }
    Ok(bytes)
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
    fn a_pipe_is_not_waited_for() {
        let dir = TestDir::new("config-file-pipe");
        rustix::fs::mknodat(rustix::fs::CWD, dir.path("p"), rustix::fs::FileType::Fifo, Mode::RUSR, 0)
            .unwrap();
        let error = read(&dir.path("p")).unwrap_err().to_string();
        assert!(error.ends_with("is a pipe, socket or device, not a regular file"), "{error}");
    }

    #[test]
    fn a_project_file_stays_in_its_project() {
        use std::os::unix::fs::symlink;
        let dir = TestDir::new("config-file-project");
        for folder in ["r/real", "out"] {
            fs::create_dir_all(dir.path(folder)).unwrap();
        }
        dir.write("r/real/config.toml", "a = 1");
        dir.write("out/config.toml", "a = 1");
        symlink("real", dir.path("r/inside")).unwrap();
        symlink("../out", dir.path("r/outside")).unwrap();
        symlink("../../out/config.toml", dir.path("r/real/linked.toml")).unwrap();
        symlink("config.toml", dir.path("r/real/alias.toml")).unwrap();
        symlink("nowhere", dir.path("r/real/dangling.toml")).unwrap();
        symlink("/dev/zero", dir.path("r/real/device.toml")).unwrap();
        let root = AbsolutePath::parse(fs::canonicalize(dir.path("r")).unwrap()).unwrap();
        let read = |name: &str| read_project_layer(&root, &dir.path("r").join(name));
        for name in ["real/config.toml", "inside/config.toml", "real/alias.toml"] {
            assert!(read(name).unwrap().is_some(), "{name}");
        }
        assert!(read("real/absent.toml").unwrap().is_none());
        for name in ["outside/config.toml", "real/linked.toml", "real/device.toml"] {
            let error = read(name).expect_err(name);
            assert!(matches!(error, ConfigError::OutsideProject { .. }), "{error}");
            assert!(error.to_string().contains("outside the project") && !error.help().is_empty());
        }
        fs::create_dir(dir.path("r/real/folder.toml")).unwrap();
        for (name, says) in [("dangling", "cannot read config file"), ("folder", "is a directory")] {
            let error = read(&format!("real/{name}.toml")).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert!(!error.help().contains("CODEX_HOME") && error.help().contains("trust_level"), "{error}");
        }
        let resolved = root.as_path().join("inside/config.toml");
        assert!(
            open_below(&root, resolved.strip_prefix(&root).unwrap()).is_err(),
            "no link is followed late"
        );
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
