//! From bytes to a key, and from a key to what it means for this question. Pure.
//!
//! What arrives at once is judged at once: one byte by itself may be a key, and several are none. So neither a
//! paste, nor the bytes that a terminal sends for arrows, the mouse or its focus, can answer; in particular a letter
//! within an escape sequence is never a yes. Where a terminal sends keys themselves as sequences, those that say no are
//! read: nobody is left without a way out.

use super::offer::Offer;

/// What arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Key {
    /// One printable ASCII character.
    Letter(char),
    /// Enter.
    Enter,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D.
    EndOfInput,
    /// Ctrl-Z.
    Suspend,
    /// Escape, by itself.
    Escape,
    /// Something that the terminal sends for other keys and events, or the beginning of it.
    Sequence,
    /// Several characters at once, or one that is no answer to anything.
    Other,
}

/// The longest sequence that is waited for.
const MAX_SEQUENCE: usize = 64;

/// ETX, EOT, SUB, ESC and BEL, as a terminal sends them. ascii(7).
const INTERRUPT: u8 = 0x03;
const END_OF_INPUT: u8 = 0x04;
const BELL: u8 = 0x07;
const SUSPEND: u8 = 0x1a;
const ESCAPE: u8 = 0x1b;

/// What a terminal adds for Ctrl to the modifiers of a key, and what it adds for locks, which change no key here.
const CTRL: u32 = 4;
const LOCKS: u32 = 64 + 128;
/// The event of a key that goes up.
const RELEASED: u32 = 3;
/// The longest such sequence that is read.
const MAX_KEY_SEQUENCE: usize = 32;

/// Reads keys from what arrives.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// The beginning of a sequence whose rest has not arrived.
    begun: Vec<u8>,
    /// Within a bracketed paste.
    pasting: bool,
    /// The rest of something that was given up may arrive still.
    spoilt: bool,
}

/// The first thing in some bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Token {
    Byte(u8),
    Sequence,
    PasteBegins,
    PasteEnds,
    /// The rest has not arrived.
    Begun,
}

impl Decoder {
    /// What `burst`, which arrived at once, is.
    pub(super) fn key(&mut self, burst: &[u8]) -> Key {
        if std::mem::take(&mut self.spoilt) {
            // Ctrl-C approves nothing.
            return if burst == [INTERRUPT] { Key::Interrupt } else { Key::Other };
        }
        if self.begun.is_empty() && !self.pasting {
            match burst {
                [ESCAPE] | [ESCAPE, ESCAPE] => return Key::Escape,
                [0x80..=0x9f] => {}
                [byte] => return single(*byte),
                _ => {}
            }
        }
        let mut bytes = std::mem::take(&mut self.begun);
        bytes.extend_from_slice(burst);
        let mut key = Key::Sequence;
        let mut no = None;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (token, length) = token(rest);
            match token {
                Token::Byte(_) => key = Key::Other,
                Token::Sequence => no = no.or_else(|| rest.get(..length).and_then(refusal)),
                Token::PasteBegins => self.pasting = true,
                Token::PasteEnds => self.pasting = false,
                // What is too long for a sequence is none that we know of.
                Token::Begun if rest.len() > MAX_SEQUENCE => {
                    self.spoilt = true;
                    return Key::Other;
                }
                Token::Begun => {
                    self.begun = rest.to_vec();
                    return key;
                }
            }
            if token == Token::PasteBegins || self.pasting {
                key = Key::Other;
            }
            rest = rest.get(length.max(1)..).unwrap_or_default();
        }
        match key {
            Key::Sequence => no.unwrap_or(Key::Sequence),
            Key::Letter(_)
            | Key::Enter
            | Key::Interrupt
            | Key::EndOfInput
            | Key::Suspend
            | Key::Escape
            | Key::Other => key,
        }
    }

    /// Nothing has arrived for a while: what was begun is given up, and what arrives next counts as its rest.
    pub(super) fn give_up(&mut self) {
        *self = Self { spoilt: self.is_within(), ..Self::default() };
    }

    /// Whether more is expected.
    pub(super) fn is_within(&self) -> bool {
        self.pasting || !self.begun.is_empty()
    }
}

