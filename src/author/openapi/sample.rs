//! Invented values in the vendor's form, for examples. Nobody real is in them: what a document gives as an example of a
//! name or an address is not taken.

use serde_json::{Value, json};

use super::schema::{self, Kind};
use crate::model::Type;

const LONGEST: usize = 40;

pub fn id(kind: Kind, schema: &Value) -> Value {
    match (kind, schema::text(schema, "format")) {
        (Kind::Integer | Kind::Number, _) => json!(7),
        (_, Some("uuid")) => json!("0f8fad5b-d9cb-469f-a165-70867728950e"),
        _ => json!("7"),
    }
}

pub fn scalar(resource: &str, field: &str, ours: &Type, theirs: Kind, schema: &Value, codec: &Value) -> Value {
    match (ours, theirs) {
        (Type::Date | Type::DateTime, Kind::Text) => match (schema::text(schema, "format"), ours) {
            (Some("date"), _) | (None, Type::Date) => json!("2026-01-02"),
            _ => json!("2026-01-02T03:04:05Z"),
        },
        (Type::Date | Type::DateTime, _) => match codec.as_str() {
            Some("epoch-ms") => json!(1_767_323_045_000_u64),
            _ => json!(1_767_323_045_u64),
        },
        (_, Kind::Boolean) => json!(true),
        (_, Kind::Integer) => json!(12),
        (_, Kind::Number) => json!(1250.5),
        (Type::Decimal | Type::Number | Type::Integer, Kind::Text) => json!("1250"),
        _ => text(resource, field, schema),
    }
}

fn text(resource: &str, field: &str, schema: &Value) -> Value {
    if let Some(choice) = schema::choices(schema).first() {
        return json!(choice);
    }
    let own = match (field, resource) {
        ("first_name", _) => "Ada",
        ("last_name", _) => "Byron",
        ("name", "contacts" | "leads" | "users") => "Ada Byron",
        ("name" | "company_name", "companies" | "leads") => "Byron & Sons",
        ("email", _) => "ada@example.test",
        ("phone" | "from" | "to", _) => "+4930123400",
        ("website" | "url" | "meeting_url" | "recording_url", _) => "https://example.test",
        ("domain", _) => "example.test",
        ("currency", _) => "EUR",
        ("language", _) => "en",
        ("time_zone", _) => "Europe/Berlin",
        ("title" | "department" | "industry" | "code" | "unit" | "priority" | "type" | "status", _) => {
            let given = schema::example(schema).and_then(Value::as_str).filter(|text| text.len() <= LONGEST);
            return json!(given.unwrap_or(field));
        }
        _ => return json!(format!("An invented {}", field.replace('_', " "))),
    };
    json!(own)
}
