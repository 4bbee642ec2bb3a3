//! All pages of one revision, rendered.

use std::collections::HashMap;

use maud::{Markup, html};

use super::document::{Document, SHARED};
use super::frame::{Menu, Page, Place};
use super::reference::Reference;
use super::{clients, guide, trouble};
use crate::api::kept::Kept;
use crate::api::openapi;
use crate::catalog::Catalog;
use crate::error::{Error, KINDS, Result};

const STYLE: &str = include_str!("style.css");
const PROBLEMS: &str = "/docs/problems";

pub struct Site {
    pages: HashMap<String, Kept>,
    no_problem: Kept,
    no_page: Kept,
}

impl Site {
    pub fn of(catalog: &Catalog) -> Result<Self> {
        let value = openapi::document(catalog);
        let document = Document::new(&value);
        let groups = document.groups();
        let menu = menu(&document);
        let mut pages = HashMap::new();
        let mut put = |path: &str, title: &str, contents: Vec<(String, String)>, write: &dyn Fn(&Place) -> Markup| {
            let place = Place::new(path);
            let kept = kept(Page { place: &place, title, menu: &menu, contents, main: write(&place) })?;
            pages.insert(path.to_owned(), kept);
            Ok::<(), Error>(())
        };
        // Both addresses, each with links that are relative to it.
        for path in ["/docs", "/docs/"] {
            put(path, "The API", guide::contents(), &|place| guide::page(&groups, place))?;
        }
        put("/docs/clients", "Clients", clients::contents(), &clients::page)?;
        put(PROBLEMS, "Problems", Vec::new(), &trouble::list)?;
        for (kind, code, title) in KINDS {
            put(&format!("{PROBLEMS}/{code}"), title, Vec::new(), &|place| trouble::page(*kind, place))?;
        }
        for group in &groups {
            let path = format!("/docs/api/{}", group.slug);
            let place = Place::new(&path);
            let contents = Reference { document: &document, place: &place }.contents(group);
            put(&path, &group.title, contents, &|place| Reference { document: &document, place }.page(group))?;
        }
        put(&format!("/docs/api/{SHARED}"), "Shared models", Vec::new(), &|place| {
            Reference { document: &document, place }.shared()
        })?;
        pages.insert("/docs/style.css".into(), Kept::new("text/css; charset=utf-8", STYLE)?);
        Ok(Self { pages, no_problem: no_problem(&menu)?, no_page: no_page(&menu)? })
    }

    pub fn page(&self, path: &str) -> Option<&Kept> {
        self.pages.get(path)
    }

    /// What to show instead of a page that is not there.
    pub fn missing(&self, path: &str) -> &Kept {
        if path.starts_with(PROBLEMS) { &self.no_problem } else { &self.no_page }
    }
}

fn kept(page: Page<'_>) -> Result<Kept> {
    Kept::new("text/html; charset=utf-8", page.markup().into_string())
}

fn no_problem(menu: &Menu) -> Result<Kept> {
    let place = Place::new(format!("{PROBLEMS}/missing"));
    let main = html! { p.lead { "No problem has this code. These are the codes:" } (trouble::list(&place)) };
    kept(Page { place: &place, title: "No such problem", menu, contents: Vec::new(), main })
}

fn no_page(menu: &Menu) -> Result<Kept> {
    let place = Place::new("/docs/api/missing");
    let main = html! {
        p.lead { "There is no such page; the menu has all that are. A resource that no provider has is not served." }
    };
    kept(Page { place: &place, title: "No such page", menu, contents: Vec::new(), main })
}

fn menu(document: &Document<'_>) -> Menu {
    let groups = document.groups();
    let entry = |slug: &str, title: &str| (format!("/docs/api/{slug}"), title.to_owned());
    let (resources, others): (Vec<_>, Vec<_>) =
        groups.iter().partition(|group| group.operations.iter().any(|one| one.path.starts_with("/v1/crm/")));
    let entries = |groups: Vec<&super::document::Group<'_>>| {
        groups.into_iter().map(|group| entry(&group.slug, &group.title)).collect::<Vec<_>>()
    };
    let mut others = entries(others);
    others.push(entry(SHARED, "Shared models"));
    Menu { resources: entries(resources), others }
}
