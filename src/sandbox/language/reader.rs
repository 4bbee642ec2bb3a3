//! Reads the words of a query by the templates of its language.

use serde_json::Value;

use super::lexer::{Token, fault};
use super::pattern::{Part, Slot};
use super::{Fault, Language, Order, Statement};
use crate::sandbox::column::Kind;
use crate::sandbox::condition::{Condition, Op, Operand, Test};

/// Parentheses may nest so deep.
const DEPTH: usize = 64;

impl Language {
    /// A whole statement, as the template `statement` says.
    pub(in crate::sandbox) fn statement(&self, text: &str) -> Result<Statement, Fault> {
        self.whole(text, &self.statement)
    }

    /// Conditions alone.
    pub(in crate::sandbox) fn conditions(&self, text: &str) -> Result<Option<Condition>, Fault> {
        Ok(self.whole(text, &[Part::Slot(Slot::Where)])?.conditions)
    }

    /// An order alone.
    pub(in crate::sandbox) fn order(&self, text: &str) -> Result<Vec<Order>, Fault> {
        Ok(self.whole(text, &[Part::Slot(Slot::Order)])?.order)
    }

    fn whole(&self, text: &str, parts: &[Part]) -> Result<Statement, Fault> {
        let tokens = self.tokens(text)?;
        let mut reader = Reader { language: self, tokens: &tokens, furthest: 0 };
        let mut found = Found::default();
        match reader.parts(parts, 0, &mut found, 0) {
            Some(end) if end == tokens.len() => Ok(found.statement),
            end => {
                let stuck = reader.furthest.max(end.unwrap_or(0));
                let at = tokens.get(stuck).map_or(text.len(), |(at, _)| *at);
                Err(fault(text, at, "unexpected token"))
            }
        }
    }
}

/// What the slots of a template held.
#[derive(Default)]
struct Found {
    statement: Statement,
    on: Option<String>,
    values: Vec<Operand>,
}

struct Reader<'a> {
    language: &'a Language,
    tokens: &'a [(usize, Token<'a>)],
    furthest: usize,
}

impl<'a> Reader<'a> {
    fn token(&mut self, at: usize) -> Option<&'a Token<'a>> {
        self.furthest = self.furthest.max(at);
        self.tokens.get(at).map(|(_, token)| token)
    }

    fn word(&mut self, at: usize, word: &str) -> Option<usize> {
        self.token(at).filter(|token| token.is(word)).map(|_| at + 1)
    }

    /// Reads the parts from a position on; gives the position after them.
    fn parts(&mut self, parts: &[Part], mut at: usize, found: &mut Found, depth: usize) -> Option<usize> {
        for part in parts {
            at = match part {
                Part::Word(word) => self.word(at, word)?,
                Part::Slot(slot) => self.slot(*slot, at, found, depth)?,
                Part::Group(group) => {
                    let taken = match group.first() {
                        Some(Part::Word(word)) => self.word(at, word).is_some(),
                        _ => at < self.tokens.len(),
                    };
                    if taken { self.parts(group, at, found, depth)? } else { at }
                }
            };
        }
        Some(at)
    }

    fn slot(&mut self, slot: Slot, at: usize, found: &mut Found, depth: usize) -> Option<usize> {
        match slot {
            Slot::Select => self.list(at, |reader, at| {
                found.statement.select.push(reader.name(at)?);
                Some(at + 1)
            }),
            Slot::From => {
                found.statement.from = Some(self.name(at)?);
                Some(at + 1)
            }
            Slot::On => {
                found.on = Some(self.name(at)?);
                Some(at + 1)
            }
            Slot::Where => {
                let (condition, at) = self.any(at, depth)?;
                found.statement.conditions = Some(condition);
                Some(at)
            }
            Slot::Order => self.list(at, |reader, at| {
                let (order, at) = reader.order(at)?;
                found.statement.order.push(order);
                Some(at)
            }),
            Slot::Limit => {
                found.statement.limit = Some(self.count(at)?);
                Some(at + 1)
            }
            Slot::Offset => {
                found.statement.offset = Some(self.count(at)?);
                Some(at + 1)
            }
            Slot::Value => {
                found.values.push(self.literal(at)?);
                Some(at + 1)
            }
            Slot::Values => self.list(at, |reader, at| {
                found.values.push(reader.literal(at)?);
                Some(at + 1)
            }),
            Slot::Like => {
                let Token::Quoted(raw) = self.token(at)? else { return None };
                let value = Value::String(self.language.pattern(raw)?);
                found.values.push(Operand { value, kind: Some(Kind::Text) });
                Some(at + 1)
            }
        }
    }

