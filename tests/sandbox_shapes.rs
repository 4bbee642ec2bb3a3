//! The shipped sandboxes answer in the shapes of recorded vendor answers. The recordings are not part of this
//! repository: they are looked for beside the checkout, or where `THROUGHLINE_SHARED` says; without them this is skipped.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use throughline::sandbox::Sandbox;

/// Members that a vendor's answer may have or lack: columns that the request did not name, and what the sandbox
/// leaves out or adds knowingly.
const OPTIONAL: &[&str] = &[
    "properties.*", // whichever columns were asked for
    "results[].properties.*",
    "*.associations", // only where there are links
    "results[].url",  // a link into the vendor's user interface
    "paging",
    "nextRecordsUrl", // there or not by the number of records
    "paging.next.link",
    "subCategory",
    "groupName",
    "requestId",
    "[].fields",
    "@limits", // the vendor has dozens; the sandbox four
];

struct Case {
    sample: &'static str,
    /// How often the request is sent before the answer counts.
    warm: u32,
    request: &'static str,
    body: fn() -> Value,
    /// The request's credential, and limits set to nothing.
    token: &'static str,
    /// Below this, the recorded account has columns of its own, and the sandbox has others.
    columns: &'static str,
    exhausted: &'static str,
}

const PLAIN: Case =
    Case { sample: "", warm: 0, request: "", body: || Value::Null, token: "secret", columns: "-", exhausted: "" };

const HUBSPOT: &[Case] = &[
    Case { sample: "contacts-list-page1", request: "GET /crm/objects/2026-03/contacts?limit=3", ..PLAIN },
    Case {
        sample: "contacts-list-page2-last",
        request: "GET /crm/objects/2026-03/contacts?limit=100&after=121651",
        ..PLAIN
    },
    Case { sample: "contacts-list-empty", request: "GET /crm/objects/2026-03/contacts?after=121701", ..PLAIN },
    Case {
        sample: "contacts-get-with-associations",
        request: "GET /crm/objects/2026-03/contacts/120501?properties=email,firstname,phone&associations=companies",
        ..PLAIN
    },
    Case {
        sample: "contacts-create",
        request: "POST /crm/objects/2026-03/contacts",
        body: || json!({"properties": {"email": "n@example.test", "firstname": "N"}, "associations": [{"to": {"id": "30400100701"}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}]}]}),
        ..PLAIN
    },
    Case {
        sample: "contacts-update",
        request: "PATCH /crm/objects/2026-03/contacts/120501",
        body: || json!({"properties": {"jobtitle": ""}}),
        ..PLAIN
    },
    Case { sample: "contacts-delete", request: "DELETE /crm/objects/2026-03/contacts/120501", ..PLAIN },
    Case {
        sample: "contacts-search-page1",
        request: "POST /crm/objects/2026-03/contacts/search",
        body: || json!({"filterGroups": [{"filters": [{"propertyName": "lastmodifieddate", "operator": "GTE", "value": "1756684800000"}]}], "sorts": ["lastmodifieddate"], "properties": ["email", "website"], "limit": 20, "after": "0"}),
        ..PLAIN
    },
    Case {
        sample: "contacts-search-page2-last",
        request: "POST /crm/objects/2026-03/contacts/search",
        body: || json!({"properties": ["website", "email"], "limit": 20, "after": "20"}),
        ..PLAIN
    },
    Case {
        sample: "contacts-search-error-10000",
        request: "POST /crm/objects/2026-03/contacts/search",
        body: || json!({"after": "10000"}),
        ..PLAIN
    },
    Case { sample: "companies-get", request: "GET /crm/objects/2026-03/companies/30400100701", ..PLAIN },
    Case { sample: "companies-list", request: "GET /crm/objects/2026-03/companies", ..PLAIN },
    Case { sample: "deals-get", request: "GET /crm/objects/2026-03/deals/9100220", ..PLAIN },
    Case { sample: "deals-list", request: "GET /crm/objects/2026-03/deals?limit=100", ..PLAIN },
    Case { sample: "owners-list", request: "GET /crm/owners/2026-03?limit=1", ..PLAIN },
    Case {
        sample: "associations-list",
        request: "GET /crm/objects/2026-03/contacts/120501/associations/companies?limit=500",
        ..PLAIN
    },
    Case { sample: "error-400-invalid-object", request: "GET /crm/objects/2026-03/butterflies", ..PLAIN },
    Case {
        sample: "error-400-validation",
        request: "POST /crm/objects/2026-03/contacts",
        body: || json!({"properties": {"lifecyclestage": "hatched"}}),
        ..PLAIN
    },
    Case { sample: "error-401-invalid", request: "GET /crm/objects/2026-03/contacts", token: "", ..PLAIN },
    Case { sample: "error-404-not-found", request: "GET /crm/objects/2026-03/contacts/1", ..PLAIN },
    Case { sample: "error-429-daily", request: "GET /crm/objects/2026-03/contacts", exhausted: "daily", ..PLAIN },
    Case {
        sample: "error-429-ten-secondly",
        request: "GET /crm/objects/2026-03/contacts",
        exhausted: "burst",
        ..PLAIN
    },
    Case {
        sample: "error-429-secondly",
        request: "POST /crm/objects/2026-03/contacts/search",
        body: || json!({}),
        exhausted: "search",
        ..PLAIN
    },
];

