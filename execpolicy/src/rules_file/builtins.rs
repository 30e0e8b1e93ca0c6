//! The three functions of rule files.

use std::collections::BTreeSet;

use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneType;

use super::arguments;
use super::collector::{Call, Examples, Fault};
use crate::rule::{HostExecutable, NetworkRule, PatternToken, PrefixRule};

/// The functions and their parameters in positional order.
pub(crate) const FUNCTIONS: [(&str, &[&str]); 3] = [
    ("prefix_rule", &["pattern", "decision", "match", "not_match", "justification", "canonical_matching"]),
    ("network_rule", &["host", "protocol", "decision", "justification"]),
    ("host_executable", &["name", "paths"]),
];

#[starlark_module]
pub(super) fn rule_functions(builder: &mut GlobalsBuilder) {
    fn prefix_rule<'v>(
        pattern: Value<'v>,
        decision: Option<Value<'v>>,
        r#match: Option<Value<'v>>,
        not_match: Option<Value<'v>>,
        justification: Option<Value<'v>>,
        canonical_matching: Option<Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneType> {
        let call = Call::of(eval)?;
        let given = Given { pattern, decision, r#match, not_match, justification, canonical_matching };
        add_prefix_rules(&call, given).map_err(|fault| call.refuse(fault))?;
        Ok(NoneType)
    }

    fn network_rule<'v>(
        host: Value<'v>,
        protocol: Value<'v>,
        decision: Value<'v>,
        justification: Option<Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneType> {
        let call = Call::of(eval)?;
        add_network_rule(&call, host, protocol, decision, justification)
            .map_err(|fault| call.refuse(fault))?;
        Ok(NoneType)
    }

    fn host_executable<'v>(
        name: Value<'v>,
        paths: Value<'v>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneType> {
        let call = Call::of(eval)?;
        add_host_executable(&call, name, paths).map_err(|fault| call.refuse(fault))?;
        Ok(NoneType)
    }
}

/// Makes a call without the interpreter. `arguments` are those of [`FUNCTIONS`], in that order; `None` when one
/// that has to be there is missing.
pub(super) fn apply<'v>(
    function: &str,
    call: &Call<'_>,
    arguments: &[Option<Value<'v>>],
) -> Option<Result<(), Fault>> {
    Some(match (function, arguments) {
        (
            "prefix_rule",
            &[Some(pattern), decision, r#match, not_match, justification, canonical_matching],
        ) => {
            let given = Given { pattern, decision, r#match, not_match, justification, canonical_matching };
            add_prefix_rules(call, given)
        }
        ("network_rule", &[Some(host), Some(protocol), Some(decision), justification]) => {
            add_network_rule(call, host, protocol, decision, justification)
        }
        ("host_executable", &[Some(name), Some(paths)]) => add_host_executable(call, name, paths),
        _ => return None,
    })
}

/// The arguments of `prefix_rule` as they came.
struct Given<'v> {
    pattern: Value<'v>,
    decision: Option<Value<'v>>,
    r#match: Option<Value<'v>>,
    not_match: Option<Value<'v>>,
    justification: Option<Value<'v>>,
    canonical_matching: Option<Value<'v>>,
}

fn add_prefix_rules(call: &Call<'_>, given: Given<'_>) -> Result<(), Fault> {
    let collector = call.collector;
    let (programs, rest) = arguments::pattern(given.pattern, collector)?;
    let decision = arguments::decision(given.decision)?;
    let matching = arguments::examples("match", given.r#match, collector)?;
    let not_matching = arguments::examples("not_match", given.not_match, collector)?;
    let justification = arguments::justification(given.justification, collector)?;
    let spelling = arguments::spelling(given.canonical_matching)?;
    collector.count(programs.len())?;
    count_copies(call, programs.len(), &rest, justification.as_deref())?;
    let mut declared = collector.declared();
    let first = declared.rules.prefix.len();
    declared.rules.prefix.extend(programs.into_iter().map(|program| PrefixRule {
        program,
        rest: rest.clone(),
        decision,
        justification: justification.clone(),
        spelling,
        origin: call.origin.clone(),
    }));
    let rules = first..declared.rules.prefix.len();
    if !matching.is_empty() || !not_matching.is_empty() {
        declared.examples.push(Examples { call: call.bytes.clone(), rules, matching, not_matching });
    }
    Ok(())
}

/// Each program's rule has its own copy of what follows; these count as if they were written.
fn count_copies(
    call: &Call<'_>,
    programs: usize,
    rest: &[PatternToken],
    justification: Option<&str>,
) -> Result<(), Fault> {
    for _ in 1..programs {
        let words = rest.iter().flat_map(PatternToken::alternatives).map(String::as_str);
        for word in words.chain(justification) {
            call.collector.count_word("pattern", word)?;
        }
    }
    Ok(())
}

fn add_network_rule(
    call: &Call<'_>,
    host: Value<'_>,
    protocol: Value<'_>,
    decision: Value<'_>,
    justification: Option<Value<'_>>,
) -> Result<(), Fault> {
    let rule = NetworkRule {
        host: arguments::host(host, call.collector)?,
        protocol: arguments::protocol(protocol)?,
        decision: arguments::network_decision(decision)?,
        justification: arguments::justification(justification, call.collector)?,
        origin: call.origin.clone(),
    };
    call.collector.count(1)?;
    call.collector.declared().rules.network.push(rule);
    Ok(())
}

fn add_host_executable(call: &Call<'_>, name: Value<'_>, paths: Value<'_>) -> Result<(), Fault> {
    let name = arguments::program_name(name, call.collector)?;
    let paths: BTreeSet<String> = arguments::paths(paths, name, call.collector)?.into_iter().collect();
    call.collector.count(1)?;
    let host = HostExecutable { name: name.to_owned(), paths, origin: call.origin.clone() };
    call.collector.declared().rules.host_executables.push(host);
    Ok(())
}
