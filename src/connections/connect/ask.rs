//! What a customer is asked for before a provider can be connected: settings and, where they are given by hand,
//! credentials. The answers come as the members of a form.

use serde_json::{Map, Value};

use super::Way;
use crate::catalog::{Provider, Setting};
use crate::connections::connection::Connection;
use crate::error::{Place, Violation};

/// One question.
#[derive(Debug, Clone)]
pub struct Field {
    /// The form's member: `settings.…` or `credentials.…`.
    pub name: String,
    pub label: String,
    pub hint: Option<String>,
    pub input: Input,
    pub required: bool,
    /// What stands in it at first.
    pub value: Option<String>,
    /// What is wrong with what was given.
    pub fault: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Line,
    /// Not shown while it is typed, and never shown again.
    Secret,
    /// Several lines that are a secret.
    Secrets,
    /// One of these.
    Choice(Vec<String>),
}

const SETTINGS: &str = "settings.";
const CREDENTIALS: &str = "credentials.";

impl Field {
    fn new(name: String, label: &str, input: Input) -> Self {
        Self { name, label: label.to_owned(), hint: None, input, required: true, value: None, fault: None }
    }

    pub fn is_secret(&self) -> bool {
        matches!(self.input, Input::Secret | Input::Secrets)
    }
}

impl Way {
    /// All that is asked for on this way; `present` is the connection that it is about to replace.
    pub fn asks(self, provider: &Provider, present: Option<&Connection>) -> Vec<Field> {
        let settings = provider.settings.iter().filter(|(name, _)| !self.is_told(provider, name));
        let settings = settings.map(|(name, setting)| {
            let known = present.and_then(|connection| connection.settings.get(name));
            setting_field(name, setting, known)
        });
        let credentials = match self {
            Way::Consent => Vec::new(),
            Way::Paste(kind) => credential_fields(kind),
        };
        // What has to be given comes before what may be.
        let (needed, optional): (Vec<Field>, Vec<Field>) = settings.partition(|field| field.required);
        needed.into_iter().chain(credentials).chain(optional).collect()
    }

    /// Whether the provider will tell this setting itself, with the tokens.
    pub fn is_told(self, provider: &Provider, setting: &str) -> bool {
        self == Way::Consent && provider.grant.as_ref().is_some_and(|grant| grant.keeps(setting))
    }
}

fn setting_field(name: &str, setting: &Setting, known: Option<&Value>) -> Field {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let choices = setting.choices();
    let input = if choices.is_empty() { Input::Line } else { Input::Choice(choices.to_vec()) };
    let example = setting.example.as_ref().map(text).filter(|example| !setting.ask.contains(example.as_str()));
    Field {
        hint: example.filter(|_| choices.is_empty()).map(|example| format!("It may look like “{example}”.")),
        required: setting.default.is_none() && !setting.optional,
        value: known.or(setting.default.as_ref()).map(text),
        ..Field::new(format!("{SETTINGS}{name}"), &setting.ask, input)
    }
}

fn credential_fields(kind: &str) -> Vec<Field> {
    let field = |name: &str, label: &str, input| Field::new(format!("{CREDENTIALS}{name}"), label, input);
    match kind {
        "token" => vec![field("token", "API key or access token", Input::Secret)],
        "basic" => vec![field("username", "User name", Input::Line), field("password", "Password", Input::Secret)],
        "headers" => {
            let hint = "One on each line: its name, a colon and its value, such as “X-Api-Key: 1234”.".to_owned();
            vec![Field { hint: Some(hint), ..field("headers", "Headers that carry the credentials", Input::Secrets) }]
        }
        _ => Vec::new(),
    }
}

/// The settings in a form's members. What was left empty is not there.
pub(super) fn settings_of(given: &[(String, String)]) -> Map<String, Value> {
    let settings = given.iter().filter_map(|(name, value)| Some((name.strip_prefix(SETTINGS)?, value.trim())));
    settings.filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
}

