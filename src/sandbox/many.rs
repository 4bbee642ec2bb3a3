//! Requests for several records, and requests that hold other requests.

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use super::answer::plain;
use super::engine::{Asked, lay, scope};
use super::fault::{Fault, plain_status};
use super::route::{Action, Rows};
use super::state::State;
use super::template::Template;

impl Asked<'_> {
    /// Does the action once for each row. A refused row leaves the others alone, unless they stand or fall together.
    pub(super) fn each(&mut self, rows: &Rows, state: &mut State) -> Result<Value, Fault> {
        let list = match rows.of.render(&self.scope)? {
            Some(Value::Array(list)) => list,
            Some(Value::Null) | None => Vec::new(),
            Some(row) => vec![row],
        };
        if list.len() as u64 > rows.max {
            return Err(Fault::new("too_many_conditions").with("what", "records").with("max", rows.max));
        }
        let atomic = rows.atomic.as_ref().map(|atomic| atomic.render(&self.scope)).transpose()?.flatten();
        let before = (atomic == Some(Value::Bool(true))).then(|| state.clone());
        let whole = self.scope.clone();
        let (mut results, mut made, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for (index, row) in list.into_iter().enumerate() {
            self.scope = whole.clone();
            lay(&mut self.scope, json!({ "row": row, "index": index }));
            let outcome = self.bind(state).and_then(|()| self.act(state));
            let (template, list) = match outcome {
                Ok(members) => {
                    lay(&mut self.scope, members);
                    (&rows.made, &mut made)
                }
                Err(fault) if fault.name == "broken" => return Err(fault),
                Err(fault) => {
                    if let Some(before) = before {
                        *state = before;
                        return Err(fault);
                    }
                    lay(&mut self.scope, json!({ "fault": fault.members }));
                    let refused = told(&self.plan.refuse(&fault, &self.scope));
                    lay(&mut self.scope, json!({ "refused": refused }));
                    (&rows.failed, &mut failed)
                }
            };
            if let Some(result) = template.as_ref().map(|template| template.render(&self.scope)).transpose()?.flatten()
            {
                list.push(result.clone());
                results.push(result);
            }
        }
        self.scope = whole;
        Ok(json!({ "results": results, "made": made, "failed": failed }))
    }

    /// Another request of the same caller. It cannot hold further ones.
    pub(super) fn call(&self, state: &mut State) -> Result<Value, Fault> {
        let Some(call) = &self.route.call else { return Err(Fault::new("wrong_method")) };
        let text = |template: &Template| Ok(template.render_text(&self.scope)?.unwrap_or_default());
        let body = call.body.as_ref().map(|body| body.render(&self.scope)).transpose()?.flatten();
        let body = body.filter(|body| !body.is_null()).map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request = Request::builder().method(text(&call.method)?.as_str()).uri(text(&call.path)?).body(body);
        let request = request.map_err(|error| Fault::new("bad_json").with("message", error.to_string()))?;
        let mut within = scope(&request, state.requests, self.now);
        let outcome = self.plan.route(request.method().as_str(), request.uri().path()).and_then(|(route, captures)| {
            if route.action == Action::Call {
                return Err(Fault::new("wrong_method"));
            }
            let members = self.plan.perform(state, route, captures, &request, &mut within, self.now)?;
            lay(&mut within, members);
            route.answer.render(&within, &self.plan.content_type)
        });
        let response = outcome.unwrap_or_else(|fault| {
            lay(&mut within, json!({ "fault": fault.members }));
            if fault.name == "broken" {
                plain(&fault, plain_status(&fault.name))
            } else {
                self.plan.refuse(&fault, &within)
            }
        });
        Ok(told(&response))
    }
}

/// An answer as a value.
fn told(response: &Response<Bytes>) -> Value {
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    json!({ "status": response.status().as_u16(), "body": body })
}
