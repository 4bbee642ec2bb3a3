//! What a caller sends must not become syntax. A URL's `{name}` is percent-encoded and a style writes values as literals;
//! an expression that puts a caller's text between quotes or brackets with `&` does neither.

use super::association::Association;
use super::build::Located;
use super::leaf::Leaf;
use super::resource::Resource;
use super::source::Problem;
use super::variant::{RequestShape, Variant};
use crate::mapping::Join;
use crate::model::{Model, Operation, Type};

/// Behind these, and before these, a value of a query language or an address begins and ends.
const OPENS: &[char] = &['\'', '"', '(', '[', '{', '=', '<', '>', ':', '/', ',', '`', '|', '&', '?'];
const CLOSES: &[char] = &['\'', '"', ')', ']', '}', '`', '|', '/', ','];

/// Every value of the caller's that a request of the resource joins into a text of its own.
pub fn check(resource: &Resource, others_have_patterns: bool, problems: &mut Vec<Problem>) {
    let caller = Caller { resource, others_have_patterns };
    for located in expressions(resource) {
        let mut joins = located.expression().joins().iter();
        if let Some(join) = joins.find(|join| is_syntax(join) && caller.says(&join.path)) {
            let path = join.path.join(".");
            problems.push(located.problem(format!(
                "`{path}` is what a caller sent, and nothing keeps it from ending the text that it is joined into: use `$query`, `$where` or `$literal` with a style, `{{name}}` in the path of the request, or `$regex({path}, pattern)`"
            )));
        }
    }
}

fn is_syntax(join: &Join) -> bool {
    join.before.trim_end().ends_with(OPENS) || join.after.trim_start().starts_with(CLOSES)
}

/// Which parts of a call are free text of the caller's.
struct Caller<'a> {
    resource: &'a Resource,
    others_have_patterns: bool,
}

impl Caller<'_> {
    fn says(&self, path: &[String]) -> bool {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let model = &self.resource.model;
        match names.as_slice() {
            ["q", ..] | ["match", "value", ..] | ["labels", ..] => true,
            ["id"] | ["items", "id"] => self.resource.id_pattern.is_none(),
            ["other_id"] => !self.others_have_patterns,
            ["conditions", .., last] => *last == "value",
            ["filter", names @ .., _operator] => self.filter_is_text(&names.join(".")),
            ["input", names @ ..] | ["items", "input", names @ ..] => is_text(model, &names.join(".")),
            _ => false,
        }
    }

    fn filter_is_text(&self, name: &str) -> bool {
        if name == "id" && self.resource.id_pattern.is_some() {
            return false;
        }
        let rule = self.resource.filters.get(name);
        rule.is_some_and(|rule| rule.values.is_none() && is_free(&rule.kind))
    }
}

fn is_text(model: &Model, path: &str) -> bool {
    model.member(path).is_some_and(|member| is_free(&member.kind))
}

/// Numbers, times and names of enums hold no syntax.
fn is_free(kind: &Type) -> bool {
    matches!(kind, Type::Text | Type::Id | Type::Any)
}

/// The expressions that make the requests of a resource.
fn expressions(resource: &Resource) -> Vec<&Located> {
    let mut variants: Vec<&Variant> = Operation::ALL.into_iter().flat_map(|one| resource.variants(one)).collect();
    variants.extend(resource.upserts.iter().filter_map(|upsert| upsert.native.as_ref()));
    variants.extend(resource.associations.values().flat_map(Association::variants));
    let steps = variants.iter().flat_map(|variant| &variant.steps).map(|(_, step)| &step.request);
    let batches = Operation::ALL.into_iter().filter_map(|one| resource.batch(one)).map(|batch| &batch.request);
    let requests = variants.iter().map(|variant| &variant.request).chain(steps).chain(batches);
    let lets = variants.iter().flat_map(|variant| &variant.lets).map(|(_, leaf)| leaf);
    let mut found = Vec::new();
    lets.chain(requests.flat_map(leaves)).for_each(|leaf| collect(leaf, &mut found));
    found
}

fn leaves(request: &RequestShape) -> impl Iterator<Item = &Leaf> {
    let named = request.query.iter().map(|(_, leaf)| leaf).chain(request.headers.iter().map(|(_, leaf)| leaf));
    named.chain(&request.body)
}

fn collect<'l>(leaf: &'l Leaf, found: &mut Vec<&'l Located>) {
    match leaf {
        Leaf::Literal(_) | Leaf::Path(_) => {}
        Leaf::Expression(located) => found.push(located),
        Leaf::Each(inner) | Leaf::Over(_, inner) => collect(inner, found),
        Leaf::Omit(from, names) => [from, names].into_iter().for_each(|leaf| collect(leaf, found)),
        Leaf::List(leaves) | Leaf::Merge(leaves) => leaves.iter().for_each(|leaf| collect(leaf, found)),
        Leaf::Map(leaves) => leaves.iter().for_each(|(_, leaf)| collect(leaf, found)),
    }
}