const CONTACT: &str = "SELECT+Id,FirstName,LastName,Email,Phone,MobilePhone,Title,AccountId,OwnerId,LeadSource,Birthdate,MailingAddress,IsDeleted,CreatedDate,SystemModstamp,Tier__c,Interests__c+FROM+Contact";

const SALESFORCE: &[Case] = &[
    Case {
        sample: "companies-get",
        request: "GET /services/data/v64.0/sobjects/Account/0015e0000000001AAA?fields=Id,Name,Website,Phone,Industry,AnnualRevenue,NumberOfEmployees,BillingAddress,OwnerId,IsDeleted,CreatedDate,SystemModstamp",
        ..PLAIN
    },
    Case {
        sample: "companies-list",
        request: "GET /services/data/v64.0/query?q=SELECT+Id,Name,Website,Phone,Industry,AnnualRevenue,NumberOfEmployees,BillingAddress,OwnerId,IsDeleted,CreatedDate,SystemModstamp+FROM+Account",
        ..PLAIN
    },
    Case {
        sample: "contacts-create",
        request: "POST /services/data/v64.0/sobjects/Contact",
        body: || json!({"LastName": "N", "Email": "n@example.test", "AccountId": "0015e0000000001AAA"}),
        ..PLAIN
    },
    Case {
        sample: "contacts-delete",
        request: "DELETE /services/data/v64.0/sobjects/Contact/0035e0000000001AAA",
        ..PLAIN
    },
    Case {
        sample: "contacts-get",
        request: "GET /services/data/v64.0/sobjects/Contact/0035e0000000001AAA?fields=Id,FirstName,LastName,Email,Phone,MobilePhone,Title,AccountId,OwnerId,LeadSource,Birthdate,MailingAddress,IsDeleted,CreatedDate,SystemModstamp,Tier__c,Interests__c",
        ..PLAIN
    },
    Case {
        sample: "contacts-list-empty",
        request: "GET /services/data/v64.0/query?q=SELECT+Id+FROM+Contact+WHERE+Id+=+'x'",
        ..PLAIN
    },
    Case {
        sample: "contacts-list",
        request: "GET /services/data/v64.0/query?q=SELECT+AccountId,Department,AssistantName,Description+FROM+Contact",
        ..PLAIN
    },
    Case { sample: "contacts-list-page1-incremental", request: "", ..PLAIN },
    Case {
        sample: "contacts-list-page2-last",
        request: "GET /services/data/v64.0/query/01g5e0000000001AAA-20",
        warm: 1,
        ..PLAIN
    },
    Case {
        sample: "contacts-update",
        request: "PATCH /services/data/v64.0/sobjects/Contact/0035e0000000001AAA",
        body: || json!({"Title": "CTO"}),
        ..PLAIN
    },
    Case {
        sample: "contacts-upsert-created",
        request: "PATCH /services/data/v64.0/sobjects/Contact/Ext_Id__c/erp-17",
        body: || json!({"LastName": "N"}),
        ..PLAIN
    },
    Case {
        sample: "contacts-upsert-updated",
        request: "PATCH /services/data/v64.0/sobjects/Contact/Ext_Id__c/erp-17",
        warm: 1,
        body: || json!({"LastName": "N"}),
        ..PLAIN
    },
    Case {
        sample: "deals-get",
        request: "GET /services/data/v64.0/sobjects/Opportunity/0065e0000000001AAA?fields=Id,Name,AccountId,StageName,Amount,Probability,CloseDate,Type,IsClosed,IsWon,ForecastCategory,CurrencyIsoCode,OwnerId,CreatedDate,SystemModstamp",
        ..PLAIN
    },
    Case {
        sample: "deals-list",
        request: "GET /services/data/v64.0/query?q=SELECT+Id,Name,AccountId,Amount,StageName+FROM+Opportunity",
        ..PLAIN
    },
    Case {
        sample: "users-list",
        request: "GET /services/data/v64.0/query?q=SELECT+Id,Name,Email,IsActive+FROM+User",
        ..PLAIN
    },
    Case { sample: "limits-get", request: "GET /services/data/v64.0/limits", ..PLAIN },
    Case {
        sample: "error-400-duplicate",
        request: "POST /services/data/v64.0/sobjects/Contact",
        warm: 1,
        body: || json!({"LastName": "N", "Email": "twice@example.test"}),
        ..PLAIN
    },
    Case {
        sample: "error-400-invalid-field",
        request: "GET /services/data/v64.0/query?q=SELECT+foo__c+FROM+Contact",
        ..PLAIN
    },
    Case {
        sample: "error-400-field-security",
        request: "POST /services/data/v64.0/sobjects/Contact",
        body: || json!({"LastName": "N", "Name": "N"}),
        ..PLAIN
    },
    Case {
        sample: "error-400-query-locator",
        request: "GET /services/data/v64.0/query/01g5e00000zzzzzAAA-20",
        ..PLAIN
    },
    Case {
        sample: "error-400-required",
        request: "POST /services/data/v64.0/sobjects/Contact",
        body: || json!({"FirstName": "N"}),
        ..PLAIN
    },
    Case { sample: "error-401-invalid-session", request: "GET /services/data/v64.0/limits", token: "stale", ..PLAIN },
    Case { sample: "error-403-request-limit", request: "GET /services/data/v64.0/limits", exhausted: "daily", ..PLAIN },
    Case {
        sample: "error-404-entity-deleted",
        request: "DELETE /services/data/v64.0/sobjects/Contact/0035e0000000001AAA",
        warm: 1,
        ..PLAIN
    },
    Case {
        sample: "error-404-not-found",
        request: "GET /services/data/v64.0/sobjects/Contact/0035e00000zzzzzAAA",
        ..PLAIN
    },
];

