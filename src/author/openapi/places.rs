//! Lists that vendors keep in other forms: addresses for mail and telephone, postal addresses.

use serde_json::{Map, Value, json};

use super::lines::{Lines, Records, is_name};
use super::paging::dotted;
use super::schema::{self, Kind};
use super::words;
use crate::model::Member;

/// The line of `emails`, `phones` or `addresses`.
pub fn line(records: &Records<'_>, lines: &mut Lines, field: &str) -> Option<Value> {
    let member = records.model.members.get(field)?;
    if let Some(line) = each(records, lines, field, member) {
        return Some(line);
    }
    let places =
        if field == "addresses" { address(records, lines, member) } else { columns(records, lines, field, member) };
    (!places.is_empty()).then(|| json!({"places": places}))
}

/// The vendor has a list of objects.
fn each(records: &Records<'_>, lines: &mut Lines, field: &str, member: &Member) -> Option<Value> {
    let names: Vec<String> =
        words::LISTS.iter().find(|(list, _)| *list == field)?.1.iter().map(|name| (*name).to_owned()).collect();
    let (name, schema) = records.find(lines, &names, |schema| records.kind(schema) == Kind::List)?;
    let inner = schema::properties(records.document, schema::items(records.document, schema));
    let parts: &[(&str, &[&str])] = if field == "addresses" { words::STREET } else { words::ITEMS };
    let parts = parts.iter().chain(words::ITEMS.iter().filter(|(part, _)| *part == "type" && field == "addresses"));
    let members = member.kind.members()?;
    let mut fields = Map::new();
    let mut item = Map::new();
    for (part, known) in parts.filter(|(part, _)| members.contains_key(*part)) {
        let wanted = if *part == "primary" { Kind::Boolean } else { Kind::Text };
        let found = known.iter().find_map(|word| {
            inner
                .iter()
                .find(|(name, schema)| words::plain(name) == *word && is_name(name) && records.kind(schema) == wanted)
        });
        let Some((name, schema)) = found.filter(|(name, _)| !item.contains_key(*name)) else { continue };
        fields.insert((*part).to_owned(), json!(dotted(std::slice::from_ref(name))));
        item.insert(name.clone(), value(part, schema::choices(schema).first().copied()));
    }
    let whole =
        fields.contains_key("email") || fields.contains_key("number") || fields.len() > 2 && field == "addresses";
    if !whole {
        lines.notes.push(format!("`{field}` may be in `{name}`, whose entries have no known form"));
        return None;
    }
    if !records.is_written(lines, field, &name, member) {
        fields.values_mut().for_each(|path| *path = json!({"read": path.clone()}));
    }
    lines.used.insert(name.clone());
    lines.sample.insert(name.clone(), json!([item]));
    Some(json!({"each": dotted(&[name]), "fields": fields}))
}

/// The vendor has columns, one for each kind.
fn columns(records: &Records<'_>, lines: &mut Lines, field: &str, member: &Member) -> Vec<Value> {
    let part = if field == "emails" { "email" } else { "number" };
    let mut places = Vec::new();
    for (_, kind, names) in words::PLACES.iter().filter(|(list, ..)| *list == field) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let Some((name, _)) = records.find(lines, &names, |schema| records.kind(schema) == Kind::Text) else {
            continue;
        };
        let path = dotted(std::slice::from_ref(&name));
        let able = records.is_written(lines, field, &name, member);
        let mut place = Map::new();
        place.insert("type".into(), json!(kind));
        if places.is_empty() {
            place.insert("primary".into(), json!(true));
            lines.columns.push((if field == "emails" { "email" } else { "phone" }.into(), name.clone()));
        }
        place.insert(part.into(), if able { json!(path) } else { json!({"read": path}) });
        let shown =
            if part == "email" { format!("{kind}@example.test") } else { format!("+4930123{}", 400 + places.len()) };
        lines.sample.insert(name.clone(), json!(shown));
        lines.used.insert(name);
        places.push(Value::Object(place));
    }
    places
}

/// The vendor has one address, as an object or in columns.
fn address(records: &Records<'_>, lines: &mut Lines, member: &Member) -> Vec<Value> {
    let names: Vec<String> = words::ADDRESS.iter().map(|name| (*name).to_owned()).collect();
    let object = records.find(lines, &names, |schema| records.kind(schema) == Kind::Object);
    let (base, inner) = match &object {
        Some((name, schema)) => (Some(name.clone()), schema::properties(records.document, schema)),
        None => (None, records.read.clone()),
    };
    let mut place = Map::new();
    let mut sample = Map::new();
    for (part, known) in words::STREET {
        let found = known.iter().find_map(|word| {
            let named = |name: &str| {
                let plain = words::plain(name);
                plain == *word
                    || base.is_none()
                        && ["address", "mailing", "billing"].iter().any(|of| plain == format!("{of}{word}"))
            };
            inner.iter().find(|(name, schema)| named(name) && is_name(name) && records.kind(schema) == Kind::Text)
        });
        let Some((name, _)) = found.filter(|(name, _)| base.is_some() || !lines.used.contains(*name)) else { continue };
        let path: Vec<String> = base.iter().cloned().chain([name.clone()]).collect();
        place.insert((*part).to_owned(), json!(dotted(&path)));
        sample.insert(name.clone(), value(part, None));
    }
    if place.len() < 2 {
        return Vec::new();
    }
    let of: Vec<String> = base.iter().cloned().chain(sample.keys().filter(|_| base.is_none()).cloned()).collect();
    if !of.iter().all(|name| records.is_written(lines, "addresses", name, member)) {
        place.values_mut().for_each(|path| *path = json!({"read": path.clone()}));
        lines.created.retain(|field| field != "addresses");
        lines.updated.retain(|field| field != "addresses");
    }
    lines.used.extend(of);
    match base {
        Some(base) => lines.sample.extend([(base, Value::Object(sample))]),
        None => lines.sample.extend(sample),
    }
    place.shift_insert(0, "type".into(), json!("work"));
    vec![Value::Object(place)]
}

/// An invented part of an entry.
fn value(part: &str, choice: Option<&str>) -> Value {
    match (part, choice) {
        ("primary", _) => json!(true),
        ("type", Some(choice)) => json!(choice),
        ("type", None) => json!("work"),
        ("email", _) => json!("ada@example.test"),
        ("number", _) => json!("+4930123400"),
        ("street", _) => json!("Unter den Linden 1"),
        ("city", _) => json!("Berlin"),
        ("postal_code", _) => json!("10117"),
        ("country", _) => json!("DE"),
        _ => json!("Berlin"),
    }
}
