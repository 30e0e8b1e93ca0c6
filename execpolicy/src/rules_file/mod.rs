//! Rule files: text to [`RuleSet`].
//!
//! The language is Starlark with type annotations, top-level statements and f-strings, its standard
//! functions, and `prefix_rule`, `network_rule` and `host_executable`. There is no `load` and no `print`.
//! A file counts as a whole or, at its first error, not at all.

mod arguments;
mod builtins;
mod collector;
mod error;
mod examples;
mod facts;
mod fault;
mod guards;
pub(crate) mod host;
mod names;
mod place;
mod shape;
mod workload;

use std::sync::LazyLock;

use starlark::codemap::FileSpanRef;
use starlark::environment::{Globals, GlobalsBuilder, Module};
use starlark::eval::{BeforeStmtFunc, BeforeStmtFuncDyn, Evaluator};
use starlark::syntax::{AstModule, Dialect};
use starlark::values::any::StarlarkAny;

pub(crate) use self::builtins::FUNCTIONS;
pub(crate) use self::collector::{Data, byte_range};
pub use self::error::RuleFileError;
pub(crate) use self::error::Source;
pub use self::workload::Workload;
use crate::policy::Policy;
use crate::rule::RuleSet;
use collector::{Collector, Declared};

/// Bounds on a rule file and on what evaluating it may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The text, in bytes.
    pub file_bytes: usize,
    /// Loop turns and calls.
    pub steps: u64,
    /// Bytes of values, live and dead.
    pub heap_bytes: usize,
    /// Calls within calls.
    pub call_depth: usize,
    /// Rules of all three kinds; an inner list in the first place of a pattern counts once per name.
    pub rules: usize,
    /// Words of patterns, examples and paths, and other texts of rules.
    pub words: usize,
    /// The bytes of these words.
    pub word_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 1 << 20,
            steps: 1_000_000,
            heap_bytes: 64 << 20,
            // The interpreter's own default: what files could rely on so far.
            call_depth: 50,
            rules: 100_000,
            words: 300_000,
            word_bytes: 16 << 20,
        }
    }
}

/// For the deepest text that [`shape`] lets through, in an unoptimised build. Reserved, not used.
const STACK_BYTES: usize = 64 << 20;

/// A comment by which a file asks the library for a static check of its types, whose cost has no bound that
/// we know: such a file is a program, and gets the stack of one.
const STATIC_TYPES: &str = "@starlark-rust: typecheck";

/// How the interpreter begins its own message about this.
const HEAP_EXHAUSTED: &str = "Heap memory limit";

/// Extended, with f-strings and without `load`.
const DIALECT: Dialect = Dialect { enable_f_strings: true, enable_load: false, ..Dialect::Extended };

static GLOBALS: LazyLock<Globals> = LazyLock::new(|| {
    GlobalsBuilder::standard().with(guards::guarded_functions).with(builtins::rule_functions).build()
});

/// Evaluates a rule file. `name` is what errors and origins call it; `earlier` holds the files before it,
/// whose `host_executable` lists count when examples are checked.
///
/// In process. For what a file that is a [`Workload::Program`] can do to the process, see there.
///
/// # Errors
/// The first thing that is wrong with the file. Nothing of it may be used then.
pub fn load(name: &str, text: &str, earlier: &Policy, limits: &Limits) -> Result<RuleSet, RuleFileError> {
    on_enough_stack(&Source { name, text }, limits, |ast, source| evaluate(ast, source, earlier, limits))
}

/// Evaluates a rule file that is [`Workload::Data`], which is safe in any process; `None` for another, which
/// [`load`] evaluates, best in a process of its own.
///
/// # Errors
/// As [`load`].
pub fn load_data(
    name: &str,
    text: &str,
    earlier: &Policy,
    limits: &Limits,
) -> Result<Option<RuleSet>, RuleFileError> {
    on_enough_stack(&Source { name, text }, limits, |ast, source| match workload::of(&ast, source.text) {
        Workload::Data => evaluate(ast, source, earlier, limits).map(Some),
        Workload::Program => Ok(None),
    })
}

/// Parses a file that keeps all bounds on its text and hands on its tree, on a thread of its own unless the
/// tree is so flat that any stack will do.
pub(crate) fn on_enough_stack<T: Send>(
    source: &Source<'_>,
    limits: &Limits,
    then: impl FnOnce(AstModule, &Source<'_>) -> Result<T, RuleFileError> + Send,
) -> Result<T, RuleFileError> {
    if source.text.len() > limits.file_bytes {
        let message = format!("the file is larger than {} bytes", limits.file_bytes);
        return Err(source.error(0..0, message, Some("split it into several files".to_owned())));
    }
    let depth = shape::check(source, &DIALECT)?;
    let work = || parse(source).and_then(|ast| then(ast, source));
    match depth {
        shape::Depth::Shallow => work(),
        shape::Depth::Deep => std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
            let joined = thread.spawn_scoped(scope, work).map(std::thread::ScopedJoinHandle::join);
            match joined {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err(source.error(0..0, "evaluating the file failed", None)),
                Err(_) => Err(source.error(0..0, "no thread could be started to evaluate the file", None)),
            }
        }),
    }
}

