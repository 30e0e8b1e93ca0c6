//! One question at the terminal, from its first row to its answer.
//!
//! INVARIANT (deliberate): a key answers only if nothing arrived for [`QUIET`] before the first one, and if it
//! arrived by itself. So keys that were meant for something else, and pastes, answer nothing.

use std::io;
use std::time::{Duration, Instant};

use super::device::{Device, Modes, Woken};
use super::fresh;
use super::keys::{self, Choice, Decoder, Key};
use super::look::{Keys, Look};
use super::offer::{Offer, offers};
use super::render::{self, NOTE_COLUMNS, Question, View};
use super::turn::{Turn, Turns};
use crate::answer::Answer;
use crate::ask::Ask;

/// How long nothing must have been typed before the first key counts.
pub(super) const QUIET: Duration = Duration::from_millis(300);
/// What arrives with no more than this between it arrived at once.
const AT_ONCE: Duration = Duration::from_millis(100);
/// The same behind an Escape, which other keys begin with.
const AT_ONCE_ESCAPE: Duration = Duration::from_millis(200);
/// How long the rest of something that was begun is waited for.
const BEGUN_LIMIT: Duration = Duration::from_secs(2);
/// How often the size and the modes of the terminal are looked at.
const TICK: Duration = Duration::from_millis(250);
/// What takes this much longer than it was to take was stopped meanwhile, as by Ctrl-Z in another window.
const STOPPED: Duration = Duration::from_secs(1);
/// How often is looked whether another program has ended asking.
const TURN_INTERVAL: Duration = Duration::from_millis(100);
/// The most that is kept of what arrived at once.
const MAX_BURST: usize = 4096;
/// To the row above, which is emptied. ECMA-48, CUU and EL.
const ROW_ABOVE: &str = "\u{1b}[A\u{1b}[2K";
/// How often keys that are no answer are commented on, for one showing of the question.
const MAX_HINTS: usize = 5;

/// The end of a question.
#[derive(Debug)]
pub(super) enum End {
    /// This was answered.
    Answered(Answer),
    /// Nobody waits for an answer any more.
    NotNeeded,
    /// The terminal belongs to another job.
    Elsewhere,
    /// No answer will come.
    Failed(&'static str),
    /// The terminal failed.
    Device(io::Error),
}

/// Waits until no other program asks on this terminal; nothing is shown and nothing changed meanwhile.
pub(super) fn await_turn(
    device: &Device,
    turns: Option<&Turns>,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Option<Turn>, End> {
    let Some(turns) = turns else { return Ok(None) };
    loop {
        if !is_wanted() {
            return Err(End::NotNeeded);
        }
        if device.belongs_to_another_job() {
            return Err(End::Elsewhere);
        }
        if let Some(turn) = turns.take().map_err(End::Device)? {
            return Ok(Some(turn));
        }
        device.pause(TURN_INTERVAL).map_err(End::Device)?;
    }
}

/// Asks. `is_wanted` tells whether somebody waits for the answer; it is looked at whenever the bell rings.
pub(super) fn ask(
    device: &Device,
    ask: &Ask,
    look: Look,
    waiting: usize,
    is_wanted: &dyn Fn() -> bool,
) -> End {
    if device.belongs_to_another_job() {
        return End::Elsewhere;
    }
    // What cannot change its modes gets lines.
    let (modes, keys) = match device.enter(look.keys) {
        Ok(Some(modes)) => (Some(modes), look.keys),
        Ok(None) | Err(_) => (None, Keys::Lines),
    };
    // Where it is not even known whether it obeys sequences, there are none.
    let clears = look.keys == Keys::Single && device.is_terminal();
    let look = Look { keys, ..look };
    let look = device.size().map_or(look, |(width, height)| look.sized(width, height));
    let mut prompt = Prompt { clears, ..Prompt::new(device, ask, look, waiting) };
    prompt.run(modes.as_ref(), is_wanted).unwrap_or_else(End::Device)
}

/// A question on the screen.
struct Prompt<'a> {
    device: &'a Device,
    /// Whether each question gets a screen of its own.
    clears: bool,
    ask: &'a Ask,
    look: Look,
    waiting: usize,
    /// What may be answered now.
    offers: Vec<Offer>,
    view: View,
    /// What `v` shows.
    next: View,
    /// Whether everything that decides was shown.
    has_seen: bool,
    decoder: Decoder,
    /// What arrived and is not judged yet.
    burst: Vec<u8>,
    /// When the first of it arrived.
    began: Instant,
    /// When the last of it did.
    arrived: Instant,
    /// Keys count [`QUIET`] after this.
    quiet_from: Instant,
    hints: usize,
    /// The terminal has another size since the last tick.
    resized: Option<(u16, u16)>,
}

impl<'a> Prompt<'a> {
    fn new(device: &'a Device, ask: &'a Ask, look: Look, waiting: usize) -> Self {
        Self {
            device,
            clears: false,
            ask,
            look,
            waiting,
            offers: Vec::new(),
            view: View::Question,
            next: View::Question,
            has_seen: false,
            decoder: Decoder::default(),
            burst: Vec::new(),
            began: Instant::now(),
            arrived: Instant::now(),
            quiet_from: Instant::now(),
            hints: 0,
            resized: None,
        }
    }

