//! Operators and functions whose result can be far larger than what they are given, with a bound.
//!
//! The interpreter counts steps and heap bytes only between steps, so one step that makes a huge value would
//! end the process before it is counted. What cannot be replaced here (`*=`, methods of strings and lists)
//! is why [`super::workload`] exists.

use std::collections::HashMap;
use std::num::NonZeroI32;

use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::list::ListRef;
use starlark::values::range::Range;
use starlark::values::tuple::TupleRef;
use starlark::values::{Heap, Value};

/// Bytes of a string, or items of a list, that one operation may make: the size of a rule file.
const MAX_LENGTH: usize = 1 << 20;
/// Bits of an integer that may still be multiplied.
const MAX_FACTOR_BITS: i32 = 4096;
/// Levels of nested values that are looked at for their printed length.
const MAX_LEVELS: usize = 50;

const MULTIPLY: &str = "__guarded_multiply__";
const ADD: &str = "__guarded_add__";
const FORMAT: &str = "__guarded_format__";

/// Whether a file may not use this name, because an operator goes by it.
pub(super) fn reserved(name: &str) -> bool {
    [MULTIPLY, ADD, FORMAT].contains(&name)
}

/// The operators that are calls of the functions below.
pub(super) fn replaced_operators() -> HashMap<String, String> {
    [("*", MULTIPLY), ("+", ADD), ("%", FORMAT)]
        .map(|(operator, function)| (operator.to_owned(), function.to_owned()))
        .into()
}

#[starlark_module]
pub(super) fn guarded_functions(builder: &mut GlobalsBuilder) {
    fn __guarded_multiply__<'v>(
        #[starlark(require = pos)] left: Value<'v>,
        #[starlark(require = pos)] right: Value<'v>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let heap = eval.heap();
        if !factors_are_small(left, right, heap)? {
            return Err(too_large("multiplication"));
        }
        left.mul(right, heap)
    }

    fn __guarded_add__<'v>(
        #[starlark(require = pos)] left: Value<'v>,
        #[starlark(require = pos)] right: Value<'v>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let length = items(left).unwrap_or(0).saturating_add(items(right).unwrap_or(0));
        if length > MAX_LENGTH {
            return Err(too_large("addition"));
        }
        left.add(right, eval.heap())
    }

    fn __guarded_format__<'v>(
        #[starlark(require = pos)] left: Value<'v>,
        #[starlark(require = pos)] right: Value<'v>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let mut left_over = MAX_LENGTH;
        if left.unpack_str().is_some()
            && !(prints_within(left, &mut left_over, 0) && prints_within(right, &mut left_over, 0))
        {
            return Err(too_large("formatting"));
        }
        left.percent(right, eval.heap())
    }

    fn range(
        #[starlark(require = pos)] first: i32,
        #[starlark(require = pos)] second: Option<i32>,
        #[starlark(require = pos, default = 1)] step: i32,
    ) -> anyhow::Result<Range> {
        let (start, stop) = second.map_or((0, first), |stop| (first, stop));
        let Some(step) = NonZeroI32::new(step) else {
            return Err(anyhow::anyhow!("the third argument of `range` (step) cannot be zero"));
        };
        let distance = i64::from(start).abs_diff(i64::from(stop));
        if usize::try_from(distance / u64::from(step.get().unsigned_abs())).is_ok_and(|n| n <= MAX_LENGTH) {
            return Ok(Range::new(start, stop, step));
        }
        Err(anyhow::anyhow!("the range is too long: a rule file may count to {MAX_LENGTH}"))
    }
}

fn too_large(what: &str) -> starlark::Error {
    starlark::Error::new_other(anyhow::anyhow!("the result of the {what} is too large for a rule file"))
}

/// The length of what can be repeated and joined.
fn items(value: Value<'_>) -> Option<usize> {
    value
        .unpack_str()
        .map(str::len)
        .or_else(|| ListRef::from_value(value).map(|list| list.len()))
        .or_else(|| TupleRef::from_value(value).map(TupleRef::len))
}

fn factors_are_small<'v>(left: Value<'v>, right: Value<'v>, heap: Heap<'v>) -> starlark::Result<bool> {
    match (items(left), items(right)) {
        (Some(length), None) => Ok(repeats_within(length, right)),
        (None, Some(length)) => Ok(repeats_within(length, left)),
        (Some(_), Some(_)) => Ok(true),
        (None, None) => Ok(is_small(left, heap)? && is_small(right, heap)?),
    }
}

fn repeats_within(length: usize, times: Value<'_>) -> bool {
    match times.unpack_i32() {
        Some(times) => {
            usize::try_from(times).map_or(true, |times| length.saturating_mul(times) <= MAX_LENGTH)
        }
        // Not an integer is an error that the operator itself reports; a huge one repeats nothing only.
        None => times.get_type() != "int" || length == 0,
    }
}

fn is_small<'v>(value: Value<'v>, heap: Heap<'v>) -> starlark::Result<bool> {
    if value.unpack_i32().is_some() || value.get_type() != "int" {
        return Ok(true);
    }
    let bound = heap.alloc(1).left_shift(heap.alloc(MAX_FACTOR_BITS), heap)?;
    let size = if value.compare(heap.alloc(0))?.is_lt() { value.minus(heap)? } else { value };
    Ok(size.compare(bound)?.is_lt())
}

/// Whether the text of the value, about, fits into what is left over, which is used up.
fn prints_within(value: Value<'_>, left_over: &mut usize, level: usize) -> bool {
    let own = value.unpack_str().map_or(16, str::len);
    let Some(left) = left_over.checked_sub(own) else { return false };
    *left_over = left;
    let inner = ListRef::from_value(value)
        .map(|list| list.content())
        .or_else(|| TupleRef::from_value(value).map(TupleRef::content));
    match inner {
        Some(inner) if level < MAX_LEVELS => {
            inner.iter().all(|item| prints_within(*item, left_over, level.saturating_add(1)))
        }
        Some(inner) => inner.is_empty(),
        None => true,
    }
}