/// Only for texts that have passed [`shape::check`].
fn parse(source: &Source<'_>) -> Result<AstModule, RuleFileError> {
    AstModule::parse(source.name, source.text.to_owned(), &DIALECT)
        .map_err(|error| fault::from_interpreter(source, &error))
}

fn evaluate(
    ast: AstModule,
    source: &Source<'_>,
    earlier: &Policy,
    limits: &Limits,
) -> Result<RuleSet, RuleFileError> {
    let declared = declare(ast, source, limits)?;
    if !declared.examples.is_empty() {
        let mut hosts = earlier.host_executables().clone();
        hosts.extend(declared.rules.host_executables.iter().map(|host| (host.name.clone(), host.clone())));
        examples::check(&declared, &hosts).map_err(|(call, fault)| locate(source, call, &fault))?;
    }
    Ok(declared.rules)
}

/// Evaluates without trying the examples.
fn declare(ast: AstModule, source: &Source<'_>, limits: &Limits) -> Result<Declared, RuleFileError> {
    let workload = workload::of(&ast, source.text);
    if workload == Workload::Data {
        let collector = Collector::new(source.name, *limits);
        if facts::declare(&ast, &collector).is_some() {
            return Ok(std::mem::take(&mut *collector.declared()));
        }
        // The interpreter compares each unknown name with each known one.
        if let Some((name, bytes)) = names::unknown(&ast, &GLOBALS) {
            return Err(fault::of_unknown_name(source, &name, bytes));
        }
    }
    let collector = StarlarkAny::new(Collector::new(source.name, *limits));
    let evaluated = run(ast, workload, &collector);
    let declared = std::mem::take(&mut *collector.declared());
    if let Some((call, fault)) = &declared.fault {
        return Err(locate(source, call.clone(), fault));
    }
    evaluated.map_err(|error| fault::of_evaluation(source, &error, parse(source)))?;
    Ok(declared)
}

/// The rules and examples of a file that is [`Workload::Data`], without lines; none of another file.
pub(crate) fn data(name: &str, text: &str) -> Result<Option<Data>, RuleFileError> {
    let limits = Limits::default();
    on_enough_stack(&Source { name, text }, &limits, |ast, source| match workload::of(&ast, source.text) {
        Workload::Data => Ok(Some(declare(ast, source, &limits)?.without_places())),
        Workload::Program => Ok(None),
    })
}

fn run(mut ast: AstModule, workload: Workload, collector: &StarlarkAny<Collector>) -> starlark::Result<()> {
    ast.replace_binary_operators(&guards::replaced_operators());
    let limits = collector.limits;
    Module::with_temp_heap(|module| {
        let mut evaluator = Evaluator::new(&module);
        evaluator.set_max_tick_count(limits.steps)?;
        evaluator.set_max_heap_size(limits.heap_bytes)?;
        evaluator.set_max_callstack_size(limits.call_depth)?;
        evaluator.extra = Some(collector);
        if workload == Workload::Program {
            let watch = HeapWatch { bytes: limits.heap_bytes };
            evaluator.before_stmt_for_dap(BeforeStmtFunc::from_dyn(Box::new(watch)));
        }
        evaluator.eval_module(ast, &GLOBALS).map(|_| ())
    })
}

/// Compares the heap with its bound before each statement. By itself the interpreter does so every thousand
/// steps, in which `x += x` reaches any size.
struct HeapWatch {
    bytes: usize,
}

impl<'e> BeforeStmtFuncDyn<'e> for HeapWatch {
    fn call<'v>(
        &mut self,
        _: FileSpanRef<'_>,
        _: bool,
        evaluator: &mut Evaluator<'v, '_, 'e>,
    ) -> starlark::Result<()> {
        let HeapWatch { bytes } = *self;
        if evaluator.heap().peak_allocated_bytes() > bytes {
            return Err(starlark::Error::new_other(anyhow::anyhow!("{HEAP_EXHAUSTED}")));
        }
        Ok(())
    }
}

/// A refused call, with the place of the argument it is about. The tree was consumed by the evaluation.
fn locate(source: &Source<'_>, call: std::ops::Range<usize>, fault: &collector::Fault) -> RuleFileError {
    let bytes = match parse(source) {
        Ok(ast) => place::of(ast.statement(), call, fault),
        Err(_) => call,
    };
    source.error(bytes, fault.message.clone(), fault.help.clone())
}
