//! Schemas as lists of fields: name, type, meaning, and the fields within.

use maud::{Markup, html};
use serde_json::Value;

use super::document::{Document, members, schema_name, text};
use super::frame::Place;
use super::prose::inline;

/// More values than this are folded away.
const FEW: usize = 12;

/// Lists within lists end here; no schema is deeper by itself.
const DEEPEST: usize = 8;

pub struct Fields<'a> {
    pub document: &'a Document<'a>,
    pub place: &'a Place,
}

impl<'a> Fields<'a> {
    /// A schema under its name. `written` is the one of the same record as it is sent.
    pub fn schema(&self, name: &str, schema: &'a Value, written: Option<&Value>) -> Markup {
        html! {
            section.schema id=(name) {
                h3 { a href={ "#" (name) } { (name) } }
                @if !text(schema, "description").is_empty() { p { (inline(text(schema, "description"), self.place)) } }
                @if schema.get("properties").is_none() { p { (self.kind(schema)) } (self.values(schema)) }
                (self.inside(schema, written, 0))
            }
        }
    }

    /// The fields of an object, of what a list consists of, of each alternative.
    fn inside(&self, schema: &'a Value, written: Option<&Value>, depth: usize) -> Markup {
        if depth > DEEPEST {
            return html! {};
        }
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let alternatives = alternatives(schema);
        html! {
            @if schema.get("properties").is_some() {
                ul.fields {
                    @for (name, field) in members(schema.get("properties")) {
                        li {
                            code.field { (name) } " " span.kind { (self.kind(field)) }
                            @if required.contains(&name) && written.is_none() { " " span.mark { "always there" } }
                            @if written.is_some_and(|written| written.get(name).is_none()) { " " span.mark { "read only" } }
                            @if let Some(default) = field.get("default") { " " span.kind { "default " code { (default) } } }
                            @if !text(field, "description").is_empty() { p { (inline(text(field, "description"), self.place)) } }
                            (self.values(field))
                            (self.inside(field, None, depth + 1))
                        }
                    }
                }
            }
            @if let Some(items) = schema.get("items") { (self.values(items)) (self.inside(items, None, depth + 1)) }
            @if alternatives.iter().any(|alternative| alternative.get("properties").is_some()) {
                @for alternative in alternatives {
                    div.alternative {
                        @if !text(alternative, "description").is_empty() { p { (inline(text(alternative, "description"), self.place)) } }
                        (self.inside(alternative, None, depth + 1))
                    }
                }
            }
        }
    }

    /// `array of string, or null`.
    pub fn kind(&self, schema: &'a Value) -> Markup {
        if let Some(name) = schema_name(schema) {
            let to = self.document.home(name).map(|home| self.place.href(&format!("/docs/api/{home}#{name}")));
            return html! { @if let Some(to) = to { a href=(to) { (name) } } @else { (name) } };
        }
        if let Some(value) = schema.get("const") {
            return html! { code { (shown(value)) } };
        }
        let alternatives = alternatives(schema);
        if !alternatives.is_empty() {
            return html! { @for (index, one) in alternatives.into_iter().enumerate() { @if index > 0 { " or " } (self.kind(one)) } };
        }
        let types: Vec<&str> = match schema.get("type") {
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => vec!["anything"],
        };
        let others: Vec<&str> = types.iter().copied().filter(|kind| *kind != "null").collect();
        html! {
            (others.join(" or "))
            @if let Some(format) = schema.get("format").and_then(Value::as_str) { " (" (format) ")" }
            @if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) { " like " code { (pattern) } }
            @if let (true, Some(items)) = (others.contains(&"array"), schema.get("items")) { " of " (self.kind(items)) }
            @if let (None, Some(values)) = (schema.get("properties"), schema.get("additionalProperties").filter(|values| values.is_object())) {
                " of " (self.kind(values)) " by name"
            }
            @if others.len() < types.len() { ", or null" }
            @if let Some(least) = schema.get("minimum") { ", from " (least) }
            @if let Some(most) = schema.get("maximum") { " to " (most) }
        }
    }

    /// The values that are possible.
    fn values(&self, schema: &'a Value) -> Markup {
        let values: Vec<&Value> = schema
            .get("enum")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter(|value| !value.is_null())
            .collect();
        let list = html! { @for (index, value) in values.iter().enumerate() { @if index > 0 { ", " } code { (shown(value)) } } };
        html! {
            @if values.len() > FEW { details { summary { (values.len()) " values" } p { (list) } } }
            @else if !values.is_empty() { p.values { "One of " (list) } }
        }
    }
}

fn alternatives(schema: &Value) -> Vec<&Value> {
    let of = |word: &str| schema.get(word).and_then(Value::as_array);
    of("oneOf").or_else(|| of("anyOf")).or_else(|| of("allOf")).into_iter().flatten().collect()
}

/// Texts without their quotes.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
