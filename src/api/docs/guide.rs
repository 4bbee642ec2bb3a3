//! The first page: how to use the API, and where everything else is.

use maud::{Markup, html};

use super::document::Group;
use super::frame::Place;
use super::prose::{headings, inline, prose};

const GUIDE: &str = include_str!("text/guide.md");

pub fn contents() -> Vec<(String, String)> {
    let mut contents = headings(GUIDE);
    contents.push(("resources".into(), "All resources and operations".into()));
    contents
}

pub fn page(groups: &[Group<'_>], place: &Place) -> Markup {
    html! {
        p.lead {
            "One REST API for your customers' CRMs. Every request is passed through, in real time, to the customer's own CRM: \
             translated there, translated back, and not stored."
        }
        (prose(GUIDE, place))
        h2 #resources { "All resources and operations" }
        dl.groups {
            @for group in groups {
                dt { a href=(place.group(&group.slug)) { (group.title) } }
                dd {
                    (inline(group.about, place))
                    ul.operations {
                        @for operation in &group.operations {
                            li {
                                a href=(place.href(&format!("/docs/api/{}#{}", group.slug, operation.id))) {
                                    (operation.value.get("summary").and_then(|text| text.as_str()).unwrap_or(operation.id))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