fn single(byte: u8) -> Key {
    match byte {
        INTERRUPT => Key::Interrupt,
        END_OF_INPUT => Key::EndOfInput,
        SUSPEND => Key::Suspend,
        b'\r' | b'\n' => Key::Enter,
        b' '..=b'~' => Key::Letter(char::from(byte)),
        _ => Key::Other,
    }
}

/// The key in a sequence, when it is one that says no. Kitty's keyboard protocol, `CSI code:… ; modifiers:event u`, and
/// xterm's modifyOtherKeys, `CSI 27 ; modifiers ; code ~`.
fn refusal(sequence: &[u8]) -> Option<Key> {
    let parameters = sequence.strip_prefix(b"\x1b[").or_else(|| sequence.strip_prefix(b"\x9b"))?;
    let (last, parameters) = parameters.split_last()?;
    if parameters.len() > MAX_KEY_SEQUENCE {
        return None;
    }
    let mut fields = std::str::from_utf8(parameters).ok()?.split(';');
    let first = fields.next()?;
    let second = fields.next().unwrap_or("1");
    let code = match last {
        b'u' => first.split(':').next()?,
        b'~' if first == "27" => fields.next()?,
        _ => return None,
    };
    let mut modifiers = second.split(':').map(|number| number.parse::<u32>().ok());
    let held = modifiers.next()??.checked_sub(1)? & !LOCKS;
    if modifiers.next() == Some(Some(RELEASED)) {
        return None;
    }
    match (char::from_u32(code.parse().ok()?)?, held) {
        ('\u{1b}', 0) => Some(Key::Escape),
        (letter @ ('c' | 'n'), 0) => Some(Key::Letter(letter)),
        ('c', CTRL) => Some(Key::Interrupt),
        _ => None,
    }
}

/// The first token and its length. ECMA-48 section 5.4, and xterm's control sequences.
fn token(bytes: &[u8]) -> (Token, usize) {
    match bytes {
        [ESCAPE] => (Token::Begun, 1),
        // Alt with a key that sends a sequence of its own.
        [ESCAPE, ESCAPE, ..] => (Token::Sequence, 1),
        [ESCAPE, b'[', rest @ ..] => control_sequence(rest),
        // A key of the keypad.
        [ESCAPE, b'O', rest @ ..] => {
            if rest.is_empty() {
                (Token::Begun, 2)
            } else {
                (Token::Sequence, 3)
            }
        }
        [ESCAPE, b']' | b'P' | b'_' | b'^' | b'X', rest @ ..] => string(rest),
        // Alt with a key.
        [ESCAPE, _, ..] => (Token::Sequence, 2),
        // C1 controls as one byte, where a terminal sends them so: CSI, then OSC and the other strings, then SS3.
        [0x9b, rest @ ..] => shorter(control_sequence(rest)),
        [0x9d | 0x90 | 0x98 | 0x9e | 0x9f, rest @ ..] => shorter(string(rest)),
        [0x8f] => (Token::Begun, 1),
        [0x8f, ..] => (Token::Sequence, 2),
        [0x80..=0x9f] => (Token::Begun, 1),
        [0x80..=0x9f, ..] => (Token::Sequence, 2),
        // A character of several bytes, which may look like those. After 0xc2 they are C1 controls.
        [byte @ 0xc3..=0xf4, rest @ ..] => {
            let more = rest.iter().take(3).take_while(|byte| matches!(byte, 0x80..=0xbf)).count();
            (Token::Byte(*byte), more.saturating_add(1))
        }
        [byte, ..] => (Token::Byte(*byte), 1),
        [] => (Token::Sequence, 0),
    }
}

