//! One request from beginning to end: credential, limits, route, action, answer.

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::answer::{headers, plain};
use super::fault::{FAULTS, Fault, plain_status};
use super::limit::{describe, take};
use super::plan::Plan;
use super::route::{Action, Route};
use super::state::State;
use super::template::as_text;
use super::{Mount, Sandbox};

/// The largest body, in bytes.
pub(super) const BODY: usize = 1024 * 1024;

/// A request and its route.
pub(super) struct Asked<'a> {
    pub(super) plan: &'a Plan,
    pub(super) route: &'a Route,
    /// What templates see: the request, the captures, the limits.
    pub(super) scope: Value,
    pub(super) now: Timestamp,
}

impl Asked<'_> {
    /// What the path or the route's `let` has by this name.
    pub(super) fn capture(&self, name: &str) -> Option<String> {
        self.scope.get(name).and_then(as_text)
    }

    /// Adds the names of the route's `let` to the scope; they may read the `stored` columns of the record that the path
    /// names.
    pub(super) fn bind(&mut self, state: &State) -> Result<(), Fault> {
        if (!self.route.lets.is_empty() || self.route.held.is_some())
            && let (Ok(object), Some(id)) = (self.object(), self.capture("id"))
            && let Ok((_, record)) = state.record(object, &id)
        {
            let stored = json!({ "stored": record.values });
            lay(&mut self.scope, stored);
        }
        for (name, template) in &self.route.lets {
            let value = template.render(&self.scope)?;
            if let (Some(value), Some(scope)) = (value, self.scope.as_object_mut()) {
                scope.insert(name.clone(), value);
            }
        }
        Ok(())
    }

    pub(super) fn act(&self, state: &mut State) -> Result<Value, Fault> {
        let read = matches!(
            self.route.action,
            Action::List | Action::Query | Action::Continue | Action::Get | Action::Links | Action::Types
        );
        if !read && self.object().is_ok_and(|object| !object.of.is_empty()) {
            return Err(Fault::new("wrong_method"));
        }
        match self.route.action {
            Action::List => self.list(state),
            Action::Query => self.query(state),
            Action::Continue => self.continued(state),
            Action::Get => self.get(state),
            Action::Create => self.create(state),
            Action::Update => self.update(state),
            Action::Upsert => self.upsert(state),
            Action::Delete => self.delete(state),
            Action::Links => self.links(state),
            Action::Link => self.link(state, true),
            Action::Unlink => self.link(state, false),
            Action::Types => self.types(),
            Action::Columns => self.columns(),
            Action::Call => self.call(state),
            Action::Fixed => Ok(json!({})),
        }
    }
}

impl Sandbox {
    pub(super) fn answer_in(&self, state: &mut State, request: &Request<Bytes>) -> Response<Bytes> {
        let now = (self.clock)();
        state.requests += 1;
        let mut scope = scope(request, state.requests, now);
        let path = request.uri().path();
        let outcome = self.go(state, request, &mut scope, now);
        lay(&mut scope, json!({ "limits": describe(&self.plan.limits, &state.windows, path, now) }));
        // Rendered before the records are in the scope: there may be many.
        let general = headers(&self.plan.headers, &scope);
        let answered = outcome.and_then(|(route, members)| {
            lay(&mut scope, members);
            route.answer.render(&scope, &self.plan.content_type)
        });
        let mut response = answered.unwrap_or_else(|fault| {
            lay(&mut scope, json!({ "fault": fault.members }));
            self.plan.refuse(&fault, &scope)
        });
        match general {
            Ok(general) => response.headers_mut().extend(general),
            Err(fault) => return plain(&fault, plain_status(&fault.name)),
        }
        response
    }

    fn go<'a>(
        &'a self,
        state: &mut State,
        request: &Request<Bytes>,
        scope: &mut Value,
        now: Timestamp,
    ) -> Result<(&'a Route, Value), Fault> {
        let path = request.uri().path();
        let found = self.plan.route(request.method().as_str(), path);
        if !found.as_ref().is_ok_and(|(route, _)| route.open) {
            self.authorize(request)?;
        }
        if let Some(limit) = take(&self.plan.limits, &mut state.windows, path, now) {
            return Err(Fault::new(&limit.fault).with("limit", limit.name.as_str()));
        }
        let (route, captures) = found?;
        let members = self.plan.perform(state, route, captures, request, scope, now)?;
        Ok((route, members))
    }

    fn authorize(&self, request: &Request<Bytes>) -> Result<(), Fault> {
        let auth = &self.plan.auth;
        let given = request.headers().get(auth.header.as_str()).ok_or_else(|| Fault::new("no_credential"))?;
        let given = given.to_str().ok().and_then(|given| given.strip_prefix(auth.prefix.as_str()));
        match (given, &self.token) {
            (Some(given), Some(token)) if given == token => Ok(()),
            _ => Err(Fault::new("unauthorized")),
        }
    }
}

