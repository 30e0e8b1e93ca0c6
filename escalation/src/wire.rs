//! Asks as OpenAI's Codex app-server sends them to its clients: the method and the parameters of a request.
//!
//! What belongs here: names and shapes; in `reason`, what there is no field for. What is offered is decided in
//! `ask.rs`, and answers are read in `answer.rs`.

mod reason;

use execpolicy::summary::to_app_api;
use policies::{AbsolutePath, Access, AdditionalPermissions, EntryPath};
use serde_json::{Map, Value, json};

use crate::ask::Ask;
use crate::subject::{
    ExecSubject, FileChangeSubject, NetworkSubject, PermissionsSubject, StdinSubject, SubcommandSubject,
    Subject,
};

/// The method of questions about commands, programs that they start, input for them, and hosts.
pub const COMMAND_APPROVAL: &str = "item/commandExecution/requestApproval";
/// The method of questions about files.
pub const FILE_CHANGE_APPROVAL: &str = "item/fileChange/requestApproval";
/// The method of questions for more permissions.
pub const PERMISSIONS_APPROVAL: &str = "item/permissions/requestApproval";

/// The parameters that only clients get which said `experimentalApi`; take them out for others.
pub const EXPERIMENTAL_PARAMETERS: [&str; 1] = ["additionalPermissions"];

/// The request that puts an ask to a client of a thread: its method, and its parameters. The same ask gives the same
/// request, whenever it is sent.
pub fn request_approval(ask: &Ask, thread_id: &str) -> (&'static str, Value) {
    let (method, of_subject) = match &ask.subject {
        Subject::Exec(exec) => (COMMAND_APPROVAL, command(ask, of_exec(exec))),
        Subject::Retry(retry) => (COMMAND_APPROVAL, command(ask, of_exec(&retry.exec))),
        Subject::Subcommand(subcommand) => (COMMAND_APPROVAL, command(ask, of_subcommand(subcommand))),
        Subject::StdinWrite(stdin) => (COMMAND_APPROVAL, command(ask, of_stdin(stdin))),
        Subject::Network(network) => (COMMAND_APPROVAL, command(ask, of_network(ask, network))),
        Subject::FileChange(change) => (FILE_CHANGE_APPROVAL, of_files(change)),
        Subject::Permissions(permissions) => (PERMISSIONS_APPROVAL, of_permissions(permissions)),
    };
    let mut params = object(json!({
        "threadId": thread_id,
        "turnId": ask.call.turn.0,
        "itemId": ask.call.item,
        "startedAtMs": ask.started_at_ms,
    }));
    if let Some(reason) = reason::of(ask) {
        params.insert("reason".to_owned(), json!(reason));
    }
    params.extend(of_subject);
    (method, Value::Object(params))
}

/// What all questions about commands have.
fn command(ask: &Ask, of_subject: Map<String, Value>) -> Map<String, Value> {
    let mut params = object(json!({ "kind": "command" }));
    if let Some(id) = &ask.approval_id {
        params.insert("approvalId".to_owned(), json!(id));
    }
    if let Some(amendment) = ask.amendments.first() {
        params.insert("proposedExecpolicyAmendment".to_owned(), json!(amendment.prefix));
    }
    params.insert("availableDecisions".to_owned(), json!(ask.available_decisions));
    params.extend(of_subject);
    params
}

fn of_exec(exec: &ExecSubject) -> Map<String, Value> {
    let cwd = exec.cwd.as_path().to_string_lossy();
    let actions: Vec<Value> = exec.summary.iter().map(|summary| to_app_api(summary, &cwd)).collect();
    let mut params = object(json!({
        "environmentId": exec.environment_id,
        "command": execpolicy::shell::join(&exec.argv),
        "cwd": cwd,
        "commandActions": actions,
    }));
    if let Some(additional) = &exec.additional {
        params.insert("additionalPermissions".to_owned(), permissions_json(additional));
    }
    params
}

/// The file that would be executed stands for argument 0, which the running command chose.
fn of_subcommand(subcommand: &SubcommandSubject) -> Map<String, Value> {
    let program = text(&subcommand.program);
    let argv: Vec<String> = std::iter::once(program).chain(subcommand.argv.iter().skip(1).cloned()).collect();
    object(json!({
        "environmentId": crate::exec::LOCAL,
        "command": execpolicy::shell::join(&argv),
        "cwd": text(&subcommand.cwd),
    }))
}

fn of_stdin(stdin: &StdinSubject) -> Map<String, Value> {
    object(json!({
        "kind": "writeStdin",
        "environmentId": crate::exec::LOCAL,
        "command": execpolicy::shell::join(&stdin.argv),
    }))
}

/// No command: one that asks for hosts is not asked about again.
fn of_network(ask: &Ask, network: &NetworkSubject) -> Map<String, Value> {
    object(json!({
        "environmentId": network.environment_id,
        "networkApprovalContext": { "host": network.host, "protocol": network.protocol_name() },
        "proposedNetworkPolicyAmendments": ask.subject.host_amendments(),
    }))
}

fn of_files(change: &FileChangeSubject) -> Map<String, Value> {
    let root = change.grant_root.as_ref();
    root.map(|root| ("grantRoot".to_owned(), json!(text(root)))).into_iter().collect()
}

fn of_permissions(asked: &PermissionsSubject) -> Map<String, Value> {
    object(json!({
        "environmentId": asked.environment_id,
        "cwd": text(&asked.cwd),
        "permissions": permissions_json(&asked.permissions),
    }))
}

/// Permissions with their files twice: as entries, and in the older lists, which can say less.
fn permissions_json(permissions: &AdditionalPermissions) -> Value {
    let network = permissions.network.is_enabled().then(|| json!({ "enabled": true }));
    let listed = |access| -> Vec<String> {
        let entries = permissions.entries.iter().filter(|entry| entry.access == access);
        let path = |path: &EntryPath| match path {
            EntryPath::Path(path) => Some(text(path)),
            EntryPath::Glob(_) | EntryPath::Special { .. } => None,
        };
        entries.filter_map(|entry| path(&entry.path)).collect()
    };
    let files = (!permissions.entries.is_empty()).then(|| {
        let mut files = object(json!({
            "read": listed(Access::Read),
            "write": listed(Access::Write),
            "entries": permissions.entries,
        }));
        if let Some(depth) = permissions.glob_scan_max_depth {
            files.insert("globScanMaxDepth".to_owned(), json!(depth));
        }
        files
    });
    json!({ "network": network, "fileSystem": files })
}

/// As JSON can hold it.
fn text(path: &AbsolutePath) -> String {
    path.as_path().to_string_lossy().into_owned()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

#[cfg(test)]
mod tests;