/// What follows CSI.
fn control_sequence(rest: &[u8]) -> (Token, usize) {
    let parameters = rest.iter().take_while(|byte| matches!(byte, 0x20..=0x3f)).count();
    let length = parameters.saturating_add(3);
    match (rest.get(..parameters), rest.get(parameters)) {
        (_, None) => (Token::Begun, length),
        (Some(b"200"), Some(b'~')) => (Token::PasteBegins, length),
        (Some(b"201"), Some(b'~')) => (Token::PasteEnds, length),
        // A mouse that reports in the old form: three bytes follow, whatever they are.
        (Some(b""), Some(b'M')) => with_more(rest, 4, length.saturating_add(3)),
        // A function key of the Linux console.
        (Some(b""), Some(b'[')) => with_more(rest, 2, length.saturating_add(1)),
        (_, Some(_)) => (Token::Sequence, length),
    }
}

/// Begun by one byte instead of two.
fn shorter((token, length): (Token, usize)) -> (Token, usize) {
    (token, length.saturating_sub(1).max(1))
}

fn with_more(rest: &[u8], needed: usize, length: usize) -> (Token, usize) {
    if rest.len() < needed { (Token::Begun, length) } else { (Token::Sequence, length) }
}

/// What follows OSC and the like, until BEL or ST.
fn string(rest: &[u8]) -> (Token, usize) {
    let end = rest.iter().position(|byte| matches!(*byte, BELL | ESCAPE));
    match end.map(|end| (end, rest.get(end), rest.get(end.saturating_add(1)))) {
        Some((end, Some(&BELL), _)) => (Token::Sequence, end.saturating_add(3)),
        Some((end, _, Some(_))) => (Token::Sequence, end.saturating_add(4)),
        Some(_) | None => (Token::Begun, 2),
    }
}

/// What a key means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Choice {
    /// This answer.
    Answer(Box<Offer>),
    /// The turn ends.
    Cancel,
    /// No answer will come.
    EndOfInput,
    /// Show how to answer.
    Help,
    /// Show what there is more.
    More,
    /// Show the change, if there is one.
    Change,
    /// Say that it does nothing.
    Refused(&'static str),
    /// Nothing.
    Nothing,
}

/// What a key means among these offers.
pub(super) fn choice(key: Key, offers: &[Offer]) -> Choice {
    match key {
        Key::Letter(letter) => match offers.iter().find(|offer| offer.key == letter) {
            Some(offer) => Choice::Answer(Box::new(offer.clone())),
            None => match letter {
                '?' => Choice::Help,
                'v' => Choice::More,
                'd' => Choice::Change,
                _ => Choice::Refused("that key is no answer; `?` shows those that are"),
            },
        },
        Key::Interrupt | Key::Escape => Choice::Cancel,
        Key::EndOfInput => Choice::EndOfInput,
        Key::Enter => Choice::Refused("Enter alone is no answer; `?` shows those that are"),
        Key::Suspend => Choice::Refused("Ctrl-Z does nothing here; answer first"),
        Key::Other => Choice::Refused("several keys at once are no answer; press one"),
        Key::Sequence => Choice::Nothing,
    }
}