    fn run(&mut self, modes: Option<&Modes>, is_wanted: &dyn Fn() -> bool) -> io::Result<End> {
        self.begin()?;
        loop {
            if !is_wanted() {
                self.device.write(&render::no_longer_needed(self.ask, &self.look))?;
                return Ok(End::NotNeeded);
            }
            let (patience, since) = (self.patience(), Instant::now());
            let woken = self.device.wait(patience)?;
            let was_stopped = since.elapsed() > patience.saturating_add(STOPPED);
            if self.clears && woken != Woken::HungUp && (was_stopped || self.lost_modes(modes)?) {
                // Others may have had the terminal: what is on the screen now, and what was typed, is not ours.
                self.begin()?;
                continue;
            }
            match woken {
                Woken::Bell => {}
                Woken::HungUp => return Ok(End::Failed("the terminal was closed")),
                Woken::Input => match self.device.read(self.look.keys)? {
                    Some(bytes) => self.take(&bytes),
                    None => return Ok(End::Failed("the input ended")),
                },
                Woken::Time if self.device.belongs_to_another_job() => return Ok(End::Elsewhere),
                Woken::Time => {
                    self.lost_modes(modes)?;
                    self.follow_size()?;
                }
            }
            if let Some(key) = self.key()
                && let Some(end) = self.act(key)?
            {
                return Ok(end);
            }
        }
    }

    /// Sets our modes again, unless the terminal is another job's. Tells whether they were others.
    fn lost_modes(&self, modes: Option<&Modes>) -> io::Result<bool> {
        match modes {
            Some(modes) if !self.device.belongs_to_another_job() => modes.renew(),
            Some(_) | None => Ok(false),
        }
    }

    /// Shows the question to somebody who has not seen it yet.
    fn begin(&mut self) -> io::Result<()> {
        self.has_seen = false;
        self.show(View::Question)?;
        self.device.discard_input();
        self.burst.clear();
        self.decoder.give_up();
        self.quiet_from = Instant::now();
        Ok(())
    }

    fn show(&mut self, view: View) -> io::Result<()> {
        self.hints = 0;
        let Self { ask, look, waiting, has_seen, .. } = self;
        let screen = Question { ask, look, waiting: *waiting, has_seen: *has_seen }.screen(view);
        if self.clears {
            self.device.write(&fresh::screen(self.look.height))?;
        }
        self.device.write(&screen.text)?;
        // Only now: what could not be shown was not seen.
        self.view = view;
        self.next = screen.next;
        self.offers = screen.offers;
        self.has_seen |= screen.shows_all;
        Ok(())
    }

    /// How long to wait for something to happen.
    fn patience(&self) -> Duration {
        match self.burst.is_empty() {
            true => TICK,
            false => self.settling().saturating_sub(self.arrived.elapsed()).min(TICK),
        }
    }

    /// How long nothing may follow for the burst to be complete.
    fn settling(&self) -> Duration {
        if self.burst.ends_with(b"\x1b") { AT_ONCE_ESCAPE } else { AT_ONCE }
    }

    fn take(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.arrived = Instant::now();
        if self.burst.is_empty() {
            self.began = self.arrived;
        }
        // Of more than this, it only matters that it was more.
        let room = MAX_BURST.saturating_sub(self.burst.len());
        self.burst.extend(bytes.iter().take(room));
    }

    /// The key that arrived, once it is sure that nothing belongs to it.
    fn key(&mut self) -> Option<Key> {
        if self.burst.is_empty() {
            if self.decoder.is_within() && self.arrived.elapsed() > BEGUN_LIMIT {
                self.decoder.give_up();
                self.quiet_from = Instant::now();
            }
            return None;
        }
        if self.arrived.elapsed() < self.settling() {
            return None;
        }
        let burst = std::mem::take(&mut self.burst);
        let key = match self.look.keys {
            Keys::Single => self.decoder.key(&burst),
            Keys::Lines => keys::key_of_line(&burst),
        };
        let is_early = self.began.saturating_duration_since(self.quiet_from) < QUIET;
        if key == Key::Other || is_early {
            self.quiet_from = self.arrived;
        }
        // Ctrl-C approves nothing, and whoever presses it again and again should get through.
        (!is_early || key == Key::Interrupt).then_some(key)
    }

