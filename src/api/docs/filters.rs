//! What a list can be asked for: each filter with its operators, and who takes them.

use maud::{Markup, html};
use serde_json::Value;

use super::document::text;
use super::fields::Fields;

struct Filter<'a> {
    field: &'a str,
    /// Of the first operator: most compare with the same.
    value: &'a Value,
    /// Operators that the same providers take.
    operators: Vec<(Vec<&'a str>, Vec<&'a str>)>,
}

/// `filter[emails][eq]` as its field and operator.
pub fn parts(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("filter[")?.strip_suffix(']')?.split_once("][")
}

pub fn filters<'a>(parameters: &[&'a Value], fields: &Fields<'a>) -> Markup {
    let filters = gathered(parameters);
    html! {
        ul.fields {
            @for filter in &filters {
                li {
                    code.field { (filter.field) } " " span.kind { (fields.kind(filter.value)) }
                    ul {
                        @for (operators, providers) in &filter.operators {
                            li {
                                @for (index, operator) in operators.iter().enumerate() { @if index > 0 { ", " } code { (operator) } }
                                ": " (providers.join(", "))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn gathered<'a>(parameters: &[&'a Value]) -> Vec<Filter<'a>> {
    let mut filters: Vec<Filter<'a>> = Vec::new();
    for parameter in parameters {
        let Some((field, operator)) = parts(text(parameter, "name")) else { continue };
        let takers = parameter.get("x-taken-by").and_then(Value::as_array);
        let providers: Vec<&str> = takers.into_iter().flatten().filter_map(Value::as_str).collect();
        let value = parameter.get("schema").unwrap_or(&Value::Null);
        match filters.iter_mut().find(|filter| filter.field == field) {
            Some(filter) => match filter.operators.iter_mut().find(|(_, takers)| *takers == providers) {
                Some((operators, _)) => operators.push(operator),
                None => filter.operators.push((vec![operator], providers)),
            },
            None => filters.push(Filter { field, value, operators: vec![(vec![operator], providers)] }),
        }
    }
    filters
}