/// Reads a line as a key: one letter and its newline.
pub(super) fn key_of_line(line: &[u8]) -> Key {
    if line.last() == Some(&INTERRUPT) {
        return Key::Interrupt;
    }
    match line.trim_ascii() {
        [] => Key::Enter,
        [byte] => single(*byte),
        _ => Key::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bursts: &[&[u8]]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        bursts.iter().map(|burst| decoder.key(burst)).collect()
    }

    #[test]
    fn one_byte_is_a_key() {
        let rows: &[(&[u8], Key)] = &[
            (b"y", Key::Letter('y')),
            (b"?", Key::Letter('?')),
            (b"\r", Key::Enter),
            (b"\n", Key::Enter),
            (b"\x03", Key::Interrupt),
            (b"\x04", Key::EndOfInput),
            (b"\x1a", Key::Suspend),
            (b"\x1b", Key::Escape),
            (b"\x1b\x1b", Key::Escape),
            (b"\x00", Key::Other),
            (b"\x7f", Key::Other),
            (b"\xff", Key::Other),
            (b"yy", Key::Other),
            (b"y\r", Key::Other),
            ("ä".as_bytes(), Key::Other),
        ];
        for (burst, key) in rows {
            assert_eq!(keys(&[burst]), [*key], "{burst:?}");
        }
    }

    #[test]
    fn a_letter_in_a_sequence_is_none() {
        let sequences: &[&[u8]] = &[
            b"\x1b[A",
            b"\x1b[1;2y",
            b"\x1b[y",
            b"\x1bOy",
            b"\x1by",
            b"\x1b[I",
            b"\x1b[O",
            b"\x1b[<0;33;12M",
            b"\x1b[<0;33;12m",
            b"\x1b[M yy",
            b"\x1b[My!!",
            b"\x1b[[A",
            b"\x1b[3;1$y",
            b"\x1b[?2026;2$y",
            b"\x1b[>0;95;0c",
            b"\x1b]11;rgb:1e1e/1e1e/1e1e\x07",
            b"\x1b]11;rgb:yyyy\x1b\\",
            b"\x1bP1$r0 y\x1b\\",
            b"\x1b_Gy\x1b\\",
            b"\x1b\x1b[y",
            b"\x1b[A\x1b[B",
        ];
        for sequence in sequences {
            assert_eq!(keys(&[sequence]), [Key::Sequence], "{sequence:?}");
            // However it is torn apart, none of its bytes answers; only Escape by itself is a key.
            for at in 1..sequence.len() {
                let (head, tail) = sequence.split_at(at);
                for key in keys(&[head, tail]) {
                    assert!(
                        matches!(key, Key::Sequence | Key::Escape | Key::Other) || at == 1,
                        "{sequence:?} {at}"
                    );
                }
                if at > 1 {
                    assert!(keys(&[head, tail, b"y"]).ends_with(&[Key::Letter('y')]), "{sequence:?} {at}");
                }
            }
        }
    }

    #[test]
    fn a_no_is_read_where_keys_are_sequences() {
        let rows: &[(&[u8], Key)] = &[
            (b"\x1b[27u", Key::Escape),
            (b"\x1b[27;1u", Key::Escape),
            (b"\x1b[27;129u", Key::Escape),
            (b"\x1b[99;5u", Key::Interrupt),
            (b"\x9b99;5u", Key::Interrupt),
            (b"\x1b[27;5;99~", Key::Interrupt),
            (b"\x1b[99;5:1u\x1b[99;5:3u", Key::Interrupt),
            (b"\x1b[99u", Key::Letter('c')),
            (b"\x1b[99::99;1:2;99u", Key::Letter('c')),
            (b"\x1b[110u", Key::Letter('n')),
            (b"\x1b[27;1;110~", Key::Letter('n')),
            // Whatever could be a yes is no key, and neither is a key that goes up, or one held with another.
            (b"\x1b[121u", Key::Sequence),
            (b"\x1b[27;1;121~", Key::Sequence),
            (b"\x1b[115;1u", Key::Sequence),
            (b"\x1b[99;5:3u", Key::Sequence),
            (b"\x1b[99;2u", Key::Sequence),
            (b"\x1b[99;0u", Key::Sequence),
            (b"\x1b[27;5;99u", Key::Sequence),
            (b"\x1b[28;5;99~", Key::Sequence),
            (b"\x1b[?1u", Key::Sequence),
            (b"\x1b[99;99999999999u", Key::Sequence),
            (b"\x1b[u", Key::Sequence),
            (b"\x1b[99uy", Key::Other),
            (b"\x1b[200~\x1b[99u\x1b[201~", Key::Other),
        ];
        for (burst, key) in rows {
            assert_eq!(keys(&[burst]), [*key], "{:?}", String::from_utf8_lossy(burst));
        }
        assert_eq!(keys(&[b"\x1b[99", b";5u"]), [Key::Sequence, Key::Interrupt]);
    }

    #[test]
    fn a_paste_is_no_answer() {
        assert_eq!(keys(&[b"\x1b[200~y\x1b[201~"]), [Key::Other]);
        assert_eq!(
            keys(&[b"\x1b[200~", b"y", b"\x03", b"\x1b[201~", b"y"]),
            [Key::Other, Key::Other, Key::Other, Key::Sequence, Key::Letter('y')]
        );
        let mut decoder = Decoder::default();
        assert_eq!(decoder.key(b"\x1b[200~"), Key::Other);
        assert!(decoder.is_within());
        decoder.give_up();
        // It may be the rest of the paste.
        assert_eq!(decoder.key(b"y"), Key::Other);
        assert_eq!(decoder.key(b"n"), Key::Letter('n'));
    }

    #[test]
    fn what_follows_something_that_was_given_up_is_none() {
        for begun in [b"\x1b[?2026;1$".as_slice(), b"\x1b]ly", b"\x1b[200~", b"\x9b?1$"] {
            let mut decoder = Decoder::default();
            decoder.key(begun);
            assert!(decoder.is_within(), "{begun:?}");
            decoder.give_up();
            assert!(!decoder.is_within());
            assert_eq!(decoder.key(b"y"), Key::Other, "{begun:?}");
            assert_eq!(decoder.key(b"y"), Key::Letter('y'));
        }
        let mut decoder = Decoder::default();
        assert_eq!(decoder.key("\u{c0}".as_bytes()), Key::Other);
        decoder.give_up();
        assert_eq!(decoder.key(b"y"), Key::Letter('y'));
        decoder.key(b"\x1b[1");
        decoder.give_up();
        assert_eq!(decoder.key(b"\x03"), Key::Interrupt);
    }

    #[test]
    fn eight_bit_controls_begin_sequences() {
        for sequence in [b"\x9b?1$y".as_slice(), b"\x9b1;2y", b"\x8fy", b"\x9dly\x07", b"\x9bMy!!", b"\x84y"]
        {
            assert_eq!(keys(&[sequence]), [Key::Sequence], "{sequence:?}");
            for at in 1..sequence.len() {
                let (head, tail) = sequence.split_at(at);
                assert_eq!(keys(&[head, tail, b"y"]).last(), Some(&Key::Letter('y')), "{sequence:?} {at}");
                assert!(keys(&[head, tail]).iter().all(|key| *key == Key::Sequence), "{sequence:?} {at}");
            }
        }
    }

    #[test]
    fn an_endless_sequence_is_given_up() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.key(&[b"\x1b]".as_slice(), &[b'y'; 100]].concat()), Key::Other);
        assert!(!decoder.is_within());
        assert_eq!(decoder.key(b"y"), Key::Other);
        assert_eq!(decoder.key(b"\x1b[1"), Key::Sequence);
        assert_eq!(decoder.key(&[b'1'; 100]), Key::Other);
    }

    #[test]
    fn a_line_is_a_letter_and_enter() {
        assert_eq!(key_of_line(b"y\n"), Key::Letter('y'));
        assert_eq!(key_of_line(b" y \r\n"), Key::Letter('y'));
        assert_eq!(key_of_line(b"\n"), Key::Enter);
        assert_eq!(key_of_line(b"yes\n"), Key::Other);
        assert_eq!(key_of_line(b"y\ny\n"), Key::Other);
        assert_eq!(key_of_line(b"ab\x03"), Key::Interrupt);
        assert_eq!(key_of_line(b"\x1b[y\n"), Key::Other);
    }
}
