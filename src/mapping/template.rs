//! Text templates, split once when they are loaded: a value that looks like a slot is never read again.

use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Slot(String),
    /// `[ … ]`: vanishes when a name in it has no value.
    Group(Vec<Piece>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

pub(super) type Values = BTreeMap<String, String>;

impl Template {
    /// `{name}` is a slot, everything else text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        let pieces = pieces(&mut rest, false)?;
        Ok(Self(pieces))
    }

    /// As above, with groups in brackets.
    pub(super) fn parse_grouped(text: &str) -> Result<Self, String> {
        let mut rest = text;
        let mut all = Vec::new();
        while let Some(open) = rest.find('[') {
            let (mut before, inner) = rest.split_at(open);
            all.extend(pieces(&mut before, false)?);
            let close = inner.find(']').ok_or_else(|| format!("{text:?} has a [ without a ]"))?;
            let mut group = inner.get(1..close).unwrap_or_default();
            all.push(Piece::Group(pieces(&mut group, true)?));
            rest = inner.get(close + 1..).unwrap_or_default();
        }
        all.extend(pieces(&mut rest, false)?);
        Ok(Self(all))
    }

    pub(super) fn slots(&self) -> Vec<&str> {
        fn collect<'p>(pieces: &'p [Piece], slots: &mut Vec<&'p str>) {
            for piece in pieces {
                match piece {
                    Piece::Slot(name) => slots.push(name),
                    Piece::Group(inner) => collect(inner, slots),
                    Piece::Text(_) => {}
                }
            }
        }
        let mut slots = Vec::new();
        collect(&self.0, &mut slots);
        slots
    }

    /// `None` when a slot outside of groups has no value.
    pub(super) fn fill(&self, values: &Values) -> Option<String> {
        fill(&self.0, values)
    }
}

fn fill(pieces: &[Piece], values: &Values) -> Option<String> {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Slot(name) => text.push_str(values.get(name)?),
            Piece::Group(inner) => text.push_str(&fill(inner, values).unwrap_or_default()),
        }
    }
    Some(text)
}

fn pieces(rest: &mut &str, in_group: bool) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    if in_group && rest.contains('[') {
        return Err("a [ inside of [ … ]".into());
    }
    while let Some(open) = rest.find('{') {
        let (before, inner) = rest.split_at(open);
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        let close = inner.find('}').ok_or("a { without a }")?;
        let name = inner.get(1..close).unwrap_or_default();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!("{{{name}}} is no slot"));
        }
        pieces.push(Piece::Slot(name.to_owned()));
        *rest = inner.get(close + 1..).unwrap_or_default();
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text((*rest).to_owned()));
    }
    Ok(pieces)
}