const DYNAMICS: &[Case] = &[
    Case {
        sample: "companies-get",
        request: "GET /api/data/v9.2/accounts(01000000-5eed-4000-8000-000000000001)",
        columns: "",
        ..PLAIN
    },
    Case { sample: "companies-list", request: "GET /api/data/v9.2/accounts", columns: "value[]", ..PLAIN },
    Case { sample: "contacts-list-empty", request: "GET /api/data/v9.2/contacts?$filter=lastname%20eq%20'x'", ..PLAIN },
    Case {
        sample: "contacts-create",
        request: "POST /api/data/v9.2/contacts",
        body: || json!({"lastname": "N"}),
        ..PLAIN
    },
    Case {
        sample: "contacts-delete",
        request: "DELETE /api/data/v9.2/contacts(02000000-5eed-4000-8000-000000000001)",
        ..PLAIN
    },
    Case {
        sample: "deals-get",
        request: "GET /api/data/v9.2/opportunities(04000000-5eed-4000-8000-000000000001)",
        columns: "",
        ..PLAIN
    },
    Case { sample: "users-list", request: "GET /api/data/v9.2/systemusers", columns: "value[]", ..PLAIN },
    Case {
        sample: "metadata-attributes-list",
        request: "GET /api/data/v9.2/EntityDefinitions(LogicalName='contact')/Attributes",
        columns: "value[]",
        ..PLAIN
    },
    Case { sample: "error-400-bad-property", request: "GET /api/data/v9.2/contacts?$select=nothing", ..PLAIN },
    Case { sample: "error-401", request: "GET /api/data/v9.2/contacts", token: "", ..PLAIN },
    Case {
        sample: "error-404-not-found",
        request: "GET /api/data/v9.2/contacts(02000000-5eed-4000-8000-000000009999)",
        ..PLAIN
    },
    Case {
        sample: "error-412-duplicate",
        request: "POST /api/data/v9.2/contacts",
        warm: 1,
        body: || json!({"lastname": "N", "cr5_extid": "twice"}),
        ..PLAIN
    },
    Case { sample: "error-429-requests", request: "GET /api/data/v9.2/contacts", exhausted: "requests", ..PLAIN },
];

