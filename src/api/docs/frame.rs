//! What all pages share: the head, the way around, where a link leads from here.

use maud::{DOCTYPE, Markup, html};

/// Where a page is. Links are relative, so that they also work behind a path that a balancer takes off.
pub struct Place {
    path: String,
}

/// What the menu lists: resources, and what is around them.
#[derive(Default)]
pub struct Menu {
    pub resources: Vec<(String, String)>,
    pub others: Vec<(String, String)>,
}

pub struct Page<'a> {
    pub place: &'a Place,
    pub title: &'a str,
    pub menu: &'a Menu,
    /// Ids within the page, with what they are called.
    pub contents: Vec<(String, String)>,
    pub main: Markup,
}

impl Place {
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into() }
    }

    /// From here to a path of this server, which may have a fragment.
    pub fn href(&self, to: &str) -> String {
        let (path, fragment) = to.split_once('#').unwrap_or((to, ""));
        if path == self.path && !fragment.is_empty() {
            return format!("#{fragment}");
        }
        let up = "../".repeat(self.path.matches('/').count().saturating_sub(1));
        format!("{up}{}", to.trim_start_matches('/'))
    }

    pub fn group(&self, slug: &str) -> String {
        self.href(&format!("/docs/api/{slug}"))
    }

    pub fn problem(&self, code: &str) -> String {
        self.href(&format!("/docs/problems/{code}"))
    }
}

impl Page<'_> {
    pub fn markup(self) -> Markup {
        let Self { place, title, menu, contents, main } = self;
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) " – Throughline" }
                    link rel="stylesheet" href=(place.href("/docs/style.css"));
                }
                body {
                    header {
                        a.name href=(place.href("/docs")) { "Throughline" }
                        nav aria-label="Documentation" {
                            a href=(place.href("/docs#resources")) { "Resources" }
                            a href=(place.href("/docs/problems")) { "Problems" }
                            a href=(place.href("/docs/clients")) { "Clients" }
                            a href=(place.href("/openapi.json")) { "openapi.json" }
                            a.to-menu href="#pages" { "All pages" }
                        }
                    }
                    div.columns {
                        main {
                            h1 { (title) }
                            @if contents.len() > 1 {
                                nav.contents aria-label="On this page" {
                                    ul { @for (id, name) in &contents { li { a href={ "#" (id) } { (name) } } } }
                                }
                            }
                            (main)
                        }
                        // Last, so that a narrow screen begins with the text; a wide one has it at the side.
                        nav.menu #pages aria-label="Pages" { (links(place, menu)) }
                    }
                }
            }
        }
    }
}

fn links(place: &Place, menu: &Menu) -> Markup {
    let list = |entries: &[(String, String)]| {
        html! {
            ul {
                @for (path, title) in entries {
                    li { a href=(place.href(path)) aria-current=[(*path == place.path).then_some("page")] { (title) } }
                }
            }
        }
    };
    html! {
        p { "Records" }
        (list(&menu.resources))
        p { "And around them" }
        (list(&menu.others))
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn links_are_relative() {
        let (top, deep) = (Place::new("/docs"), Place::new("/docs/api/contacts"));
        assert_eq!(top.href("/docs/problems"), "docs/problems");
        assert_eq!(deep.href("/docs#writes"), "../../docs#writes");
        assert_eq!(deep.href("/docs/api/contacts#getContact"), "#getContact");
        assert_eq!(deep.href("/openapi.json"), "../../openapi.json");
    }
}
