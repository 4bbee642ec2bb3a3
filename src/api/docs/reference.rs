//! The page of a group: what its records consist of, how lists are filtered, and each operation.

use maud::{Markup, html};
use serde_json::Value;

use super::document::{Document, Group, Operation, SHARED, members, text};
use super::fields::Fields;
use super::filters::{filters, parts};
use super::frame::Place;
use super::prose::{inline, prose};
use super::request::{curl, example};

pub struct Reference<'a> {
    pub document: &'a Document<'a>,
    pub place: &'a Place,
}

impl<'a> Reference<'a> {
    pub fn contents(&self, group: &Group<'a>) -> Vec<(String, String)> {
        let summary =
            |operation: &Operation<'a>| (operation.id.to_owned(), text(operation.value, "summary").to_owned());
        let mut contents: Vec<(String, String)> = Vec::new();
        if let Some(record) = self.record(group) {
            contents.push((record.to_owned(), "Fields".to_owned()));
        }
        if self.list(group).is_some() {
            contents.push(("filters".to_owned(), "Filters".to_owned()));
        }
        contents.extend(group.operations.iter().map(summary));
        if !self.others(group).is_empty() {
            contents.push(("models".to_owned(), "Models".to_owned()));
        }
        contents
    }

    pub fn page(&self, group: &Group<'a>) -> Markup {
        let record = self.record(group);
        let list = self.list(group).map(|list| list.parameters(self.document));
        let fields = self.fields();
        let others = self.others(group);
        html! {
            // A record's schema says the same of it.
            @if record.is_none() { div.lead { (prose(group.about, self.place)) } }
            @if let Some(record) = record { h2 { "Fields" } (self.schema(record)) }
            @if let Some(parameters) = &list {
                h2 #filters { "Filters" }
                p {
                    code { "filter[name][operator]=value" } ", joined by AND. Which of them go together differs from provider to provider; "
                    "what does not is refused with what does."
                }
                (filters(parameters, &fields))
            }
            h2 #operations { "Operations" }
            @for operation in &group.operations { (self.operation(operation, group)) }
            @if !others.is_empty() { h2 #models { "Models" } }
            @for name in others { (self.schema(name)) }
        }
    }

    /// The page of schemas that several groups share.
    pub fn shared(&self) -> Markup {
        html! {
            p.lead { "What several resources and routes have in common." }
            h2 #models { "Models" }
            @for name in self.document.shown_by(SHARED) { (self.schema(name)) }
        }
    }

    fn fields(&self) -> Fields<'a> {
        Fields { document: self.document, place: self.place }
    }

    fn schema(&self, name: &str) -> Markup {
        let schema = self.document.schema(name).unwrap_or(&Value::Null);
        let written = self.document.schema(&format!("{name}Write")).and_then(|written| written.get("properties"));
        // A record as it is sent is the record without what is only read: no need to tell everything twice.
        let base = name.strip_suffix("Write").filter(|base| self.document.schema(base).is_some());
        match base {
            Some(base) => html! {
                section.schema id=(name) {
                    h3 { a href={ "#" (name) } { (name) } }
                    p {
                        "The fields of " a href={ "#" (base) } { (base) } " that can be written, as far as the provider has them: "
                        @for (index, (field, _)) in members(schema.get("properties")).enumerate() {
                            @if index > 0 { ", " } code { (field) }
                        }
                        ". Others are refused."
                    }
                }
            },
            None => self.fields().schema(name, schema, written),
        }
    }

    /// The schema of the records that the group is about.
    fn record(&self, group: &Group<'a>) -> Option<&'a str> {
        let shown = self.document.shown_by(&group.slug);
        let written = |name: &&&str| shown.iter().any(|other| other.strip_suffix("Search") == Some(**name));
        shown.iter().find(|name| written(name)).copied()
    }

    /// The group's schemas besides.
    fn others(&self, group: &Group<'a>) -> Vec<&'a str> {
        let record = self.record(group);
        self.document.shown_by(&group.slug).into_iter().filter(|name| Some(*name) != record).collect()
    }

    /// The operation whose filters the page lists.
    fn list(&self, group: &Group<'a>) -> Option<Operation<'a>> {
        let filtered = |operation: &&Operation<'a>| {
            operation.parameters(self.document).iter().any(|parameter| parts(text(parameter, "name")).is_some())
        };
        group.operations.iter().find(filtered).copied()
    }

    fn operation(&self, operation: &Operation<'a>, group: &Group<'a>) -> Markup {
        let parameters = operation.parameters(self.document);
        let filtered = parameters.iter().any(|parameter| parts(text(parameter, "name")).is_some());
        let fields = self.fields();
        html! {
            section.operation id=(operation.id) {
                h3 { a href={ "#" (operation.id) } { (text(operation.value, "summary")) } }
                p.route { b { (operation.method.to_uppercase()) } " " code { (operation.path) } }
                (prose(text(operation.value, "description"), self.place))
                @if parameters.iter().any(|parameter| parts(text(parameter, "name")).is_none()) {
                    details {
                        summary { "Parameters and headers" }
                        ul.fields {
                            @for parameter in parameters.iter().filter(|parameter| parts(text(parameter, "name")).is_none()) {
                                li {
                                    code.field { (text(parameter, "name")) } " "
                                    span.kind {
                                        (text(parameter, "in")) ", "
                                        (fields.kind(parameter.get("schema").unwrap_or(&Value::Null)))
                                    }
                                    @if parameter.get("required") == Some(&Value::Bool(true)) { " " span.mark { "required" } }
                                    p { (inline(text(parameter, "description"), self.place)) }
                                }
                            }
                            @if filtered { li { a href=(self.place.href(&format!("/docs/api/{}#filters", group.slug))) { "Filters" } } }
                        }
                    }
                }
                @if let Some(body) = operation.body() { p { "Body: " (fields.kind(body)) } }
                pre tabindex="0" { code { (curl(operation, self.document)) } }
                @for (status, answer) in operation.successes() {
                    p.answer {
                        b { (status) } " " (inline(text(answer, "description"), self.place))
                        @if let Some(schema) = answer.pointer("/content/application~1json/schema") { " " (fields.kind(schema)) }
                    }
                    @if let Some(example) = example(answer, self.document) {
                        details { summary { "Example" } pre tabindex="0" { code { (format!("{example:#}")) } } }
                    }
                }
                details {
                    summary { "Problems" }
                    ul.problems {
                        @for (status, codes) in operation.problems(self.document) {
                            li {
                                b { (status) } " "
                                @for (index, code) in codes.iter().enumerate() {
                                    @if index > 0 { ", " } a href=(self.place.problem(code)) { (code) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