const PIPEDRIVE: &[Case] = &[
    Case { sample: "companies-get", request: "GET /api/v2/organizations/1", columns: "data", ..PLAIN },
    Case { sample: "companies-list", request: "GET /api/v2/organizations", columns: "data[]", ..PLAIN },
    Case { sample: "contacts-get", request: "GET /api/v2/persons/1", columns: "data", ..PLAIN },
    Case { sample: "contacts-list", request: "GET /api/v2/persons?limit=3", columns: "data[]", ..PLAIN },
    Case { sample: "contacts-delete", request: "DELETE /api/v2/persons/1", ..PLAIN },
    Case { sample: "deals-list", request: "GET /api/v2/deals", columns: "data[]", ..PLAIN },
    Case { sample: "deals-products-list", request: "GET /api/v2/deals/1/products", columns: "data[]", ..PLAIN },
    Case { sample: "leads-list", request: "GET /api/v1/leads", columns: "data[]", ..PLAIN },
    Case { sample: "notes-list", request: "GET /api/v1/notes?limit=2", columns: "data[]", ..PLAIN },
    Case { sample: "pipelines-list", request: "GET /api/v2/pipelines", columns: "data[]", ..PLAIN },
    Case { sample: "products-list", request: "GET /api/v2/products", columns: "data[]", ..PLAIN },
    Case { sample: "stages-list", request: "GET /api/v2/stages", columns: "data[]", ..PLAIN },
    Case { sample: "error-401", request: "GET /api/v1/users/me", token: "stale", ..PLAIN },
    Case { sample: "error-404", request: "GET /api/v2/persons/9999", ..PLAIN },
    Case { sample: "error-429-burst", request: "GET /api/v2/persons", exhausted: "burst", ..PLAIN },
];

const ZOHO: &[Case] = &[
    Case { sample: "contacts-list", request: "GET /crm/v8/Contacts?fields=Last_Name", columns: "data[]", ..PLAIN },
    Case {
        sample: "contacts-list-empty-204",
        request: "GET /crm/v8/Contacts/search?criteria=(Last_Name:equals:nobody)",
        ..PLAIN
    },
    Case {
        sample: "contacts-create-error-duplicate",
        request: "POST /crm/v8/Contacts",
        warm: 1,
        body: || json!({"data": [{"Last_Name": "N", "Email": "twice@example.test"}]}),
        columns: "data[].details",
        ..PLAIN
    },
    Case {
        sample: "contacts-upsert",
        request: "POST /crm/v8/Contacts/upsert",
        warm: 1,
        body: || json!({"data": [{"Last_Name": "N", "Email": "twice@example.test"}], "duplicate_check_fields": ["Email"]}),
        ..PLAIN
    },
    Case { sample: "error-401-invalid-token", request: "GET /crm/v8/Contacts", token: "stale", ..PLAIN },
    Case { sample: "error-429-credits", request: "GET /crm/v8/Contacts", exhausted: "credits", ..PLAIN },
];

