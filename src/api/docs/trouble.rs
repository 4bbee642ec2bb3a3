//! Pages of problems: what each code means, who has to act, whether a retry helps, what to do.

use maud::{Markup, html};

use super::frame::Place;
use super::prose::{inline, prose};
use crate::api::openapi::example_problem;
use crate::api::problem;
use crate::error::{KINDS, Kind};

const TEXT: &str = include_str!("text/problems.md");

/// What is written of one code.
struct Told<'a> {
    who: &'a str,
    retry: &'a str,
    text: &'a str,
}

/// Each code is a section: `# code`, a line on who has to act, one on retries, then the text.
fn told(code: &str) -> Option<Told<'static>> {
    let mut sections = TEXT.strip_prefix("# ")?.split("\n# ");
    let section = sections.find_map(|section| section.strip_prefix(code)?.strip_prefix('\n'))?;
    let (who, rest) = section.strip_prefix("who: ")?.split_once('\n')?;
    let (retry, text) = rest.strip_prefix("retry: ")?.split_once('\n')?;
    Some(Told { who, retry, text })
}

/// All codes, in the order of their statuses.
pub fn list(place: &Place) -> Markup {
    html! {
        div.wide tabindex="0" {
            table {
                thead { tr { th { "Status" } th { "Code" } th { "Meaning" } th { "Retry" } } }
                tbody {
                    @for (kind, code, title) in KINDS {
                        tr {
                            td { (statuses(*kind)) }
                            td { a href=(place.problem(code)) { code { (code) } } }
                            td { (title) }
                            td { (told(code).map(|told| told.retry).unwrap_or_default()) }
                        }
                    }
                }
            }
        }
    }
}

pub fn page(kind: Kind, place: &Place) -> Markup {
    let code = kind.code();
    let example = example_problem(kind);
    html! {
        @if let Some(told) = told(code) {
            dl.facts {
                dt { "Code" } dd { code { (code) } }
                dt { "Status" } dd { (statuses(kind)) }
                dt { "Who has to act" } dd { (inline(told.who, place)) }
                dt { "Does a retry help?" } dd { (inline(told.retry, place)) }
            }
            (prose(told.text, place))
        }
        h2 #example { "Example" }
        pre tabindex="0" { code { (format!("{example:#}")) } }
        p { a href=(place.href("/docs#problems")) { "How problems are built" } ", " a href=(place.href("/docs/problems")) { "all codes" } "." }
    }
}

/// One code has two.
fn statuses(kind: Kind) -> String {
    let status = problem::status(kind).as_u16();
    match kind {
        Kind::OutcomeUnknown => format!("{status}, and 409 of a write that is sent again"),
        _ => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_told_of_and_nothing_else_is() {
        for (_, code, _) in KINDS {
            let told = told(code).unwrap_or_else(|| panic!("{code} is not told of in text/problems.md"));
            assert!(told.text.contains("**What to do.**"), "{code}: what to do?");
        }
        assert_eq!(TEXT.lines().filter(|line| line.starts_with("# ")).count(), KINDS.len());
    }
}