/// The named pieces of a path.
pub(super) type Captures = Vec<(String, String)>;

impl Plan {
    /// The route with most fixed segments.
    pub(super) fn route(&self, method: &str, path: &str) -> Result<(&Route, Captures), Fault> {
        let all = self.routes.iter().filter_map(|route| Some((route, route.captures(path)?)));
        let mut fitting: Vec<_> = all.collect();
        fitting.sort_by_key(|(route, _)| std::cmp::Reverse(route.weight()));
        let name = if fitting.is_empty() { "unknown_route" } else { "wrong_method" };
        fitting.into_iter().find(|(route, _)| route.method == method).ok_or_else(|| Fault::new(name))
    }

    /// Does what the route says. The scope keeps what was added to it on the way.
    pub(super) fn perform(
        &self,
        state: &mut State,
        route: &Route,
        captures: Captures,
        request: &Request<Bytes>,
        scope: &mut Value,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let body = body(request)?;
        for object in self.objects.values().filter(|object| !object.of.is_empty()) {
            state.gather(object);
        }
        if let Some(scope) = scope.as_object_mut() {
            scope.extend(body.map(|body| ("body".to_owned(), body)));
            scope.extend(captures.into_iter().map(|(name, value)| (name, Value::from(value))));
        }
        let mut asked = Asked { plan: self, route, scope: scope.take(), now };
        let outcome = match &route.rows {
            Some(rows) => asked.each(rows, state),
            None => asked.bind(state).and_then(|()| asked.act(state)),
        };
        *scope = asked.scope;
        outcome
    }

    /// The vendor's answer for a fault, or for the fault that stands in for it, or a plain one.
    pub(super) fn refuse(&self, fault: &Fault, scope: &Value) -> Response<Bytes> {
        let substitute = FAULTS.iter().find(|(name, _)| *name == fault.name).and_then(|(_, other)| *other);
        let answer = self.errors.get(&fault.name).or_else(|| self.errors.get(substitute?));
        let Some(answer) = answer else { return plain(fault, plain_status(&fault.name)) };
        answer.render(scope, &self.content_type).unwrap_or_else(|fault| plain(&fault, plain_status(&fault.name)))
    }
}

/// Lays more members into a scope.
pub(super) fn lay(scope: &mut Value, members: Value) {
    if let (Some(scope), Value::Object(members)) = (scope.as_object_mut(), members) {
        scope.extend(members);
    }
}

pub(super) fn scope(request: &Request<Bytes>, number: u64, now: Timestamp) -> Value {
    let mut query = Map::new();
    let pairs = request.uri().query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    for (name, value) in pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))) {
        let (name, value) = (decode(name), Value::from(decode(value)));
        match query.get_mut(&name) {
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
            None => {
                query.insert(name, value);
            }
        }
    }
    let text = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers: Map<String, Value> = request
        .headers()
        .iter()
        .filter(|(name, _)| *name != http::header::AUTHORIZATION)
        .map(|(name, value)| (name.as_str().to_owned(), Value::from(text(value))))
        .collect();
    json!({
        "method": request.method().as_str(),
        "path": request.uri().path(),
        "query": query,
        "headers": headers,
        "mount": request.extensions().get::<Mount>().map_or("", |mount| mount.0.as_str()),
        "correlation": format!("00000000-0000-4000-8000-{number:012x}"),
        "now": now.to_string(),
    })
}

/// A name or value of a query string.
fn decode(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

fn body(request: &Request<Bytes>) -> Result<Option<Value>, Fault> {
    let body = request.body();
    if body.len() > BODY {
        return Err(Fault::new("too_large").with("max", BODY));
    }
    if body.is_empty() || request.method() == http::Method::GET {
        return Ok(None);
    }
    let bad = |error: serde_json::Error| {
        Fault::new("bad_json")
            .with("message", "the body is not valid JSON")
            .with("line", error.line())
            .with("column", error.column())
    };
    serde_json::from_slice(body).map(Some).map_err(bad)
}