#[tokio::test]
async fn answers_have_the_recorded_shapes() {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared"));
    let shared = std::env::var_os("THROUGHLINE_SHARED").map_or(beside, PathBuf::from).join("vendor-samples");
    if !shared.is_dir() {
        eprintln!("skipped: there are no recorded samples at {}", shared.display());
        return;
    }
    let mut faults = Vec::new();
    for (provider, samples, cases) in [
        ("hubspot", "hubspot", HUBSPOT),
        ("salesforce", "salesforce", SALESFORCE),
        ("dynamics365", "dynamics365", DYNAMICS),
        ("pipedrive", "pipedrive", PIPEDRIVE),
        ("zoho", "zoho-crm", ZOHO),
    ] {
        let mappings = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/mappings"));
        let text = std::fs::read_to_string(mappings.join(provider).join("sandbox.yaml")).expect("a sandbox file");
        for case in cases {
            let path = shared.join(samples).join(format!("{}.json", case.sample));
            let sample = std::fs::read_to_string(&path).expect("the sample");
            let sample: Value = serde_json::from_str(&sample).expect("JSON");
            let sandbox = Sandbox::load(provider, &text).expect("a sandbox").with_token("secret");
            let sandbox = if case.exhausted.is_empty() { sandbox } else { sandbox.with_limit(case.exhausted, 0) };
            compare(&sandbox, provider, case, &sample["response"], &mut faults).await;
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

async fn compare(sandbox: &Sandbox, provider: &str, case: &Case, expected: &Value, faults: &mut Vec<String>) {
    let request = match case.request {
        "" => format!("GET /services/data/v64.0/query?q={CONTACT}+ORDER+BY+SystemModstamp+ASC,Id+ASC"),
        request => request.to_owned(),
    };
    for _ in 0..case.warm {
        let first = if request.contains("/query/") {
            format!("GET /services/data/v64.0/query?q={CONTACT}")
        } else {
            request.clone()
        };
        send(sandbox, &first, case).await;
    }
    let response = send(sandbox, &request, case).await;
    let mut fault = |message: String| faults.push(format!("{provider}/{}: {message}", case.sample));
    let status = response.status().as_u16();
    if Some(u64::from(status)) != expected["status"].as_u64() {
        fault(format!("status {status}: {}", String::from_utf8_lossy(response.body())));
        return;
    }
    for name in expected["headers"].as_object().into_iter().flat_map(|headers| headers.keys()) {
        // Validators of single records are not imitated.
        if !response.headers().contains_key(name.as_str()) && !matches!(name.as_str(), "ETag" | "Last-Modified") {
            fault(format!("no header {name}"));
        }
    }
    let (mut wanted, mut given) = (BTreeMap::new(), BTreeMap::new());
    shape(&expected["body"], "", &mut wanted);
    shape(&serde_json::from_slice(response.body()).unwrap_or(Value::Null), "", &mut given);
    let limits = case.sample.starts_with("limits");
    let own = |path: &str| path.strip_prefix(case.columns).is_some_and(|rest| !rest.is_empty());
    for (path, types) in &wanted {
        match given.get(path) {
            None if optional(path) || own(path) || limits => {}
            None => fault(format!("{path} is missing")),
            Some(found)
                if types.iter().all(|one| *one == "null")
                    || found.iter().all(|one| *one == "null" || types.contains(one)) => {}
            Some(found) => fault(format!("{path} is {found:?}, recorded are {types:?}")),
        }
    }
    for path in given.keys().filter(|path| !wanted.contains_key(*path) && !optional(path) && !own(path) && !limits) {
        fault(format!("{path} is not in the recording"));
    }
}

async fn send(sandbox: &Sandbox, request: &str, case: &Case) -> http::Response<Bytes> {
    let (method, target) = request.split_once(' ').expect("method and target");
    let mut builder = Request::builder()
        .method(method)
        .uri(target)
        .header("sforce-query-options", "batchSize=20")
        .header("prefer", "odata.maxpagesize=20");
    if !case.token.is_empty() {
        // Each vendor wants it in a place of its own.
        let (name, prefix) = match target.split('/').nth(1) {
            Some("api") if target.contains("/data/") => ("authorization", "Bearer "),
            Some("api") => ("x-api-token", ""),
            Some("crm") if target.starts_with("/crm/v8/") => ("authorization", "Zoho-oauthtoken "),
            _ => ("authorization", "Bearer "),
        };
        builder = builder.header(name, format!("{prefix}{}", case.token));
    }
    let body = (case.body)();
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    sandbox.answer(builder.body(body).expect("a request")).await
}

/// Every member's path with the types that it has; elements of lists are taken together.
fn shape(value: &Value, path: &str, found: &mut BTreeMap<String, Vec<&'static str>>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types = found.entry(path.to_owned()).or_default();
    if !types.contains(&kind) {
        types.push(kind);
    }
    match value {
        Value::Array(list) => list.iter().for_each(|item| shape(item, &format!("{path}[]"), found)),
        Value::Object(map) => {
            for (name, value) in map {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                shape(value, &path, found);
            }
        }
        _ => {}
    }
}

/// Whether a path, or one above it, is one of the optional members.
fn optional(path: &str) -> bool {
    OPTIONAL.iter().any(|pattern| match pattern.strip_suffix(".*") {
        Some(above) => path.strip_prefix(above).is_some_and(|rest| rest.starts_with('.')),
        None => match pattern.strip_prefix("*.") {
            Some(name) => path.split('.').any(|segment| segment == name),
            None => path == *pattern || path.strip_prefix(pattern).is_some_and(|rest| rest.starts_with(['.', '['])),
        },
    })
}
