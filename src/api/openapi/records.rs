//! The operations on records: what every resource can have.

use serde_json::json;

use super::operation::Operation as Described;
use super::served::{Served, listed};
use super::{parameters, problems};
use crate::model::Operation;

/// Headers of the answer to a write.
const WRITTEN: &[&str] = &["Throughline-Warning", "ETag", "Idempotency-Replayed"];
/// Of an answer that may be kept.
const READ: &[&str] = &["Throughline-Warning", "ETag", "Cache-Status", "Cache-Control", "Age"];
const LISTED: &[&str] = &["Throughline-Warning", "Link", "ETag", "Cache-Status", "Cache-Control", "Age"];
const WRITTEN_NEW: &[&str] = &["Throughline-Warning", "ETag", "Idempotency-Replayed", "Location"];

/// An operation that some provider can do, with a sentence on who.
fn able(served: &Served<'_>, operation: Operation, id: String, summary: String) -> Option<Described> {
    let able = served.able(operation);
    if able.is_empty() {
        return None;
    }
    let scope = if operation.is_write() { "write" } else { "read" };
    let who = if able.len() == served.by.len() { String::new() } else { format!(" Possible with {}.", listed(&able)) };
    let described = Described::new(id, served.tag(), summary);
    Some(described.about(format!("Needs the scope `{scope}`.{who}")))
}

pub fn list(served: &Served<'_>) -> Option<Described> {
    let summary = format!("List {}", served.words);
    let described = able(served, Operation::List, format!("list{}", served.many), summary)?;
    Some(
        described
            .about("Filters are joined by AND. Which filters and sorts go together differs from provider to provider; what does not is refused with what does.")
            .about(parameters::custom_filters(served))
            .parameters(parameters::list(served))
            .parameters(parameters::read())
            .answer(200, "A page.", &page(served), &page(served), LISTED)
            .known()
            .problems(&problems::LIST),
    )
}

pub fn search(served: &Served<'_>) -> Option<Described> {
    let summary = format!("List {}, asked for in JSON", served.words);
    let described = able(served, Operation::List, format!("search{}", served.many), summary)?;
    let body = format!("{}Search", served.one);
    Some(
        described
            .about("The same list, for queries that are too long for a URL. It changes nothing.")
            .about(parameters::custom_filters(served))
            .parameters(parameters::searched())
            .body(&body, &body)
            .answer(200, "A page.", &page(served), &page(served), LISTED)
            .problems(&problems::SEARCH),
    )
}

pub fn get(served: &Served<'_>) -> Option<Described> {
    let summary = format!("Get {}", served.a);
    let described = able(served, Operation::Get, format!("get{}", served.one), summary)?;
    Some(
        described
            .parameters(parameters::record(served))
            .parameters(parameters::read())
            .answer(200, "The record.", &served.one, &served.one, READ)
            .known()
            .problems(&problems::GET),
    )
}

pub fn create(served: &Served<'_>) -> Option<Described> {
    let summary = format!("Create {}", served.a);
    let described = able(served, Operation::Create, format!("create{}", served.one), summary)?;
    Some(
        described
            .about(required(served))
            .parameters(parameters::record(served))
            .parameters(parameters::written())
            .body(&write(served), &write(served))
            .answer(201, "The new record, read back.", &served.one, &served.one, WRITTEN_NEW)
            .problems(&problems::CREATE),
    )
}

pub fn update(served: &Served<'_>) -> Option<Described> {
    let summary = format!("Update {}", served.a);
    let described = able(served, Operation::Update, format!("update{}", served.one), summary)?;
    Some(
        described
            .about("Writes the members that are sent and no others; null clears. A list is replaced as a whole.")
            .parameters(parameters::record(served))
            .parameters(parameters::rewritten())
            .patch(&write(served), &format!("{}Change", served.one))
            .answer(200, "The record, read back.", &served.one, &served.one, WRITTEN)
            .problems(&problems::UPDATE),
    )
}

pub fn delete(served: &Served<'_>) -> Option<Described> {
    let summary = format!("Delete {}", served.a);
    let described = able(served, Operation::Delete, format!("delete{}", served.one), summary)?;
    Some(described.parameters(parameters::rewritten()).done("It is gone.").problems(&problems::DELETE))
}

pub fn upsert(served: &Served<'_>) -> Option<Described> {
    let summary = format!("Create or update {}", served.a);
    let described = able(served, Operation::Upsert, format!("upsert{}", served.one), summary)?;
    let matches = served.matches();
    let (custom, names): (Vec<&str>, Vec<&str>) = matches.into_iter().partition(|name| name.ends_with(".*"));
    let mut forms = vec![json!({"type": "string", "enum": names})];
    forms.extend(custom.iter().map(|_| json!({"type": "string", "pattern": parameters::CUSTOM_NAME})));
    let found = json!({
        "name": "match",
        "in": "query",
        "required": true,
        "description": "The field by whose value, in the body, the record is found. Several records that have it are a conflict.",
        "schema": if forms.len() == 1 { forms.swap_remove(0) } else { json!({"anyOf": forms}) },
    });
    Some(
        described
            .about("Where the provider has no such operation, the record is looked for first: the warning `upsert-not-atomic` says so.")
            .parameter(found)
            .parameters(parameters::record(served))
            .parameters(parameters::written())
            .body(&write(served), &write(served))
            .answer(200, "The record that was there.", &served.one, &served.one, WRITTEN)
            .answer(201, "The new record.", &served.one, &served.one, WRITTEN_NEW)
            .problems(&problems::CREATE),
    )
}

pub fn batch(served: &Served<'_>) -> Option<Described> {
    let (asked, results) = (format!("{}Batch", served.one), format!("{}BatchResults", served.one));
    if served.able(Operation::Batch).is_empty() {
        return None;
    }
    Some(
        Described::new(format!("batch{}", served.many), served.tag(), format!("Many operations on {}", served.words))
            .about("Needs the scope `read`, and `write` for anything but `get`.")
            .about("At most 100 operations. Each has its own result and succeeds or fails by itself; the results come in the order of the operations. Where the provider has requests for many records, they are used.")
            .parameters(parameters::record(served))
            .parameters(parameters::written())
            .body(&asked, &asked)
            .answer(200, "What became of each.", &results, &results, &["Idempotency-Replayed"])
            .problems(&problems::BATCH),
    )
}

pub fn fields(served: &Served<'_>) -> Option<Described> {
    let summary = format!("List the fields of {}", served.words);
    Some(
        Described::new(format!("list{}Fields", served.one), served.tag(), summary)
            .about("Needs the scope `read`.")
            .about("The fields of the customer's account, those of its own included.")
            .parameters(parameters::read())
            .answer(200, "The fields.", "FieldDescriptionPage", "FieldDescriptionPage", READ)
            .known()
            .problems(&problems::ACCOUNT),
    )
}

fn page(served: &Served<'_>) -> String {
    format!("{}Page", served.one)
}

fn write(served: &Served<'_>) -> String {
    format!("{}Write", served.one)
}

/// Which provider has to be told what.
fn required(served: &Served<'_>) -> String {
    let lines = served.by.iter().filter_map(|(title, resource)| {
        let required = resource.fields.iter().filter(|(_, field)| field.required);
        let names: Vec<String> = required.map(|(name, _)| format!("`{name}`")).collect();
        (!names.is_empty()).then(|| format!("- {title}: {}", names.join(", ")))
    });
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { String::new() } else { format!("Has to be sent:\n\n{}", lines.join("\n")) }
}