/// The credentials in a form's members, as an import has them.
pub(super) fn credentials_of(kind: &str, given: &[(String, String)]) -> Value {
    let mut members = Map::from_iter([("type".to_owned(), Value::from(kind))]);
    for (name, value) in given.iter().filter_map(|(name, value)| Some((name.strip_prefix(CREDENTIALS)?, value.trim())))
    {
        let value = if name == "headers" { headers(value) } else { Value::from(value) };
        members.insert(name.to_owned(), value);
    }
    Value::Object(members)
}

fn headers(text: &str) -> Value {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let pairs = lines.map(|line| line.split_once(':').unwrap_or((line, "")));
    pairs.map(|(name, value)| (name.trim().to_owned(), Value::from(value.trim()))).collect::<Map<_, _>>().into()
}

/// The fields with what was given (but for secrets) and, at each, what is wrong. Faults that belong to none are left
/// over: they are the second part.
pub fn with_faults(
    fields: Vec<Field>,
    given: &[(String, String)],
    violations: &[Violation],
) -> (Vec<Field>, Vec<String>) {
    let mut fields = fields;
    for field in &mut fields {
        let value = given.iter().find(|(name, _)| *name == field.name).map(|(_, value)| value.clone());
        field.value = value.filter(|_| !field.is_secret()).or_else(|| field.value.take());
    }
    let mut left = Vec::new();
    for violation in violations {
        let (Place::Pointer(at) | Place::Parameter(at)) = &violation.place;
        let name = at.trim_start_matches('/').splitn(3, '/').take(2).collect::<Vec<_>>().join(".");
        match fields.iter_mut().find(|field| field.name == name) {
            Some(field) if field.fault.is_none() => field.fault = Some(fault(field, given)),
            Some(_) => {}
            None => left.push(violation.detail.clone()),
        }
    }
    (fields, left)
}

/// In the words of somebody who fills in a form.
fn fault(field: &Field, given: &[(String, String)]) -> String {
    let empty = !given.iter().any(|(name, value)| *name == field.name && !value.trim().is_empty());
    match (&field.input, empty) {
        (Input::Choice(_), _) => "Choose one of these.",
        (_, true) => "This is needed.",
        (Input::Secrets, false) => {
            "This does not look right: write one header on each line, with a colon after its name."
        }
        (_, false) => "This does not look right. Compare it with what is asked for.",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn answers_become_settings_and_credentials() {
        let form =
            given(&[("form", "x"), ("settings.site", " a "), ("settings.none", " "), ("credentials.token", "t\n")]);
        assert_eq!(Value::from(settings_of(&form)), serde_json::json!({"site": "a"}));
        assert_eq!(credentials_of("token", &form), serde_json::json!({"type": "token", "token": "t"}));
        let form = given(&[("credentials.headers", "X-A: b:c\r\n\r\nbare\r\n")]);
        let headers = serde_json::json!({"X-A": "b:c", "bare": ""});
        assert_eq!(credentials_of("headers", &form), serde_json::json!({"type": "headers", "headers": headers}));
    }

    #[test]
    fn faults_stand_at_their_fields_and_secrets_do_not_come_back() {
        let fields = credential_fields("basic");
        let form = given(&[("credentials.username", "ada"), ("credentials.password", "canary\u{1}")]);
        let violations = [
            Violation::at("/credentials/password", "wrong"),
            Violation::at("/credentials/headers/x", "elsewhere"),
            Violation::at("", "the whole"),
        ];
        let (fields, left) = with_faults(fields, &form, &violations);
        assert_eq!(left, ["elsewhere", "the whole"]);
        let faulty: Vec<bool> = fields.iter().map(|field| field.fault.is_some()).collect();
        assert_eq!(faulty, [false, true]);
        assert_eq!(fields[0].value.as_deref(), Some("ada"));
        assert!(!format!("{fields:?}").contains("canary"));
    }
}
