//! The operations of connect links, of OAuth apps, and of what owners take away or look back at.

use serde_json::{Value, json};

use super::operation::Operation;
use super::{parameters, problems};

const TAG: &str = "Connect";
const ADMIN: &str = "Needs the scope `admin`.";

fn operation(id: &str, tag: &str, summary: &str, scopes: &str) -> Operation {
    Operation::new(id, tag, summary).about(scopes).parameters(parameters::plain())
}

pub fn create_link() -> Operation {
    operation("createConnectLink", TAG, "Make a connect link", "Needs the scope `connect`.")
        .about("On it, for half an hour, a customer connects an account in a browser: by consent at the provider, or with the credentials that the provider takes. It works once, and in the browser that used it first.")
        .about("In the end the browser is sent to `return_url` with `status=connected`, `connection_id` and `provider` in its query, or with `status=cancelled`. A customer who has a connection to the provider already, or a link with `connection_id`, renews that connection: it keeps its id and its mapping lines.")
        .body("NewConnectLink", "NewConnectLink")
        .answer(201, "The link. Its URL is shown this once.", "ConnectLink", "ConnectLink", &[])
        .problems(&problems::NEW_LINK)
}

pub fn list_apps() -> Operation {
    operation("listOauthApps", TAG, "List OAuth apps", ADMIN)
        .answer(200, "The tenant's own apps.", "OauthAppPage", "OauthAppPage", &[])
        .problems(&problems::LOOK)
}

pub fn get_app() -> Operation {
    operation("getOauthApp", TAG, "Get an OAuth app", ADMIN)
        .answer(200, "The app, without its secrets.", "OauthApp", "OauthApp", &[])
        .problems(&problems::APP)
}

pub fn put_app() -> Operation {
    operation("putOauthApp", TAG, "Put an OAuth app", ADMIN)
        .about("It replaces the one that was there, and comes before the deployment's. Connections that were made under another app need that one to be renewed.")
        .body("NewOauthApp", "NewOauthApp")
        .answer(200, "The app, without its secrets.", "OauthApp", "OauthApp", &[])
        .problems(&problems::NEW_APP)
}

pub fn delete_app() -> Operation {
    operation("deleteOauthApp", TAG, "Delete an OAuth app", ADMIN).done("It is gone.").problems(&problems::APP)
}

pub fn credentials() -> Operation {
    operation("exportCredentials", "Connections", "Export a connection's credentials", "Needs the scope `export`.")
        .about("Refused unless the deployment allows it (`credentials_export`). They are what an import takes as `credentials`. Each export leaves an event.")
        .answer(200, "The credentials.", "Credentials", "Credentials", &[])
        .problems(&problems::EXPORT)
}

pub fn events() -> Operation {
    let limit = json!({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100});
    let scopes = "Needs one of the scopes `connect`, `admin`, `read`.";
    operation("listEvents", "Connections", "What happened to a connection", scopes)
        .about("The newest first. The last 200 are kept.")
        .parameter(query("limit", "Events on the page.", limit))
        .parameter(query("cursor", "`next_cursor` of the page before.", json!({"type": "string"})))
        .answer(200, "A page.", "EventPage", "EventPage", &[])
        .problems(&problems::EVENTS)
}

pub fn requests() -> Operation {
    let limit = json!({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100});
    let scopes = "Needs one of the scopes `connect`, `admin`, `read`.";
    operation("listRequests", "Connections", "The last requests through a connection", scopes)
        .about("The newest first. Of each connection the last 100 are kept for three days, unless the deployment says otherwise; bodies, query values and records are not, but where `log_bodies_until` of the connection says so: what is said until then is kept for a day, sealed, and shown to keys with the scope `read` or `admin`. Where a deployment has several servers, those of the others appear within some seconds.")
        .parameter(query("limit", "Requests on the page.", limit))
        .parameter(query("cursor", "`next_cursor` of the page before.", json!({"type": "string"})))
        .answer(200, "A page.", "LoggedRequestPage", "LoggedRequestPage", &[])
        .problems(&problems::EVENTS)
}

pub fn show() -> Operation {
    page("showConnectPage", "The page of a connect link", "For browsers. Looking at it changes nothing.")
        .response("200", "The page, or that the account is connected already.", html(), &[])
        .response("4XX", "A page that says what is wrong and what to do.", html(), &[])
        .response("500", "A page: something went wrong here.", html(), &[])
}

pub fn submit() -> Operation {
    let form = json!({"application/x-www-form-urlencoded": {"schema": {"type": "object"}}});
    page("submitConnectPage", "Send the form of a connect link", "For browsers: the form comes from the page.")
        .media_body(form)
        .response("200", "A page: what remains to be told.", html(), &[])
        .response("303", "To the provider, or back to `return_url`.", Value::Null, &["Location"])
        .response("4XX", "A page that says what is wrong and what to do.", html(), &[])
        .response("500", "A page: something went wrong here.", html(), &[])
        .response("502", "A page: the provider did not complete it.", html(), &[])
}

pub fn callback() -> Operation {
    let parameter = |name: &str, about: &str| query(name, about, json!({"type": "string"}));
    page(
        "returnFromProvider",
        "Where providers send customers back to",
        "For browsers: the redirect URI of OAuth apps.",
    )
    .parameter(parameter("state", "Good once, for the browser that was sent to the provider."))
    .parameter(parameter("code", "Becomes tokens."))
    .parameter(parameter("error", "Why there is no code."))
    .parameter(parameter("error_description", "The same in words."))
    .parameter(parameter("iss", "Who says this (RFC 9207)."))
    .response("200", "A page: what remains to be told.", html(), &[])
    .response("303", "Back to `return_url`.", Value::Null, &["Location"])
    .response("4XX", "A page that says what is wrong and what to do.", html(), &[])
    .response("500", "A page: something went wrong here.", html(), &[])
    .response("502", "A page: the provider did not complete it.", html(), &[])
}

pub fn style() -> Operation {
    let css = json!({"text/css": {"schema": {"type": "string"}}});
    page("getConnectStyle", "The stylesheet of the pages", "For browsers.")
        .response("200", "The stylesheet.", css, &[])
        .problems(&problems::OPEN)
}

fn page(id: &str, summary: &str, about: &str) -> Operation {
    Operation::new(id, TAG, summary).about("Needs no key.").about(about).open()
}

fn html() -> Value {
    json!({"text/html": {"schema": {"type": "string"}}})
}

fn query(name: &str, about: &str, schema: Value) -> Value {
    json!({"name": name, "in": "query", "description": about, "schema": schema})
}
