//! Header values that are lists: the loose form that most vendors use, and structured fields (RFC 9651).

use super::{Answer, Args, string, text_arg};
use crate::mapping::decimal;
use crate::mapping::style::Styles;
use serde_json::{Map, Value};

/// `$pairs(s)`: `a=1; b="x", c` as `{a: 1, b: "x", c: true}`.
pub(super) fn pairs(args: Args, _: Option<&Styles>) -> Answer {
    let Some(text) = text_arg(args, 0)? else { return Ok(None) };
    let mut pairs = Map::new();
    for part in split_outside_quotes(text) {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim(), loose(value.trim())),
            None => (part.trim(), Value::Bool(true)),
        };
        if !name.is_empty() {
            pairs.insert(name.to_owned(), value);
        }
    }
    Ok(Some(Value::Object(pairs)))
}

fn split_outside_quotes(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ';' | ',' if !quoted => {
                parts.extend(text.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..));
    parts
}

fn loose(text: &str) -> Value {
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => Value::String(inner.to_owned()),
        None => {
            let text = Value::String(text.to_owned());
            decimal::json(&text).unwrap_or(text)
        }
    }
}

/// `$structured(s)`: a list such as `"day";r=5;t=30, "min";r=0` as `[{name: "day", r: 5, t: 30}, …]`.
/// What is not one has no value.
pub(super) fn structured(args: Args, _: Option<&Styles>) -> Answer {
    let Some(text) = text_arg(args, 0)? else { return Ok(None) };
    Ok(Reader { rest: text.trim() }.list().map(Value::Array))
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn eat(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn list(&mut self) -> Option<Vec<Value>> {
        let mut list = Vec::new();
        while !self.rest.is_empty() {
            let name = if self.eat('(') { Value::Array(self.inner_list()?) } else { self.item()? };
            let mut member = Map::new();
            member.insert("name".into(), name);
            self.parameters(&mut member)?;
            list.push(Value::Object(member));
            self.spaces();
            if !self.rest.is_empty() && !self.eat(',') {
                return None;
            }
            self.spaces();
        }
        Some(list)
    }

    fn inner_list(&mut self) -> Option<Vec<Value>> {
        let mut list = Vec::new();
        loop {
            self.spaces();
            if self.eat(')') {
                return Some(list);
            }
            list.push(self.item()?);
            self.parameters(&mut Map::new())?;
        }
    }

    fn parameters(&mut self, member: &mut Map<String, Value>) -> Option<()> {
        while self.eat(';') {
            self.spaces();
            let key =
                self.take(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.' | '*'))?;
            let value = if self.eat('=') { self.item()? } else { Value::Bool(true) };
            // a parameter cannot take the place of the item it belongs to
            if key != "name" {
                member.insert(key.to_owned(), value);
            }
        }
        Some(())
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool) -> Option<&'t str> {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (head, rest) = self.rest.split_at_checked(end).filter(|(head, _)| !head.is_empty())?;
        self.rest = rest;
        Some(head)
    }

    fn item(&mut self) -> Option<Value> {
        match self.rest.chars().next()? {
            '"' => self.quoted(),
            '?' => {
                self.eat('?');
                Some(Value::Bool(match self.take(|c| c.is_ascii_digit())? {
                    "1" => true,
                    "0" => false,
                    _ => return None,
                }))
            }
            ':' => {
                self.eat(':');
                let bytes = self.take(|c| c != ':').unwrap_or_default();
                self.eat(':').then(|| Value::String(bytes.to_owned()))
            }
            '@' | '-' | '0'..='9' => {
                self.eat('@');
                let text = self.take(|c| c.is_ascii_digit() || matches!(c, '-' | '.'))?;
                decimal::json(&Value::String(text.to_owned()))
            }
            c if c.is_ascii_alphabetic() || c == '*' => {
                let token = self.take(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(c))?;
                Some(Value::String(token.to_owned()))
            }
            _ => None,
        }
    }

    fn quoted(&mut self) -> Option<Value> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => text.push(chars.next().map(|(_, c)| c).filter(|c| matches!(c, '"' | '\\'))?),
                '"' => {
                    self.rest = self.rest.get(at + 1..)?;
                    return string(text).ok().flatten();
                }
                c => text.push(c),
            }
        }
        None
    }
}