    fn act(&mut self, key: Key) -> io::Result<Option<End>> {
        match keys::choice(key, &self.offers) {
            Choice::Answer(offer) => self.answered(offer.answer, offer.words),
            Choice::Cancel => self.answered(Answer::Cancel, "no, and the turn ends"),
            Choice::EndOfInput => Ok(Some(End::Failed("the input ended"))),
            Choice::Help => self.show(View::Help).map(|()| None),
            Choice::More => self.show(self.next).map(|()| None),
            Choice::Change if render::has_diff(self.ask) => {
                self.show(View::Page { number: 0, has_diff: true }).map(|()| None)
            }
            Choice::Change => self.hint("that key is no answer; `?` shows those that are"),
            Choice::Refused(_) if self.is_not_yet(key) => {
                self.hint("no yes yet: all of the question has to be shown first")
            }
            Choice::Refused(words) => self.hint(words),
            Choice::Nothing => Ok(None),
        }
    }

    /// Whether it would be an answer on another screen of this question.
    fn is_not_yet(&self, key: Key) -> bool {
        matches!(key, Key::Letter(letter) if offers(self.ask).iter().any(|offer| offer.key == letter))
    }

    fn answered(&self, answer: Answer, words: &str) -> io::Result<Option<End>> {
        // It was answered, whether or not that can be shown.
        self.device.write(&render::note(&self.look, words.trim_end_matches(':'))).ok();
        Ok(Some(End::Answered(answer)))
    }

    fn hint(&mut self, words: &str) -> io::Result<Option<End>> {
        self.hints = self.hints.saturating_add(1);
        // In the place of the one before, so that the question stays where it is. Where it has no place, it is not said.
        let replaces = self.clears && self.look.columns() > NOTE_COLUMNS;
        let is_first = self.hints == 1;
        if self.hints <= MAX_HINTS && (is_first || replaces || !self.clears) {
            if replaces && !is_first {
                self.device.write(ROW_ABOVE)?;
            }
            self.device.write(&render::note(&self.look, words))?;
        }
        Ok(None)
    }

    /// Shows the question again when the size has changed and stays: what was shown is wrapped by the terminal then,
    /// or scrolled away, and rows of others might begin without their bar.
    fn follow_size(&mut self) -> io::Result<()> {
        let Some((width, height)) = self.device.size() else { return Ok(()) };
        let look = self.look.sized(width, height);
        if look == self.look {
            self.resized = None;
            return Ok(());
        }
        if self.resized.replace((width, height)) == Some((width, height)) {
            self.look = look;
            self.resized = None;
            // Pages have other numbers now.
            let view = if self.view == View::Help { View::Help } else { View::Question };
            return self.show(view);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::ask::Draft;
    use crate::fixtures;
    use crate::ids::{AskId, Call, TurnId};
    use crate::subject::Subject;

    fn device() -> (std::os::fd::OwnedFd, Device) {
        let pty = nix::pty::openpty(None, None).unwrap();
        (pty.master, Device::new(pty.slave.try_clone().unwrap(), pty.slave).unwrap())
    }

    fn ask() -> Ask {
        let exec = Subject::Exec(Box::new(fixtures::exec("/usr/bin/make", &["make"], "/ws")));
        let call = Call::new(&TurnId("turn".to_owned()), "item");
        Draft::new(call, exec, fixtures::path("/ws")).into_ask(AskId(1), 0, Duration::from_secs(60))
    }

    /// What a key comes to that arrives by itself, this long after the question appeared.
    fn key_after(quiet: Duration, key: u8) -> Option<Key> {
        let ((_near, device), ask) = (device(), ask());
        let look = Look { keys: Keys::Single, ..Look::plain() };
        let mut prompt = Prompt::new(&device, &ask, look, 0);
        let appeared = Instant::now().checked_sub(Duration::from_secs(5)).unwrap();
        prompt.quiet_from = appeared;
        prompt.burst = vec![key];
        (prompt.began, prompt.arrived) = (appeared + quiet, appeared + quiet);
        let read = prompt.key();
        // What does not count begins the quiet anew.
        assert_eq!(prompt.quiet_from, if quiet < QUIET { prompt.arrived } else { appeared });
        read
    }

    #[test]
    fn a_key_counts_when_nothing_was_typed_for_a_while() {
        let little = Duration::from_millis(1);
        assert_eq!(key_after(QUIET, b'y'), Some(Key::Letter('y')));
        assert_eq!(key_after(QUIET - little, b'y'), None);
        assert_eq!(key_after(Duration::ZERO, b'y'), None);
        // Ctrl-C approves nothing.
        assert_eq!(key_after(QUIET - little, 3), Some(Key::Interrupt));
    }

    #[test]
    fn whoever_waits_for_the_turn_can_be_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let turns = Turns::at(folder.path().join("1.lock"));
        let (_near, device) = device();
        let turn = await_turn(&device, Some(&turns), &|| true).unwrap();
        let looked = Cell::new(0);
        let is_wanted = || looked.replace(looked.get() + 1) < 3;
        assert!(matches!(await_turn(&device, Some(&turns), &is_wanted), Err(End::NotNeeded)));
        assert_eq!(looked.get(), 4);
        drop(turn);
        assert!(await_turn(&device, Some(&turns), &|| true).is_ok_and(|turn| turn.is_some()));
        assert!(await_turn(&device, None, &|| true).is_ok_and(|turn| turn.is_none()));
    }
}
