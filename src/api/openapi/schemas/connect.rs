//! The schemas of connect links, OAuth apps, events, logged requests and the audit log.

use serde_json::{Map, Value, json};

use super::{members, page};
use crate::audit::Action;
use crate::connections::EventKind;

pub fn connect() -> Map<String, Value> {
    let time = json!({"type": "string", "format": "date-time"});
    let kinds: Vec<&str> = EventKind::all().map(EventKind::as_str).collect();
    let actions: Vec<&str> = Action::all().map(Action::as_str).collect();
    let secret = |about: &str| json!({"type": ["string", "null"], "writeOnly": true, "description": about});
    members(json!({
        "NewConnectLink": {
            "type": "object",
            "required": ["customer_id", "return_url"],
            "properties": {
                "customer_id": {"type": "string", "maxLength": 255, "description": "Your own id of the customer."},
                "providers": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "Those the customer may choose from; all without it. With one there is nothing to choose.",
                },
                "connection_id": {"type": "string", "description": "A connection of the customer's that is to be authorised again."},
                "return_url": {
                    "type": "string",
                    "maxLength": 2000,
                    "description": "Where the browser goes in the end: https, or http to the developer's own machine.",
                },
            },
            "additionalProperties": false,
        },
        "ConnectLink": {
            "type": "object",
            "required": ["url", "expires_at"],
            "properties": {"url": {"type": "string"}, "expires_at": time},
        },
        "OauthApp": {
            "type": "object",
            "description": "A tenant's own app at a provider. Secrets are never shown.",
            "required": ["provider", "client_id", "redirect_uri", "created_at", "updated_at"],
            "properties": {
                "provider": {"type": "string"},
                "client_id": {"type": "string"},
                "redirect_uri": {
                    "type": ["string", "null"],
                    "description": "What the app has to name at the provider; null while the deployment has no `public_url`.",
                },
                "created_at": time,
                "updated_at": time,
            },
        },
        "OauthAppPage": page("OauthApp"),
        "NewOauthApp": {
            "type": "object",
            "required": ["client_id"],
            "properties": {
                "client_id": {"type": "string"},
                "client_secret": secret("None for an app without one."),
                "private_key": secret("A private key in PEM (RSA or EC) that assertions are signed with, for `jwt-bearer`."),
            },
            "additionalProperties": false,
        },
        "Event": {
            "type": "object",
            "description": "Something that happened to a connection.",
            "required": ["number", "at", "kind", "detail"],
            "properties": {
                "number": {"type": "integer", "description": "Its place in the log, which only grows."},
                "at": time,
                "kind": {"type": "string", "enum": kinds},
                "detail": {"type": ["string", "null"], "description": "In words."},
            },
        },
        "EventPage": page("Event"),
        "LoggedRequest": logged_request(),
        "LoggedRequestPage": page("LoggedRequest"),
        "AuditRow": {
            "type": "object",
            "description": "Who did what. Values and secrets are no part of it.",
            "required": ["number", "at", "since", "actor", "action", "connection", "subject", "outcome", "count", "request_id", "peer", "detail", "hash"],
            "properties": {
                "number": {"type": "integer", "description": "Its place in the tenant's log, which has no gaps."},
                "at": time,
                "since": {"type": ["string", "null"], "format": "date-time", "description": "Of sums: the first time; `at` is the last."},
                "actor": {"type": "string", "description": "The id of an API key, or `operator`, `customer`, `throughline`."},
                "action": {"type": "string", "enum": actions},
                "connection": {"type": ["string", "null"]},
                "subject": {"type": ["string", "null"], "description": "What else it is about: a key, a provider, `contacts list`."},
                "outcome": {"type": "string", "description": "`ok` or the code of the problem; of sums `ok`, `refused` or `failed`."},
                "count": {"type": "integer", "description": "How often; more than one in sums only."},
                "request_id": {"type": ["string", "null"]},
                "peer": {"type": ["string", "null"], "description": "The address that the request came from."},
                "detail": {"type": ["string", "null"], "description": "In words."},
                "hash": {"type": "string", "description": "SHA-256 over the row and the hash of the row before it."},
            },
        },
        "AuditPage": page("AuditRow"),
    }))
}

