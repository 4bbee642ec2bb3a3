//! A page of a list: cursors in, cursors out.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::answer::{self, warn, written};
use super::freshness;
use super::place::Place;
use super::problem::Refusal;
use super::target::{run, unexpected};
use crate::app::App;
use crate::error::{Error, Kind};
use crate::unified::cache::Content;
use crate::unified::{Asked, Call, Continuation, Cursor, Reply};

/// Runs the list and answers with its page and the cursor of the next.
pub async fn page(app: &App, call: Call, place: &Place, asked: Asked) -> Result<Response, Refusal> {
    let (vault, now, list) = (&app.vault, Timestamp::now(), place.list());
    let connection = call.connection.clone();
    let (query, from) = match &asked.cursor {
        Some(text) => {
            let cursor = Cursor::open(text, vault, &connection, &list, now)?;
            // A cursor brings its query along; one that is given beside it has to be the same.
            if asked.given && asked.query != cursor.query {
                let detail = "The cursor belongs to a list with other parameters: send it alone or with the same ones.";
                return Err(Error::new(Kind::InvalidCursor, detail).into());
            }
            (cursor.query, Some(cursor.from))
        }
        None => (asked.query, None),
    };
    let call = Call { query: query.clone(), from, ..call };
    let seal = |next: Continuation| Cursor::new(next, query, now).seal(vault, &connection, &list);
    let (mut response, warnings, next) = match run(app, call).await? {
        Reply::List { records, next, warnings } => {
            let next = next.map(seal).transpose()?;
            let mut answer = Map::new();
            answer.insert("data".into(), Value::Array(records));
            answer.insert("next_cursor".into(), json!(next));
            if !warnings.is_empty() {
                answer.insert("warnings".into(), json!(warnings));
            }
            (Json(Value::Object(answer)).into_response(), warnings, next)
        }
        Reply::Kept { kept, told } => {
            let Content::List { records, next, .. } = &kept.content else {
                return Err(unexpected(&Reply::Kept { kept, told }));
            };
            let next = next.clone().map(seal).transpose()?;
            let warnings = answer::all_warnings(&kept, &told);
            let rest = match warnings.is_empty() {
                true => format!(",\"next_cursor\":{}}}", json!(next)),
                false => format!(",\"next_cursor\":{},\"warnings\":{}}}", json!(next), json!(warnings)),
            };
            let mut response = written([b"{\"data\":".as_slice(), records, rest.as_bytes()].concat().into());
            freshness::tell(response.headers_mut(), &kept, &told, None);
            (response, warnings, next)
        }
        other => return Err(unexpected(&other)),
    };
    warn(response.headers_mut(), &warnings);
    if let Some(next) = next {
        let link = format!("<{list}?cursor={next}>; rel=\"next\"");
        response.headers_mut().extend(HeaderValue::from_str(&link).ok().map(|link| (header::LINK, link)));
    }
    Ok(response)
}
