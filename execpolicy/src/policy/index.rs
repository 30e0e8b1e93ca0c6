//! The compiled form of prefix rules: a trie over words, so that a look-up costs what the command is
//! long, however many rules there are and however many of them share their first words.
//!
//! Alternatives are spelled out as paths of the trie while that stays small. Positions that would multiply
//! beyond that stay behind as a [`Tail`], which is compared word by word.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::Decision;
use crate::command::Word;
use crate::policy::fold::fold;
use crate::rule::{PrefixRule, Spelling};

/// The position of a rule in its policy.
pub(crate) type RuleId = usize;

/// Nodes that one rule may be spelled out into, whatever it says; rules that list many words may have twice
/// as many as they list. So the index stays within a fixed multiple of the rule files.
const FREE_NODES: usize = 64;

/// What a look-up with unknown words found.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    /// Rules that match whatever the unknown words become.
    pub(crate) certain: Vec<RuleId>,
    /// Rules that match if the unknown words become what they ask for: of each decision the first.
    pub(crate) possible: Vec<RuleId>,
}

/// The rules of one kind, by spelling.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    exact: Trie,
    folded: Trie,
}

impl Index {
    pub(crate) fn add(&mut self, id: RuleId, rule: &PrefixRule) {
        match rule.spelling {
            Spelling::Exact => self.exact.add(id, rule, |word| Cow::Borrowed(word)),
            Spelling::Folded => self.folded.add(id, rule, fold),
        }
    }

    /// The rules that match `program` followed by `rest`, in no order.
    pub(crate) fn find(&self, program: &str, rest: &[String], found: &mut Vec<RuleId>) {
        self.exact.find(program, rest, |word| Cow::Borrowed(word), found);
        self.folded.find(program, rest, fold, found);
    }

    /// The same where words may be unknown. No program at all means that the first word is.
    pub(crate) fn find_words(&self, program: Option<&str>, rest: &[Word], hits: &mut Hits) {
        self.exact.find_words(program, rest, |word| Cow::Borrowed(word), hits);
        self.folded.find_words(program, rest, fold, hits);
    }
}

/// One position: the words that fit.
#[derive(Debug)]
struct Position(HashSet<Box<str>>);

/// The end of a rule whose alternatives would multiply into too many paths.
#[derive(Debug)]
struct Tail {
    rule: RuleId,
    positions: Vec<Position>,
}

/// How the end of a rule compares with the end of a command.
enum Fit {
    Yes,
    Perhaps,
    No,
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// Rules that end here.
    rules: Vec<RuleId>,
    /// Rules that go on from here, word by word.
    tails: Vec<Arc<Tail>>,
    /// Of each decision the first rule that needs at least one more word.
    below: Below,
}

/// By the decision's place in their order. Small, since every node has one.
#[derive(Clone, Copy, Debug, Default)]
struct Below([Option<NonZeroU32>; 4]);

impl Below {
    fn note(&mut self, id: RuleId, decision: Decision) {
        let [allow, prompt, prompt_user, forbidden] = &mut self.0;
        let first = match decision {
            Decision::Allow => allow,
            Decision::Prompt => prompt,
            Decision::PromptUser => prompt_user,
            Decision::Forbidden => forbidden,
        };
        if first.is_none() {
            // A policy of four thousand million rules does not fit any memory.
            *first = u32::try_from(id).ok().and_then(|id| id.checked_add(1)).and_then(NonZeroU32::new);
        }
    }

    fn ids(self) -> impl Iterator<Item = RuleId> {
        self.0.into_iter().flatten().filter_map(|id| usize::try_from(id.get()).ok()?.checked_sub(1))
    }
}

/// Words are numbered once, so that a node's edges are pairs of numbers.
#[derive(Clone, Debug, Default)]
struct Trie {
    words: HashMap<Box<str>, usize>,
    edges: HashMap<(usize, usize), usize>,
    root: Node,
    /// Node `n` is at `n - 1`; zero is the root.
    nodes: Vec<Node>,
}

impl Trie {
    fn node(&self, id: usize) -> &Node {
        id.checked_sub(1).and_then(|at| self.nodes.get(at)).unwrap_or(&self.root)
    }

    fn node_mut(&mut self, id: usize) -> &mut Node {
        id.checked_sub(1).and_then(|at| self.nodes.get_mut(at)).unwrap_or(&mut self.root)
    }

