//! Answers through pipes, as programs give them: a letter and a newline.

use std::io::{PipeWriter, Write as _, pipe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use escalation::Answer;
use escalation::approver::{Approver as _, ApproverError, Look, Terminal};

use super::host::ask;
use super::session::LATER;

/// A terminal that is none, and where to write answers.
fn piped() -> (Terminal, PipeWriter) {
    let (input, answers) = pipe().unwrap();
    let output = std::fs::File::options().write(true).open("/dev/null").unwrap();
    (Terminal::on(input.into(), output.into(), Look::plain()).unwrap(), answers)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

fn failed(why: &str) -> Result<Answer, ApproverError> {
    Err(ApproverError::Failed { why: why.to_owned() })
}

pub(super) fn lines_are_answers() {
    let (terminal, mut answers) = piped();
    // What was there before the question is none.
    answers.write_all(b"y\ny\n").unwrap();
    let answered = Arc::new(AtomicBool::new(false));
    let is_answered = Arc::clone(&answered);
    let writer = thread::spawn(move || {
        for line in ["yes\n", "\n", "y\ny\n"] {
            thread::sleep(LATER);
            answers.write_all(line.as_bytes()).unwrap();
        }
        // On a busy machine two lines may arrive as one.
        while !is_answered.load(Ordering::Acquire) {
            thread::sleep(LATER);
            answers.write_all(b"n\n").unwrap();
        }
        answers
    });
    assert_eq!(runtime().block_on(terminal.ask(ask("make"))), Ok(Answer::Decline));
    answered.store(true, Ordering::Release);
    drop(writer.join().unwrap());
}

pub(super) fn its_end_is_a_failure() {
    for last in ["", "y"] {
        let (terminal, mut answers) = piped();
        let writer = thread::spawn(move || {
            thread::sleep(LATER);
            answers.write_all(last.as_bytes()).unwrap();
        });
        assert_eq!(runtime().block_on(terminal.ask(ask("make"))), failed("the input ended"));
        writer.join().unwrap();
        // And so it stays.
        assert_eq!(runtime().block_on(terminal.ask(ask("make"))), failed("the input ended"));
    }
}

pub(super) fn dropping_it_answers_nothing() {
    let (terminal, answers) = piped();
    let waited = runtime().block_on(async {
        tokio::time::timeout(Duration::from_millis(200), terminal.ask(ask("make"))).await
    });
    assert!(waited.is_err());
    let began = Instant::now();
    drop(terminal);
    // Where nobody takes the question away, dropping gives up after two seconds.
    assert!(began.elapsed() < Duration::from_millis(1800), "{:?}", began.elapsed());
    drop(answers);
}

pub(super) fn more_questions_than_fit_are_refused() {
    let (terminal, answers) = piped();
    let mut waiting: Vec<_> = (0..1100).map(|_| terminal.ask(ask("make"))).collect();
    let last = waiting.pop().unwrap();
    assert_eq!(runtime().block_on(last), failed("1024 questions wait already"));
    // Those that nobody waits for any more make room.
    waiting.clear();
    drop(answers);
    assert_eq!(runtime().block_on(terminal.ask(ask("make"))), failed("the input ended"));
}
