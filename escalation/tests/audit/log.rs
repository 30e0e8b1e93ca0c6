//! A log in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};

use escalation::SessionId;
use escalation::audit::{AUDIT_FILE, Audit, Entry, Filter, Records, Report, Retention, verify};

use crate::events::{all, revoked};

pub(crate) struct Log {
    home: tempfile::TempDir,
}

pub(crate) fn session(name: &str) -> SessionId {
    SessionId::parse(name).unwrap()
}

impl Log {
    /// Without anything in it.
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    /// With one record of each kind.
    pub(crate) fn filled() -> Self {
        let log = Self::new();
        let audit = log.open();
        for event in all() {
            assert!(audit.record(&event).is_ok());
        }
        log
    }

    /// With some short records.
    pub(crate) fn short(count: u64) -> Self {
        let log = Self::new();
        let audit = log.open();
        for seq in 1..=count {
            assert_eq!(audit.record(&revoked(seq)).unwrap().seq, seq);
        }
        log
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.home.path().join("audit")
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder().join(AUDIT_FILE)
    }

    pub(crate) fn open(&self) -> Audit {
        Audit::open(self.folder(), session("s")).unwrap()
    }

    /// With files that hold only a few records.
    pub(crate) fn open_small(&self, old_files: usize) -> Audit {
        let retention = Retention { file_bytes: 1000, old_files };
        Audit::open_with(self.folder(), session("s"), retention).unwrap()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        fs::read(self.file()).unwrap()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        fs::read_to_string(self.file()).unwrap().lines().map(str::to_owned).collect()
    }

    pub(crate) fn set(&self, bytes: &[u8]) {
        fs::write(self.file(), bytes).unwrap();
    }

    pub(crate) fn verify(&self) -> Report {
        verify(&self.folder(), None).unwrap()
    }
}

pub(crate) fn entries(folder: &Path) -> Vec<Entry> {
    Records::open(folder, Filter::default()).unwrap().map(Result::unwrap).collect()
}