    fn add(&mut self, id: RuleId, rule: &PrefixRule, spell: impl Fn(&str) -> Cow<'_, str>) {
        let mut positions = positions_of(rule, spell).into_iter();
        let listed: usize = positions.as_slice().iter().map(|position| position.0.len()).sum();
        let mut budget = FREE_NODES.max(listed.saturating_mul(2));
        let mut ends = vec![0];
        while let Some(position) = positions.next() {
            for &end in &ends {
                self.node_mut(end).below.note(id, rule.decision);
            }
            let paths = ends.len().saturating_mul(position.0.len());
            let Some(left) = budget.checked_sub(paths) else {
                self.add_tail(&ends, id, std::iter::once(position).chain(positions).collect());
                return;
            };
            budget = left;
            ends = self.grow(&ends, &position);
        }
        for end in ends {
            self.node_mut(end).rules.push(id);
        }
    }

    fn add_tail(&mut self, ends: &[usize], rule: RuleId, positions: Vec<Position>) {
        let tail = Arc::new(Tail { rule, positions });
        for &end in ends {
            self.node_mut(end).tails.push(Arc::clone(&tail));
        }
    }

    /// The nodes one position further on, made where there are none yet.
    fn grow(&mut self, ends: &[usize], position: &Position) -> Vec<usize> {
        let mut grown = Vec::with_capacity(ends.len().saturating_mul(position.0.len()));
        for word in &position.0 {
            let next_word = self.words.len();
            let word = *self.words.entry(word.clone()).or_insert(next_word);
            for &end in ends {
                let fresh = self.nodes.len().saturating_add(1);
                let node = *self.edges.entry((end, word)).or_insert(fresh);
                if node == fresh {
                    self.nodes.push(Node::default());
                }
                grown.push(node);
            }
        }
        grown
    }

    fn step(&self, node: usize, word: &str) -> Option<usize> {
        let word = *self.words.get(word)?;
        self.edges.get(&(node, word)).copied()
    }

    fn find(
        &self,
        program: &str,
        mut rest: &[String],
        spell: impl Fn(&str) -> Cow<'_, str>,
        found: &mut Vec<RuleId>,
    ) {
        if self.words.is_empty() {
            return;
        }
        let mut at = self.step(0, &spell(program));
        while let Some(id) = at {
            let node = self.node(id);
            found.extend(&node.rules);
            found.extend(node.tails.iter().filter(|tail| tail.matches(rest, &spell)).map(|tail| tail.rule));
            let Some((word, after)) = rest.split_first() else { return };
            at = self.step(id, &spell(word));
            rest = after;
        }
    }

    fn find_words(
        &self,
        program: Option<&str>,
        mut rest: &[Word],
        spell: impl Fn(&str) -> Cow<'_, str>,
        hits: &mut Hits,
    ) {
        if self.words.is_empty() {
            return;
        }
        let Some(program) = program else {
            hits.possible.extend(self.root.below.ids());
            return;
        };
        let mut at = self.step(0, &spell(program));
        while let Some(id) = at {
            let node = self.node(id);
            hits.certain.extend(&node.rules);
            let Some((word, after)) = rest.split_first() else { return };
            let Some(word) = word.literal() else {
                hits.possible.extend(node.below.ids());
                return;
            };
            for tail in &node.tails {
                match tail.fits(rest, &spell) {
                    Fit::Yes => hits.certain.push(tail.rule),
                    Fit::Perhaps => hits.possible.push(tail.rule),
                    Fit::No => {}
                }
            }
            at = self.step(id, &spell(word));
            rest = after;
        }
    }
}

impl Tail {
    fn matches(&self, rest: &[String], spell: impl Fn(&str) -> Cow<'_, str>) -> bool {
        rest.len() >= self.positions.len()
            && self.positions.iter().zip(rest).all(|(position, word)| position.0.contains(&*spell(word)))
    }

    fn fits(&self, rest: &[Word], spell: impl Fn(&str) -> Cow<'_, str>) -> Fit {
        let mut words = rest.iter();
        for position in &self.positions {
            match words.next() {
                // One unknown word may become any number of words, so nothing behind it is placed.
                Some(Word::Unknown) => return Fit::Perhaps,
                Some(Word::Literal(word)) if position.0.contains(&*spell(word)) => {}
                Some(Word::Literal(_)) | None => return Fit::No,
            }
        }
        Fit::Yes
    }
}

fn positions_of(rule: &PrefixRule, spell: impl Fn(&str) -> Cow<'_, str>) -> Vec<Position> {
    let words = |words: &[String]| Position(words.iter().map(|word| spell(word).into()).collect());
    std::iter::once(words(std::slice::from_ref(&rule.program)))
        .chain(rule.rest.iter().map(|token| words(token.alternatives())))
        .collect()
}
