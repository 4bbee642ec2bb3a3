//! The headers of answers.

use serde_json::{Map, Value, json};

const HEADERS: [(&str, &str); 14] = [
    ("X-Request-Id", "The id of this request: the caller's own, or a new one. It finds the request in the logs."),
    (
        "Server-Timing",
        "Milliseconds spent, by what: `upstream` (the provider), `quota`, `mapping`, `overhead` (all that is ours).",
    ),
    (
        "Throughline-Warning",
        "What had to be dropped or degraded, as a structured list (RFC 9651) of codes: `ignored-member;pointer=\"/company/name\"`.",
    ),
    ("Throughline-Origin", "Whose answer it is: `provider`, passed on as it came, or `throughline`."),
    (
        "Idempotency-Replayed",
        "`true`: the answer of an earlier request with the same `Idempotency-Key`; nothing was done now.",
    ),
    (
        "ETag",
        "The provider's version of the record, for `If-Match`: not with every provider. Where answers are kept, all others have a weak tag, for `If-None-Match`.",
    ),
    (
        "Cache-Status",
        "Only where answers are kept: whether this one is (RFC 9211). `throughline; hit; ttl=42`: from memory, and good for so many seconds yet (stale where it is below 0). `fwd=` says why the provider was asked (`uri-miss`, `stale`, `request`), `stored` that the answer is kept now, `collapsed` that another caller's request was waited for. `fwd=stale; ttl=-7`: the provider failed, and a stale answer stands in.",
    ),
    ("Age", "Seconds since the provider gave this answer. Only from memory."),
    (
        "Cache-Control",
        "Only where answers are kept: `private, max-age=N`, from which `Age` is to be taken off, or `no-cache` for an answer that is not kept.",
    ),
    ("Location", "The path of the new record."),
    ("Link", "`rel=\"next\"`: the next page."),
    ("Retry-After", "Seconds after which another attempt may succeed."),
    ("Allow", "The methods that are supported here."),
    ("WWW-Authenticate", "`Bearer`."),
];

pub fn all() -> Map<String, Value> {
    let header = |(name, about): &(&str, &str)| {
        let kind = if *name == "Retry-After" { "integer" } else { "string" };
        ((*name).to_owned(), json!({"description": about, "schema": {"type": kind}}))
    };
    HEADERS.iter().map(header).collect()
}