    fn list(&mut self, mut at: usize, mut item: impl FnMut(&mut Self, usize) -> Option<usize>) -> Option<usize> {
        loop {
            at = item(self, at)?;
            match self.word(at, ",") {
                Some(next) => at = next,
                None => return Some(at),
            }
        }
    }

    fn name(&mut self, at: usize) -> Option<String> {
        match self.token(at)? {
            Token::Name(name) => Some((*name).to_owned()),
            // Where texts need no quotes, a name looks like one.
            Token::Bare(Kind::Text, text) => {
                let whole = self.language.name.find(text).is_some_and(|found| found.len() == text.len());
                whole.then(|| (*text).to_owned())
            }
            _ => None,
        }
    }

    fn count(&mut self, at: usize) -> Option<u64> {
        match self.token(at)? {
            Token::Bare(Kind::Number, text) => text.parse().ok(),
            _ => None,
        }
    }

    fn literal(&mut self, at: usize) -> Option<Operand> {
        let null = self.language.null.as_deref();
        match self.token(at)? {
            token if null.is_some_and(|null| token.is(null)) => Some(Operand { value: Value::Null, kind: None }),
            Token::Quoted(raw) => {
                let value = Value::String(self.language.unquote(raw)?);
                Some(Operand { value, kind: Some(Kind::Text) })
            }
            Token::Bare(kind, text) => Some(Operand { value: (*text).into(), kind: Some(*kind) }),
            _ => None,
        }
    }

    fn order(&mut self, at: usize) -> Option<(Order, usize)> {
        let language = self.language;
        for (desc, parts) in &language.orders {
            let mut found = Found::default();
            let (Some(mut at), Some(column)) = (self.parts(parts, at, &mut found, 0), found.on) else { continue };
            let mut nulls_last = false;
            for (words, last) in [(&language.nulls_first, false), (&language.nulls_last, true)] {
                if let Some(end) = self.parts(words, at, &mut Found::default(), 0).filter(|end| *end > at) {
                    (at, nulls_last) = (end, last);
                }
            }
            return Some((Order { column, desc: *desc, nulls_last }, at));
        }
        None
    }

    fn any(&mut self, at: usize, depth: usize) -> Option<(Condition, usize)> {
        let or = self.language.or.as_str();
        self.joined(at, depth, or, Condition::Any, |reader, at| reader.all(at, depth))
    }

    fn all(&mut self, at: usize, depth: usize) -> Option<(Condition, usize)> {
        let and = self.language.and.as_str();
        self.joined(at, depth, and, Condition::All, |reader, at| reader.one(at, depth))
    }

    fn joined(
        &mut self,
        at: usize,
        depth: usize,
        word: &str,
        join: fn(Vec<Condition>) -> Condition,
        mut item: impl FnMut(&mut Self, usize) -> Option<(Condition, usize)>,
    ) -> Option<(Condition, usize)> {
        if depth > DEPTH {
            return None;
        }
        let (first, mut at) = item(self, at)?;
        let mut list = vec![first];
        while let Some(next) = self.word(at, word) {
            let (more, end) = item(self, next)?;
            list.push(more);
            at = end;
        }
        Some(match list.len() {
            1 => (list.pop()?, at),
            _ => (join(list), at),
        })
    }

    /// One test, a negation, or conditions in parentheses.
    fn one(&mut self, at: usize, depth: usize) -> Option<(Condition, usize)> {
        let language = self.language;
        if let Some(next) = language.not.as_deref().and_then(|not| self.word(at, not)) {
            if depth > DEPTH {
                return None;
            }
            let (condition, at) = self.one(next, depth + 1)?;
            return Some((Condition::Not(Box::new(condition)), at));
        }
        for (op, parts) in &language.ops {
            let mut found = Found::default();
            let Some(end) = self.parts(parts, at, &mut found, depth) else { continue };
            return Some((Condition::Test(test(*op, found)?), end));
        }
        let next = self.word(at, "(")?;
        let (condition, at) = self.any(next, depth + 1)?;
        Some((condition, self.word(at, ")")?))
    }
}

fn test(op: Op, found: Found) -> Option<Test> {
    let (least, most) = op.arity();
    let count = found.values.len();
    (least..=most).contains(&count).then_some(())?;
    Some(Test { column: found.on?, op, values: found.values })
}
