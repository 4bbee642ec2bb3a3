//! The schemas of the API's own things: problems, connections, keys, providers.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{members, page};
use crate::api::openapi::operation::reference;
use crate::auth::Scope;
use crate::catalog::{Coverage, Flow};
use crate::connections::State;
use crate::error::KINDS;

pub fn api() -> Map<String, Value> {
    let mut schemas = Map::new();
    schemas.extend(members(problems()));
    schemas.extend(members(connections()));
    schemas.extend(members(keys()));
    schemas.extend(providers());
    schemas
}

fn problems() -> Value {
    let codes: Vec<&str> = KINDS.iter().map(|(_, code, _)| *code).collect();
    json!({
        "Problem": {
            "type": "object",
            "description": "What went wrong (RFC 9457), whose fault it is and what can be done.",
            "required": ["type", "title", "status", "detail", "code", "request_id", "origin", "retryable"],
            "properties": {
                "type": {"type": "string", "format": "uri-reference", "description": "Where the code is explained."},
                "title": {"type": "string", "description": "The code in words."},
                "status": {"type": "integer", "description": "The answer's status."},
                "detail": {"type": "string", "description": "What happened this time."},
                "code": {"type": "string", "enum": codes},
                "request_id": {"type": "string"},
                "origin": {
                    "type": "string",
                    "enum": ["caller", "throughline", "provider"],
                    "description": "Whose fault it is.",
                },
                "retryable": {"type": "boolean", "description": "Whether the same request is safe to send again and may succeed."},
                "retry_after": {"type": "integer", "minimum": 1, "description": "Seconds to wait before."},
                "outcome": {
                    "type": "string",
                    "enum": ["not-executed", "executed", "unknown"],
                    "description": "What became of a write.",
                },
                "idempotency_key": {"type": "string", "description": "The key of a write whose outcome is not known."},
                "probe": {
                    "type": "string",
                    "description": "A path whose GET tells whether the write was executed: the record, or a list of those with the new one's natural key.",
                },
                "errors": {"type": "array", "items": reference("schemas", "Violation")},
                "supported": {"type": "array", "items": {"type": "string"}, "description": "What would have been possible."},
                "provider": reference("schemas", "ProviderAnswer"),
            },
        },
        "Violation": {
            "type": "object",
            "description": "One thing that is wrong: in the body (`pointer`), or in a parameter or header (`parameter`).",
            "required": ["detail"],
            "properties": {
                "pointer": {"type": "string", "description": "RFC 6901."},
                "parameter": {"type": "string"},
                "detail": {"type": "string"},
                "expected": {"type": "string", "description": "What would be right."},
            },
        },
        "ProviderAnswer": {
            "type": "object",
            "description": "What the provider said.",
            "required": ["name", "status"],
            "properties": {
                "name": {"type": "string"},
                "status": {"type": "integer"},
                "code": {"type": ["string", "null"]},
                "message": {"type": ["string", "null"]},
                "other_id": {"type": ["string", "null"], "description": "The record that is in the way."},
                "body": {"description": "The answer's body, cut where it is long."},
            },
        },
        "Warning": {
            "type": "object",
            "description": "Something that was dropped or degraded on the way to a success.",
            "required": ["code", "detail"],
            "properties": {
                "code": {"type": "string"},
                "pointer": {"type": "string", "description": "RFC 6901, into the record."},
                "detail": {"type": "string"},
            },
        },
    })
}

