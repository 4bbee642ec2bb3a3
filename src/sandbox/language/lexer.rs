//! Cuts a query into words, names, literals and punctuation.

use super::{Fault, Language};
use crate::sandbox::column::Kind;
use crate::sandbox::condition::{MANY, ONE};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'a> {
    Name(&'a str),
    /// What stands between the quotes, escapes and all.
    Quoted(&'a str),
    Bare(Kind, &'a str),
    Mark(&'a str),
}

impl Token<'_> {
    /// Whether it is this keyword or mark. A quoted text never is one.
    pub(super) fn is(&self, word: &str) -> bool {
        match self {
            Token::Name(text) | Token::Bare(_, text) | Token::Mark(text) => text.eq_ignore_ascii_case(word),
            Token::Quoted(_) => false,
        }
    }
}

pub(super) fn fault(text: &str, at: usize, message: &str) -> Fault {
    let near = text.get(at..).unwrap_or_default().chars().take(20).collect();
    Fault { at, near, message: message.to_owned() }
}

impl Language {
    pub(super) fn tokens<'a>(&self, text: &'a str) -> Result<Vec<(usize, Token<'a>)>, Fault> {
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let trimmed = rest.trim_start();
            if trimmed.len() < rest.len() {
                at = text.len() - trimmed.len();
                continue;
            }
            let (token, length) = self.token(rest).ok_or_else(|| fault(text, at, "unexpected text"))?;
            tokens.push((at, token));
            at += length;
        }
        Ok(tokens)
    }

    fn token<'a>(&self, rest: &'a str) -> Option<(Token<'a>, usize)> {
        if let Some(quote) = self.quote.filter(|quote| rest.starts_with(*quote)) {
            let inner = rest.get(quote.len_utf8()..)?;
            let length = self.quoted(inner, quote)?;
            return Some((Token::Quoted(inner.get(..length)?), length + 2 * quote.len_utf8()));
        }
        let name = self.name.find(rest).map(|found| (Token::Name(found.as_str()), found.len()));
        let bare = self.bare.iter().filter_map(|(kind, pattern)| {
            pattern.find(rest).map(|found| (Token::Bare(*kind, found.as_str()), found.len()))
        });
        let mark = self.marks.iter().find(|mark| rest.starts_with(mark.as_str()));
        let mark = mark.and_then(|mark| Some((Token::Mark(rest.get(..mark.len())?), mark.len())));
        // Of equally long readings the literal wins: `true` is no column.
        mark.into_iter().chain(name).chain(bare).filter(|(_, length)| *length > 0).max_by_key(|(_, length)| *length)
    }

    /// The length of a quoted text up to its closing quote.
    fn quoted(&self, inner: &str, quote: char) -> Option<usize> {
        let mut at = 0;
        loop {
            let rest = inner.get(at..)?;
            let escapes = self.escapes.iter().chain(&self.like.escapes);
            let escape = escapes
                .map(|(from, _)| from)
                .filter(|from| rest.starts_with(from.as_str()))
                .max_by_key(|from| from.len());
            if let Some(escape) = escape {
                at += escape.len();
                continue;
            }
            let next = rest.chars().next()?;
            if next == quote {
                return Some(at);
            }
            at += next.len_utf8();
        }
    }

    /// What a quoted text says; `None` for an escape that the language does not have.
    pub(super) fn unquote(&self, raw: &str) -> Option<String> {
        self.decode(raw, |_, rest| replace(&self.escapes, rest))
    }

    /// The same for a pattern: wildcards become [`MANY`] and [`ONE`].
    pub(super) fn pattern(&self, raw: &str) -> Option<String> {
        self.decode(raw, |language, rest| {
            let like = &language.like;
            let wild = |word: &Option<String>, stands_for: char| {
                let word = word.as_deref().filter(|word| rest.starts_with(word))?;
                Some((stands_for.to_string(), word.len()))
            };
            replace(&like.escapes, rest)
                .or_else(|| replace(&language.escapes, rest))
                .or_else(|| wild(&like.many, MANY))
                .or_else(|| wild(&like.one, ONE))
        })
    }

    fn decode(&self, raw: &str, step: impl Fn(&Self, &str) -> Option<(String, usize)>) -> Option<String> {
        let mut text = String::with_capacity(raw.len());
        let mut at = 0;
        while let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) {
            if let Some((stands_for, length)) = step(self, rest) {
                text.push_str(&stands_for);
                at += length;
                continue;
            }
            let next = rest.chars().next()?;
            // A lone escape character: the sequence that it begins is not one of the language's.
            let begins = |(from, _): &(String, String)| from.len() > 1 && from.starts_with(next);
            if self.escapes.iter().any(begins) {
                return None;
            }
            // The two code points that patterns use are no text.
            text.push(if next == MANY || next == ONE { '\u{FFFD}' } else { next });
            at += next.len_utf8();
        }
        Some(text)
    }
}

fn replace(escapes: &[(String, String)], rest: &str) -> Option<(String, usize)> {
    let (from, to) = escapes.iter().find(|(from, _)| rest.starts_with(from.as_str()))?;
    Some((to.clone(), from.len()))
}
