//! Reading scripts. Target: 2,000 commands in 10 ms.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use execpolicy::shell::{Dialect, read};

fn shell(c: &mut Criterion) {
    let and = vec!["git status"; 2_000].join(" && ");
    let pipe = vec!["git status"; 2_000].join(" | ");
    let opaque = vec!["git status \"$X\""; 2_000].join(" && ");
    let nested = format!("{}id{}", "echo $(".repeat(50), ")".repeat(50));
    for (name, script) in [
        ("one command", "git status"),
        ("2,000 commands joined by &&", and.as_str()),
        ("2,000 commands joined by |", pipe.as_str()),
        ("2,000 opaque commands", opaque.as_str()),
        ("50 nested substitutions", nested.as_str()),
    ] {
        c.bench_function(name, |b| b.iter(|| read(black_box(script), Dialect::Bash)));
    }
}

criterion_group!(benches, shell);
criterion_main!(benches);