fn connections() -> Value {
    let time = json!({"type": ["string", "null"], "format": "date-time"});
    let states = State::all().map(State::as_str);
    let flows = Flow::ALL.map(Flow::as_str);
    let settings = json!({"type": "object", "description": "What the provider asks for besides credentials; see `settings` of the provider."});
    let secret = |members: Value, required: &[&str], about: &str| json!({"type": "object", "description": about, "required": required, "properties": members, "additionalProperties": false});
    json!({
        "Connection": {
            "type": "object",
            "description": "A customer's account at a provider. Credentials are never shown.",
            "required": ["id", "provider", "customer_id", "state", "settings", "scopes", "created_at"],
            "properties": {
                "id": {"type": "string"},
                "provider": {"type": "string"},
                "customer_id": {"type": "string", "description": "Your own id of the customer."},
                "state": {"type": "string", "enum": states.collect::<Vec<_>>()},
                "state_reason": {"type": ["string", "null"]},
                "settings": settings,
                "scopes": {"type": "array", "items": {"type": "string"}, "description": "What the customer granted."},
                "last_used_at": time,
                "refreshed_at": time,
                "next_refresh_at": time,
                "last_error": {"type": ["string", "null"]},
                "log_bodies_until": {"type": ["string", "null"], "format": "date-time", "description": "Until then what is said through the connection is kept with its requests; see `GET /v1/connections/{id}/requests`. Null if it is not."},
                "created_at": {"type": "string", "format": "date-time"},
                "quota": {
                    "type": ["array", "null"],
                    "description": "How the provider's limits stand, as far as this server knows. Only where one connection is read; null if nothing was sent through it lately.",
                    "items": {
                        "type": "object",
                        "required": ["name", "limit", "remaining", "resets_at"],
                        "properties": {
                            "name": {"type": "string", "description": "The limit's name in GET /v1/providers/{name}."},
                            "limit": {"type": ["integer", "null"]},
                            "remaining": {"type": "integer"},
                            "resets_at": {"type": ["string", "null"], "format": "date-time", "description": "When all of it can be used again; null if it can."},
                        },
                    },
                },
            },
        },
        "ConnectionPage": page("Connection"),
        "Probe": {
            "type": "object",
            "required": ["works", "status", "detail"],
            "properties": {
                "works": {"type": ["boolean", "null"], "description": "Null if the answer says nothing about the credentials."},
                "status": {"type": ["integer", "null"], "description": "The provider's."},
                "detail": {"type": "string"},
            },
        },
        "NewConnection": {
            "type": "object",
            "required": ["provider", "customer_id", "credentials"],
            "properties": {
                "provider": {"type": "string"},
                "customer_id": {"type": "string", "maxLength": 255},
                "settings": settings,
                "credentials": reference("schemas", "Credentials"),
                "on_conflict": {
                    "type": "string",
                    "enum": ["fail", "replace"],
                    "default": "fail",
                    "description": "What to do when the customer has a connection to the provider already.",
                },
            },
            "additionalProperties": false,
        },
        "ConnectionChange": {
            "type": "object",
            "description": "Only what is sent is touched. A setting that is null goes back to its default.",
            "properties": {
                "paused": {"type": "boolean"},
                "customer_id": {"type": "string"},
                "settings": settings,
                "log_bodies_until": {"type": ["string", "null"], "format": "date-time", "description": "Keeps what is said through the connection with its requests until then, at most 24 hours ahead; null ends it."},
            },
            "additionalProperties": false,
        },
        "Credentials": {
            "description": "Which kinds a provider takes stands under its `credentials`.",
            "oneOf": [
                secret(
                    json!({
                        "type": {"const": "oauth2"},
                        "flow": {"type": "string", "enum": flows, "default": Flow::default().as_str()},
                        "access_token": {"type": ["string", "null"], "description": "May be missing where it can be had without the customer."},
                        "refresh_token": {"type": ["string", "null"], "description": "Needed where the provider's tokens end; a token without an end is of type `token`."},
                        "expires_at": time,
                        "scopes": {"type": "array", "items": {"type": "string"}},
                        "client_id": {"type": "string", "description": "The app that the tokens were given to, if it is not the one that new connections get."},
                        "subject": {"type": "string", "description": "The user that assertions are signed for."},
                        "previous_refresh_token": {"type": ["string", "null"]},
                        "replaced_at": time,
                    }),
                    &["type"],
                    "Tokens of an OAuth 2 grant.",
                ),
                secret(
                    json!({"type": {"const": "token"}, "token": {"type": "string"}}),
                    &["type", "token"],
                    "A long-lived token or API key.",
                ),
                secret(
                    json!({"type": {"const": "basic"}, "username": {"type": "string"}, "password": {"type": "string"}}),
                    &["type", "username", "password"],
                    "A name and a password.",
                ),
                secret(
                    json!({
                        "type": {"const": "headers"},
                        "headers": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
                    }),
                    &["type", "headers"],
                    "Headers that are sent as they are.",
                ),
            ],
        },
    })
}

fn keys() -> Value {
    let scopes = json!({"type": "array", "items": {"type": "string", "enum": Scope::ALL.map(Scope::as_str)}});
    let limits = |about: &str| json!({"type": "array", "items": {"type": "string"}, "description": about});
    let time = json!({"type": ["string", "null"], "format": "date-time"});
    let count = |about: &str| json!({"type": "integer", "minimum": 1, "description": about});
    let pace = |about: &str| {
        json!({
            "type": "object",
            "description": about,
            "properties": {
                "rate": count("Requests in a second."),
                "burst": count("Requests that may come at once before the rate counts; `rate`, if that is given alone."),
                "concurrency": count("Requests at a time."),
            },
            "additionalProperties": false,
        })
    };
    let key = json!({
        "id": {"type": "string"},
        "name": {"type": ["string", "null"]},
        "mode": {"type": "string", "enum": ["live", "test"]},
        "scopes": scopes,
        "providers": limits("Providers that the key is limited to; none means no limit."),
        "connections": limits("Connections that the key is limited to; none means no limit."),
        "limits": pace("What the key may do besides the server's own limits."),
        "created_at": {"type": "string", "format": "date-time"},
        "expires_at": time,
        "revoked_at": time,
        "last_used_at": time,
    });
    json!({
        "Key": {
            "type": "object",
            "description": "An API key without its secret.",
            "required": ["id", "mode", "scopes", "providers", "connections", "limits", "created_at"],
            "properties": key,
        },
        "KeyPage": page("Key"),
        "CreatedKey": {
            "description": "A new key. Its text is shown this once.",
            "allOf": [
                reference("schemas", "Key"),
                {"type": "object", "required": ["key"], "properties": {"key": {"type": "string"}}},
            ],
        },
        "NewKey": {
            "type": "object",
            "required": ["scopes"],
            "properties": {
                "scopes": {"type": "array", "minItems": 1, "items": {"type": "string", "enum": Scope::ALL.map(Scope::as_str)}},
                "name": {"type": ["string", "null"], "maxLength": 200},
                "providers": limits("Providers to limit the key to."),
                "connections": limits("Connections to limit the key to."),
                "limits": pace("Tighter limits than the server's, or than those of the key that makes this one."),
                "expires_at": time,
            },
            "additionalProperties": false,
        },
    })
}

/// The matrix, as its own types say it.
fn providers() -> Map<String, Value> {
    // As they are sent, where members that say nothing are left out.
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    generator.subschema_for::<Coverage>();
    let mut schemas = generator.take_definitions(true);
    let mut summary = schemas.get("Provider").cloned().unwrap_or_default();
    if let Some(resources) = summary.pointer_mut("/properties/resources") {
        *resources = json!({"type": "array", "items": {"type": "string"}});
    }
    schemas.insert("ProviderSummary".into(), summary);
    schemas.insert("ProviderPage".into(), page("ProviderSummary"));
    schemas
}
