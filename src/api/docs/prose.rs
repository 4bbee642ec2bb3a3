//! Markdown as HTML. What looks like HTML in it stays text.

use maud::{Markup, PreEscaped};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

use super::frame::Place;

const OPTIONS: Options = Options::ENABLE_TABLES.union(Options::ENABLE_HEADING_ATTRIBUTES);

/// Paragraphs, lists, tables, code. Links that begin with `/` are made to lead there from `place`.
pub fn prose(text: &str, place: &Place) -> Markup {
    let mut rendered = String::new();
    html::push_html(&mut rendered, Parser::new_ext(text, OPTIONS).map(|event| shown(event, place)));
    // A table that is wider than the page is moved by itself, by keyboard too.
    let rendered = rendered
        .replace("<table>", "<div class=\"wide\" tabindex=\"0\"><table>")
        .replace("</table>", "</table></div>")
        .replace("<pre>", "<pre tabindex=\"0\">");
    PreEscaped(rendered)
}

/// The same for a text of one paragraph, without the paragraph.
pub fn inline(text: &str, place: &Place) -> Markup {
    let mut rendered = String::new();
    let events = Parser::new_ext(text, OPTIONS).map(|event| shown(event, place));
    let within = events.filter(|event| !matches!(event, Event::Start(Tag::Paragraph) | Event::End(TagEnd::Paragraph)));
    html::push_html(&mut rendered, within);
    PreEscaped(rendered.trim_end().to_owned())
}

fn shown<'a>(event: Event<'a>, place: &Place) -> Event<'a> {
    match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let dest_url = if dest_url.starts_with('/') { CowStr::from(place.href(&dest_url)) } else { dest_url };
            Event::Start(Tag::Link { link_type, dest_url, title, id })
        }
        other => other,
    }
}

/// Headings of the second level, with their ids: what a table of contents is made of.
pub fn headings(text: &str) -> Vec<(String, String)> {
    let mut headings: Vec<(String, String)> = Vec::new();
    let mut within = false;
    for event in Parser::new_ext(text, OPTIONS) {
        match event {
            Event::Start(Tag::Heading { level: pulldown_cmark::HeadingLevel::H2, id, .. }) => {
                within = true;
                headings.push((id.map(|id| id.to_string()).unwrap_or_default(), String::new()));
            }
            Event::End(TagEnd::Heading(_)) => within = false,
            Event::Text(text) | Event::Code(text) if within => {
                headings.last_mut().into_iter().for_each(|(_, title)| title.push_str(&text));
            }
            _ => {}
        }
    }
    headings
}
