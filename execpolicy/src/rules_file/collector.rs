//! What the calls of one file declare, gathered while it runs.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use starlark::eval::Evaluator;
use starlark::values::any::StarlarkAny;

use super::Limits;
use crate::Origin;
use crate::rule::RuleSet;

/// What is wrong with one argument of a call. The place in the text is found afterwards.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// The parameter, if it is about one.
    pub(super) parameter: Option<&'static str>,
    /// The item of a list, and of a list within, if it is about one.
    pub(super) items: Vec<usize>,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Fault {
    pub(super) fn new(parameter: &'static str, message: impl Into<String>) -> Self {
        Self { parameter: Some(parameter), items: Vec::new(), message: message.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same about one item of the list.
    pub(super) fn at(mut self, item: usize) -> Self {
        self.items.insert(0, item);
        self
    }
}

/// The examples of one `prefix_rule` call.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Examples {
    /// Where the call stands, in bytes.
    pub(super) call: Range<usize>,
    /// The rules of the call, by their position in the file.
    pub(super) rules: Range<usize>,
    pub(super) matching: Vec<Vec<String>>,
    pub(super) not_matching: Vec<Vec<String>>,
}

/// Everything that the file has declared so far.
#[derive(Debug, Default)]
pub(super) struct Declared {
    pub(super) rules: RuleSet,
    pub(super) examples: Vec<Examples>,
    /// Rules, hosts and names, against [`Limits::rules`].
    count: usize,
    /// Words of patterns and examples, against [`Limits::words`].
    words: usize,
    /// Their bytes, against [`Limits::word_bytes`].
    word_bytes: usize,
    /// The first call that was refused, and its place.
    pub(super) fault: Option<(Range<usize>, Fault)>,
}

/// What a file declares, whatever the lines on which it does so.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Data {
    rules: RuleSet,
    examples: Vec<Examples>,
}

impl Declared {
    pub(super) fn without_places(mut self) -> Data {
        let nowhere = Origin::new("", 0);
        self.rules.prefix.iter_mut().for_each(|rule| rule.origin = nowhere.clone());
        self.rules.network.iter_mut().for_each(|rule| rule.origin = nowhere.clone());
        self.rules.host_executables.iter_mut().for_each(|host| host.origin = nowhere.clone());
        self.examples.iter_mut().for_each(|examples| examples.call = 0..0);
        Data { rules: self.rules, examples: self.examples }
    }
}

/// Shared with the functions of the language through `Evaluator::extra`, inside the library's own wrapper:
/// only its types may travel there without an unsafe trait of ours, and these have to be `Sync`.
#[derive(Debug)]
pub(super) struct Collector {
    pub(super) file: Arc<str>,
    pub(super) limits: Limits,
    declared: Mutex<Declared>,
}

impl Collector {
    pub(super) fn new(file: &str, limits: Limits) -> Self {
        Self { file: file.into(), limits, declared: Mutex::default() }
    }

    pub(super) fn declared(&self) -> MutexGuard<'_, Declared> {
        self.declared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more declaration, or several from one call.
    pub(super) fn count(&self, declarations: usize) -> Result<(), Fault> {
        let mut declared = self.declared();
        declared.count = declared.count.saturating_add(declarations);
        if declared.count > self.limits.rules {
            let message = format!("the file declares more than {} rules", self.limits.rules);
            return Err(Fault { parameter: None, items: Vec::new(), message, help: None });
        }
        Ok(())
    }

    /// Counts one more word. One list may be named by any number of calls, so that what a file declares can
    /// be the square of its length.
    pub(super) fn count_word(&self, parameter: &'static str, word: &str) -> Result<(), Fault> {
        let mut declared = self.declared();
        declared.words = declared.words.saturating_add(1);
        declared.word_bytes = declared.word_bytes.saturating_add(word.len());
        if declared.words > self.limits.words || declared.word_bytes > self.limits.word_bytes {
            return Err(Fault::new(parameter, "the words of the file's rules are too many"));
        }
        Ok(())
    }
}

/// The call that is being made: what it is part of, where it stands and its line.
pub(super) struct Call<'a> {
    pub(super) collector: &'a Collector,
    pub(super) bytes: Range<usize>,
    pub(super) origin: Origin,
}

impl<'a> Call<'a> {
    pub(super) fn of(eval: &Evaluator<'_, 'a, '_>) -> starlark::Result<Self> {
        let collector = eval
            .extra
            .and_then(|extra| extra.downcast_ref::<StarlarkAny<Collector>>())
            .ok_or_else(|| starlark::Error::new_other(anyhow::anyhow!("rules are declared nowhere")))?;
        let span = eval.call_stack_top_location();
        let line = span.as_ref().map_or(0, |span| span.resolve_span().begin.line.saturating_add(1));
        let bytes = span.map_or(0..0, |span| byte_range(span.span));
        let origin = Origin::new(Arc::clone(&collector.file), u32::try_from(line).unwrap_or(u32::MAX));
        Ok(Self { collector, bytes, origin })
    }

    /// Remembers what is wrong with the call and ends the evaluation.
    pub(super) fn refuse(&self, fault: Fault) -> starlark::Error {
        let error = anyhow::anyhow!("{}", fault.message);
        self.collector.declared().fault.get_or_insert((self.bytes.clone(), fault));
        starlark::Error::new_other(error)
    }
}

/// A span of the library as a range of bytes.
pub(crate) fn byte_range(span: starlark::codemap::Span) -> Range<usize> {
    let index = |pos: starlark::codemap::Pos| usize::try_from(pos.get()).unwrap_or(usize::MAX);
    index(span.begin())..index(span.end())
}
