//! Here-documents, for the lenient reader: their bodies are no commands, but may hold substitutions.

use super::Scanner;
use crate::shell::{Redirection, RedirectionKind, Target};

/// Here-documents of one text that are followed. Each is looked for from where it begins to the end of the text;
/// the bodies of further ones are read as commands.
const MAX_DOCUMENTS: usize = 200;

/// A here-document whose body begins after the next newline.
pub(super) struct Document {
    delimiter: String,
    quoted: bool,
    strip_tabs: bool,
    /// Its place among the redirections of the command that is being built.
    redirection: usize,
    /// Its place among the finished commands, once the command is finished.
    start: usize,
}

impl Scanner<'_> {
    /// `<<WORD` or `<<-WORD`.
    pub(super) fn here_document(&mut self, descriptor: Option<(u8, usize)>) {
        let start = descriptor.map_or(self.position(self.at), |(_, start)| start);
        self.at += 2;
        let strip_tabs = self.peek(0) == Some(b'-');
        self.at += usize::from(strip_tabs);
        while matches!(self.peek(0), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        let (delimiter, quoted) = self.delimiter();
        let redirection = self.frame.building.redirect(Redirection {
            fd: descriptor.map(|(fd, _)| fd),
            operator: RedirectionKind::HereDocument,
            target: Target::HereDocument(None),
            writes: false,
            span: start..self.position(self.at),
        });
        if self.document_count < MAX_DOCUMENTS {
            self.document_count += 1;
            self.documents.push(Document { delimiter, quoted, strip_tabs, redirection, start });
        } else {
            self.found.too_deep = true;
        }
    }

    /// The word that ends the body: no expansion happens in it.
    fn delimiter(&mut self) -> (String, bool) {
        let (mut delimiter, mut quoted, mut open) = (String::new(), false, None);
        while let Some(c) = self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            match (open, c) {
                (None, ' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')') => break,
                (_, '\n') => break,
                (None, '\'' | '"') => {
                    quoted = true;
                    open = Some(c);
                }
                (Some(quote), _) if quote == c => open = None,
                (None, '\\') => {
                    quoted = true;
                    self.at += 1;
                    if let Some(next) = self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
                        delimiter.push(next);
                        self.at += next.len_utf8();
                    }
                    continue;
                }
                _ => delimiter.push(c),
            }
            self.at += c.len_utf8();
        }
        (delimiter, quoted)
    }

    /// Reads the bodies that begin on this line.
    pub(super) fn documents(&mut self) {
        for document in std::mem::take(&mut self.documents) {
            let begin = self.at;
            let (mut end, mut closed) = (self.text.len(), false);
            let mut at = begin;
            for line in self.text.get(begin..).unwrap_or_default().split_inclusive('\n') {
                let content = line.strip_suffix('\n').unwrap_or(line);
                let content = if document.strip_tabs { content.trim_start_matches('\t') } else { content };
                if content == document.delimiter {
                    end = at;
                    at += line.len();
                    closed = true;
                    break;
                }
                at += line.len();
            }
            self.found.unbalanced |= !closed;
            let body = self.text.get(begin..end).unwrap_or_default();
            self.at = at;
            self.fill_in(&document, body);
            let base = self.position(begin);
            if document.quoted {
                self.found.literal_bodies.push(base..base + body.len());
            } else {
                self.read_body(body, base);
            }
        }
    }

    /// Puts the text of a body where its redirection is: the command is mostly finished by now.
    fn fill_in(&mut self, document: &Document, body: &str) {
        let dynamic = !document.quoted && body.contains(['$', '`', '\\']);
        let text = if document.strip_tabs {
            body.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
        } else {
            body.to_owned()
        };
        let target = Target::HereDocument(if dynamic { None } else { Some(text) });
        let begins = |redirection: &&mut Redirection| {
            redirection.operator == RedirectionKind::HereDocument && redirection.span.start == document.start
        };
        let finished = self.found.commands.iter_mut().rev().flat_map(|command| &mut command.redirections);
        let slot = match finished.into_iter().find(|redirection| begins(redirection)) {
            Some(slot) => Some(slot),
            None => self.frame.building.redirection_mut(document.redirection),
        };
        if let Some(slot) = slot {
            slot.target = target;
        }
    }
}
