//! `codex requirements check`: mistakes in files of an administrator.

use std::path::Path;
use std::process::ExitCode;

use policies::AbsolutePath;
use policies::requirements::lint::{Remark, Severity, lint};
use policies::requirements::{RequirementsContext, RequirementsText};
use policies::{LayerSource, admin};
use serde_json::json;

use super::arguments::CheckArguments;
use crate::caller::Caller;
use crate::report::{Failure, print, print_json, visible_lines};

/// Prints what is wrong with each file.
pub(super) fn check(arguments: &CheckArguments) -> Result<ExitCode, Failure> {
    let caller = Caller::look_around(None)?;
    let (hostname, account_home) = (sandbox::probe::hostname(), sandbox::probe::account_home());
    let context = RequirementsContext {
        hostname: &hostname,
        home: caller.home.as_ref(),
        account_home: account_home.as_ref(),
    };
    let mut sound = true;
    let mut results = Vec::new();
    for file in &arguments.files {
        let text = read(file, &caller.cwd)?;
        let remarks = lint(&text, context);
        sound &= !remarks.iter().any(|remark| arguments.strict || remark.severity == Severity::Error);
        results.push((file, remarks));
    }
    if arguments.json {
        let list: Vec<_> = results
            .iter()
            .map(|(file, remarks)| {
                let remarks: Vec<_> = remarks.iter().map(to_json).collect();
                json!({ "file": policies::escape(file), "remarks": remarks })
            })
            .collect();
        print_json(&list)?;
    } else {
        let text: String = results.iter().map(|(file, remarks)| page(file, remarks)).collect();
        print(&text)?;
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The remarks about one file.
fn page(file: &Path, remarks: &[Remark]) -> String {
    let file = policies::escape(file);
    if remarks.is_empty() {
        return format!("{file}: no mistakes found\n");
    }
    let line = |remark: &Remark| {
        let Remark { severity, location, message, help } = remark;
        format!("{}: {location}: {message}\n  help: {help}\n", word(*severity))
    };
    visible_lines(&remarks.iter().map(line).collect::<String>())
}

fn to_json(remark: &Remark) -> serde_json::Value {
    let Remark { severity, location, message, help } = remark;
    json!({
        "severity": word(*severity),
        "line": location.position.as_ref().map(|position| position.line),
        "column": location.position.as_ref().map(|position| position.column),
        "message": message,
        "help": help,
    })
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// A file that is not yet where it will be: who owns it does not matter here.
fn read(file: &Path, cwd: &AbsolutePath) -> Result<RequirementsText, Failure> {
    let text = crate::execpolicy::read_text(file, admin::MAX_ADMIN_BYTES)?;
    let path = AbsolutePath::parse(cwd.as_path().join(file))?;
    let folder = path.parent().unwrap_or_else(AbsolutePath::root);
    let source = LayerSource::RequirementsFile(file.to_owned());
    Ok(RequirementsText { source, text, folder })
}
