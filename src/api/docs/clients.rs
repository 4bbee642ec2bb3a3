//! Small clients in several languages. They are files that run: `tests/outside/clients.mjs` does.

use maud::{Markup, html};

use super::frame::Place;
use super::prose::prose;

const ABOUT: &str = include_str!("text/clients.md");

const CLIENTS: [(&str, &str, &str, &str); 3] = [
    ("node", "Node.js", "client.mjs", include_str!("clients/client.mjs")),
    ("python", "Python", "client.py", include_str!("clients/client.py")),
    ("go", "Go", "client.go", include_str!("clients/client.go")),
];

const GENERATED: &str = include_str!("text/generated.md");

pub fn contents() -> Vec<(String, String)> {
    let clients = CLIENTS.iter().map(|(id, title, ..)| ((*id).to_owned(), (*title).to_owned()));
    clients.chain([("generated".to_owned(), "Generated clients".to_owned())]).collect()
}

pub fn page(place: &Place) -> Markup {
    html! {
        (prose(ABOUT, place))
        @for (id, title, file, text) in CLIENTS {
            h2 id=(id) { (title) }
            p { code { (file) } }
            pre tabindex="0" { code { (text) } }
        }
        h2 #generated { "Generated clients" }
        (prose(GENERATED, place))
    }
}