fn logged_request() -> Value {
    let maybe = |about: &str| json!({"type": ["string", "null"], "description": about});
    let ms = |about: &str| json!({"type": "number", "description": about});
    json!({
        "type": "object",
        "description": "A request that went through a connection, or was refused on its way.",
        "required": [
            "at", "request_id", "trace_id", "key", "method", "route", "path", "resource", "operation", "status", "problem",
            "outcome", "attempts", "retries", "provider_statuses", "duration_ms", "bodies",
        ],
        "properties": {
            "at": {"type": "string", "format": "date-time", "description": "When it came."},
            "request_id": {"type": "string", "description": "`X-Request-Id` of its answer."},
            "trace_id": maybe("Of the trace that its caller sent, or that it is in."),
            "key": maybe("The id of the API key."),
            "method": {"type": "string"},
            "route": {"type": "string", "description": "The route's pattern."},
            "path": maybe("Of raw requests: where they went, without the query. What may be somebody's data is `REDACTED`."),
            "resource": maybe("`passthrough` of raw requests; null for one that was refused before."),
            "operation": maybe("What was done; of raw requests `read` or `write`."),
            "status": {"type": ["integer", "null"], "description": "Of the answer; null for a caller who left before."},
            "problem": maybe("The code of the problem."),
            "outcome": {
                "type": ["string", "null"],
                "enum": ["not-executed", "executed", "unknown", null],
                "description": "Of writes: what became of it.",
            },
            "attempts": {"type": "integer", "description": "Exchanges with the provider."},
            "retries": {"type": "integer", "description": "Of them, those that were made again after a failure."},
            "provider_statuses": {
                "type": "array",
                "items": {"type": ["integer", "null"]},
                "description": "The provider's first eight answers; null stands for none.",
            },
            "duration_ms": {
                "type": "object",
                "required": ["total", "upstream", "quota", "mapping", "overhead"],
                "properties": {
                    "total": ms("Until the head of the answer."),
                    "upstream": ms("Waiting for the provider."),
                    "quota": ms("Waiting for the provider's allowance."),
                    "mapping": ms("Translating."),
                    "overhead": ms("All that is neither the provider's nor its allowance's; mapping is part of it."),
                },
            },
            "bodies": bodies(),
        },
    })
}

fn bodies() -> Value {
    let maybe = |about: &str| json!({"type": ["string", "null"], "description": about});
    let body = |about: &str| {
        json!({
            "type": ["object", "null"],
            "description": format!("{about} Null where there was none, or it was not read."),
            "required": ["text", "bytes", "cut"],
            "properties": {
                "text": maybe("Its first 16 KiB, with `(secret)` where it repeats the connection's credentials. Null for what is no text."),
                "bytes": {"type": "integer", "description": "As it was sent, as far as it came."},
                "cut": {"type": "boolean", "description": "Whether there was more than `text` holds."},
            },
        })
    };
    json!({
        "type": ["object", "null"],
        "description": "What was said, where `log_bodies_until` of the connection said so; for 24 hours.",
        "required": ["request", "answer", "attempts", "left_out"],
        "properties": {
            "request": body("The caller's."),
            "answer": body("The answer's."),
            "attempts": {
                "type": "array",
                "description": "The first eight exchanges with the provider.",
                "items": {
                    "type": "object",
                    "required": ["method", "path", "status", "request", "answer"],
                    "properties": {
                        "method": {"type": "string"},
                        "path": {"type": "string", "description": "With its query, but without what carries the credential."},
                        "status": {"type": ["integer", "null"], "description": "Null where there was no answer."},
                        "request": body("What was sent."),
                        "answer": body("What came back."),
                    },
                },
            },
            "left_out": maybe("What is not here, and why."),
        },
    })
}
