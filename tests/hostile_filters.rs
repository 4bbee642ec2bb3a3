//! Whatever text a caller filters by, the vendor's query has the same conditions and exactly this value: read back
//! by scanners that know the query languages and nothing of how the queries are made.

mod common;

use base64::Engine as _;
use common::{CATALOG, Sent, example, play_call};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use throughline::author::prepare;
use throughline::catalog::FilterRule;
use throughline::error::Kind;
use throughline::mapping::Codec;
use throughline::model::{Filter, FilterOp, Type};
use throughline::unified::Call;

/// Where a vendor's request holds its conditions.
enum Reading {
    /// A statement with quoted literals, in this query parameter.
    Statement(&'static str),
    /// A member of the body.
    Body(&'static str),
    /// JSON in this query parameter, in base64url.
    Encoded(&'static str),
    /// Every parameter and every text in the body is a value of its own, but for these parameters and members of the
    /// body, which hold statements.
    Whole(&'static [(&'static str, Language)]),
}

/// How a statement keeps values apart from itself.
#[derive(Clone, Copy)]
enum Language {
    /// A quote in a literal is doubled; in patterns, brackets take a sign as it is.
    Doubled,
    /// `(column:operator:value)`: a backslash takes the next sign as it is.
    Criteria,
    /// What stands between quotes has no quotes and no escapes.
    Plain,
}

const READINGS: &[(&str, Reading)] = &[
    ("hubspot", Reading::Body("filterGroups")),
    ("salesforce", Reading::Statement("q")),
    ("tryton", Reading::Encoded("d")),
    ("attio", Reading::Whole(&[])),
    ("close", Reading::Whole(&[])),
    ("copper", Reading::Whole(&[])),
    ("dynamics365", Reading::Whole(&[("$filter", Language::Doubled)])),
    ("pipedrive", Reading::Whole(&[])),
    ("zendesk-sell", Reading::Whole(&[])),
    ("zoho", Reading::Whole(&[("criteria", Language::Criteria), ("select_query", Language::Plain)])),
];

/// A value without any sign that could mean something.
const PLAIN: &str = "plainvalue";
/// The value of another filter, which has to stay untouched.
const BYSTANDER: &str = "bystander";

#[rustfmt::skip]
const FRAGMENTS: &[&str] = &[
    "'", "\"", "`", "\\", "\\'", "''", "\\\\", "--", "/*", "*/", "#", "//", ";", "%", "_", "\\%", "\\_", "*", "?", "{on}",
    "{value}", "{values}", "{like}", "{", "}", "{{", "[", "]", "[ WHERE", "(", ")", ",", "&", "=", "+", "?q=", "%27", "%00",
    "\\u0027", "\n", "\r\n", "\t", "\0", "\u{8}", "\u{c}", "\u{1b}", "\u{7f}", "\u{85}", "\u{2028}", "\u{feff}", "\u{202e}",
    "\u{ff07}", "\u{2019}", "é", "e\u{301}", "日本", "🎉", "\u{10ffff}", " ", "' OR Id != '", "\" OR \"\"=\"", "') OR ('",
    "null", "true", "0", "$", "${x}", "$query", "OR", "AND", "LIKE '%'", "\\", "plain",
];

fn hostile() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        6 => prop::sample::select(FRAGMENTS).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "[a-zA-Z0-9 .@-]{1,8}",
    ];
    prop::collection::vec(fragment, 1..8).prop_map(|parts| parts.concat())
}

/// One filter with one operator.
struct Case {
    provider: String,
    resource: String,
    filter: String,
    rule: FilterRule,
    op: FilterOp,
}

impl Case {
    fn title(&self) -> String {
        format!("{} {} filter[{}][{}]", self.provider, self.resource, self.filter, self.op.as_str())
    }

    /// A list call with this filter, and behind it another one where the resource has one.
    fn call(&self, value: Value) -> Call {
        let example = example(&self.provider, &self.resource, "list", json!({"fields": ["id"]}));
        let mut call = prepare(&CATALOG, &self.provider, &example).expect("a plain list can be asked for");
        let filter = |field: &str, op: FilterOp, value: Value| Filter { field: field.to_owned(), op, value };
        call.query.filters.push(filter(&self.filter, self.op, value));
        let other = call.resource.filters.iter().find(|(name, rule)| {
            **name != self.filter
                && !name.ends_with('*')
                && rule.kind == Type::Text
                && plain(rule)
                && rule.ops.contains(&FilterOp::Eq)
        });
        if let Some((name, _)) = other {
            let filter = filter(name, FilterOp::Eq, json!(BYSTANDER));
            call.query.filters.push(filter);
        }
        call
    }

    /// The filter's value: a list for `in`, with a harmless neighbour behind the hostile one.
    fn value(&self, text: &str) -> Value {
        if self.op == FilterOp::In { json!([text, "neighbour"]) } else { json!(text) }
    }

    fn reading(&self) -> &'static Reading {
        let found = READINGS.iter().find(|(provider, _)| *provider == self.provider);
        &found.unwrap_or_else(|| panic!("say in READINGS how filters of {} are read back", self.provider)).1
    }
}

/// The vendor compares with the caller's own text: no codec, no list of values, no other columns behind it.
fn plain(rule: &FilterRule) -> bool {
    rule.codecs.is_empty() && rule.values.is_none() && rule.conditions.is_none()
}

/// Not every text has the form that the vendor wants.
fn converts(rule: &FilterRule) -> bool {
    !rule.codecs.is_empty() && !rule.codecs.iter().any(|codec| matches!(codec, Codec::Custom { .. }))
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (provider, compiled) in &CATALOG.providers {
        for (resource, compiled) in &compiled.resources {
            // Custom objects have to be named first.
            if compiled.types.is_some() {
                continue;
            }
            // What only an account knows has no column here.
            let own = compiled.filters.iter().filter(|(name, _)| !name.ends_with('*'));
            for (filter, rule) in own.filter(|(_, rule)| matches!(rule.kind, Type::Text | Type::Id)) {
                for op in rule.ops.iter().copied().filter(|op| *op != FilterOp::Exists) {
                    let (provider, resource) = (provider.clone(), resource.clone());
                    cases.push(Case { provider, resource, filter: filter.clone(), rule: rule.clone(), op });
                }
            }
        }
    }
    cases
}

/// The request that the call makes, or the kind of problem that it is before anything is sent.
fn sent(runtime: &tokio::runtime::Runtime, case: &Case, text: &str) -> Result<Sent, Kind> {
    let played = runtime.block_on(play_call(case.call(case.value(text)), Vec::new()));
    match (played.sent.into_iter().next(), played.outcome) {
        (Some(sent), _) => Ok(sent),
        (None, Err(error)) => Err(error.kind()),
        // An id that no record can have is not asked for.
        (None, Ok(_)) if case.filter == "id" => Err(Kind::NotFound),
        (None, Ok(reply)) => panic!("{}: nothing was sent, and it succeeded: {reply:?}", case.title()),
    }
}

#[test]
fn hostile_text_stays_the_value_it_is() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let cases = cases();
    assert!(cases.len() > 60, "{} filters and operators", cases.len());
    for case in cases.iter().filter(|case| plain(&case.rule) && !SOME_REFUSED.contains(&case.provider.as_str())) {
        let benign = match sent(&runtime, case, PLAIN) {
            Ok(benign) => Query::of(case, &benign),
            Err(Kind::NotFound) => continue,
            Err(kind) => panic!("{}: {kind:?}", case.title()),
        };
        // Columns are named in statements; plain parameters have names of their own.
        for column in case.rule.on.iter().filter(|_| benign.in_statement) {
            assert!(benign.shape().contains(column.as_str()), "{}: no {column} in {}", case.title(), benign.shape());
        }
        let config = Config { cases: 32, failure_persistence: None, ..Config::default() };
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let outcome = TestRunner::new_with_rng(config, rng).run(&hostile(), |text| {
            let request = match sent(&runtime, case, &text) {
                // An id that no record can have.
                Err(Kind::NotFound) if case.filter == "id" => return Ok(()),
                outcome => outcome.map_err(|kind| TestCaseError::fail(format!("{kind:?}")))?,
            };
            let query = Query::of(case, &request);
            prop_assert_eq!(query.shape(), benign.shape());
            prop_assert_eq!(query.values(), benign.values_with(&text));
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{}: {error}", case.title()));
    }
}

#[test]
fn text_where_the_vendor_wants_something_else_never_leaves() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let reads_back = |case: &&Case| !SOME_REFUSED.contains(&case.provider.as_str());
    // Conversions that put something around a text take any.
    let takes_text = |case: &&Case| sent(&runtime, case, PLAIN).is_ok();
    for case in cases().iter().filter(|case| converts(&case.rule)).filter(reads_back).filter(|case| !takes_text(case)) {
        for text in FRAGMENTS.iter().filter(|text| text.parse::<i64>().is_err()) {
            let refused = sent(&runtime, case, text).expect_err("it is refused");
            let told = matches!(refused, Kind::InvalidRequest | Kind::NotFound);
            assert!(told, "{} {text:?}: {refused:?}", case.title());
        }
    }
}

/// Providers whose languages cannot hold every text: there a hostile one may be refused, but never become another query.
const SOME_REFUSED: [&str; 7] = ["attio", "close", "copper", "dynamics365", "pipedrive", "zendesk-sell", "zoho"];

#[test]
fn hostile_text_stays_the_value_it_is_or_is_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let these = |case: &&Case| plain(&case.rule) && SOME_REFUSED.contains(&case.provider.as_str());
    let mut count = 0;
    for case in cases().iter().filter(these) {
        // Some filters take digits or known words only: then there is nothing to compare with.
        let Ok(benign) = sent(&runtime, case, PLAIN) else { continue };
        let benign = Query::of(case, &benign);
        for text in FRAGMENTS.iter().filter(|text| !text.trim().is_empty()) {
            match sent(&runtime, case, text) {
                Ok(request) => {
                    let query = Query::of(case, &request);
                    assert_eq!(query.shape(), benign.shape(), "{} {text:?}", case.title());
                    assert_eq!(query.values(), benign.values_with(text), "{} {text:?}", case.title());
                }
                Err(kind) => {
                    let refused = matches!(kind, Kind::InvalidRequest | Kind::UnsupportedFilter | Kind::NotFound);
                    assert!(refused, "{} {text:?}: {kind:?}", case.title());
                }
            }
            count += 1;
        }
    }
    assert!(count > 1_000, "{count} requests were compared");
}

/// A query taken apart: all that is no value, and the values in their order.
struct Query {
    /// Whether the conditions stand in a statement, which names columns.
    in_statement: bool,
    shape: String,
    values: Vec<Vec<Piece>>,
}

/// Part of a value: a pattern has wildcards, anything else is one text.
#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Any,
    One,
}

impl Query {
    fn of(case: &Case, sent: &Sent) -> Self {
        let parameter = |name: &str| {
            let found = sent.query().into_iter().find(|(found, _)| found == name);
            found.unwrap_or_else(|| panic!("{}: no parameter {name} in {sent:?}", case.title())).1
        };
        let mut query = Self { shape: String::new(), values: Vec::new(), in_statement: true };
        let plainly = &Reading::Whole(&[]);
        // Some lists of these providers take plain parameters.
        let reading = match case.reading() {
            Reading::Body(member) if sent.body[member].is_null() => plainly,
            Reading::Statement(name) if sent.query().iter().all(|(found, _)| found != name) => plainly,
            reading => reading,
        };
        match reading {
            Reading::Statement(name) => query.scan(&parameter(name)),
            Reading::Body(member) => query.walk(&sent.body[member], None),
            Reading::Whole(statements) => {
                query.in_statement = false;
                let language = |name: &str| statements.iter().find(|(known, _)| *known == name).map(|(_, how)| *how);
                query.shape.push_str(&format!("{} {}", sent.method, sent.path()));
                for (name, value) in sent.query() {
                    query.shape.push_str(&format!(" {name}="));
                    // A list is one parameter; an entry with a comma in it is refused before it gets there.
                    let entries =
                        if case.op == FilterOp::In { value.split(',').collect() } else { vec![value.as_str()] };
                    match language(&name) {
                        None => entries.into_iter().for_each(|entry| query.whole(entry, None)),
                        how => query.whole(&value, how),
                    }
                }
                query.leaves(&sent.body, &language);
            }
            Reading::Encoded(name) => {
                let engine = base64::engine::general_purpose::URL_SAFE;
                let bytes = engine.decode(parameter(name)).expect("base64url");
                query.walk(&serde_json::from_slice(&bytes).expect("JSON"), None);
            }
        }
        query
    }

    fn shape(&self) -> &str {
        &self.shape
    }

    fn values(&self) -> Vec<Vec<Piece>> {
        self.values.clone()
    }

    /// These values, with another text where the plain one is.
    fn values_with(&self, text: &str) -> Vec<Vec<Piece>> {
        let replaced = |piece: &Piece| match piece {
            Piece::Text(found) if found == PLAIN => Piece::Text(text.to_owned()),
            other => other.clone(),
        };
        self.values.iter().map(|value| value.iter().map(replaced).collect()).collect()
    }

    /// A statement: what stands between single quotes is a value, a backslash in it escapes one sign.
    fn scan(&mut self, statement: &str) {
        let mut rest = statement.chars();
        while let Some(sign) = rest.next() {
            if sign != '\'' {
                self.shape.push(sign);
                continue;
            }
            let pattern = self.shape.ends_with("LIKE ");
            let mut value = Pieces::default();
            loop {
                match rest.next().expect("a literal ends") {
                    '\'' => break,
                    '\\' => match rest.next().expect("an escape has a sign") {
                        'n' => value.text('\n'),
                        'r' => value.text('\r'),
                        't' => value.text('\t'),
                        'b' => value.text('\u{8}'),
                        'f' => value.text('\u{c}'),
                        sign @ ('\\' | '\'' | '"') => value.text(sign),
                        sign @ ('%' | '_') if pattern => value.text(sign),
                        sign => panic!("\\{sign} is no escape of the language: {statement}"),
                    },
                    '%' if pattern => value.0.push(Piece::Any),
                    '_' if pattern => value.0.push(Piece::One),
                    '\n' | '\r' => panic!("a literal does not go over lines: {statement}"),
                    sign => value.text(sign),
                }
            }
            self.values.push(value.0);
            self.shape.push('¤');
        }
    }

    /// A text that is a value as a whole, or a statement.
    fn whole(&mut self, text: &str, language: Option<Language>) {
        match language {
            None => {
                self.values.push(vec![Piece::Text(text.to_owned())]);
                self.shape.push('¤');
            }
            Some(Language::Criteria) => self.criteria(text),
            Some(Language::Doubled) => self.quoted(text, true),
            Some(Language::Plain) => self.quoted(text, false),
        }
    }

    fn leaves(&mut self, document: &Value, language: &dyn Fn(&str) -> Option<Language>) {
        match document {
            Value::String(text) => self.whole(text, None),
            Value::Array(items) => {
                self.shape.push('[');
                items.iter().for_each(|item| self.leaves(item, language));
                self.shape.push(']');
            }
            Value::Object(members) => {
                for (name, value) in members {
                    self.shape.push_str(&format!("{{{name}:"));
                    match (language(name), value) {
                        (Some(how), Value::String(text)) => self.whole(text, Some(how)),
                        _ => self.leaves(value, language),
                    }
                    self.shape.push('}');
                }
            }
            other => self.shape.push_str(&other.to_string()),
        }
    }

    /// Literals between single quotes. In patterns of functions, brackets take a sign as it is.
    fn quoted(&mut self, statement: &str, doubled: bool) {
        let mut rest = statement.chars().peekable();
        while let Some(sign) = rest.next() {
            if sign != '\'' {
                self.shape.push(sign);
                continue;
            }
            let pattern = self.shape.ends_with(',') && self.shape.contains('(');
            let mut value = Pieces::default();
            loop {
                match rest.next().expect("a literal ends") {
                    '\'' if doubled && rest.peek() == Some(&'\'') => {
                        rest.next();
                        value.text('\'');
                    }
                    '\'' => break,
                    '[' if pattern => {
                        value.text(rest.next().expect("a bracket holds a sign"));
                        assert_eq!(rest.next(), Some(']'), "a bracket holds one sign: {statement}");
                    }
                    sign => value.text(sign),
                }
            }
            self.values.push(value.0);
            self.shape.push('¤');
        }
    }

    /// `(column:operator:value)` joined by words; what is escaped belongs to the value.
    fn criteria(&mut self, statement: &str) {
        let mut rest = statement.chars();
        let mut colons = 0;
        while let Some(sign) = rest.next() {
            self.shape.push(sign);
            match sign {
                '(' => colons = 0,
                ':' => colons += 1,
                _ => {}
            }
            if colons < 2 {
                continue;
            }
            let mut value = Pieces::default();
            loop {
                match rest.next().expect("a condition ends") {
                    '\\' => value.text(rest.next().expect("an escape has a sign")),
                    ',' => {
                        self.values.push(std::mem::take(&mut value).0);
                        self.shape.push_str("¤,");
                    }
                    ')' => break,
                    '(' => panic!("a value opens no parenthesis: {statement}"),
                    sign => value.text(sign),
                }
            }
            self.values.push(value.0);
            self.shape.push_str("¤)");
            colons = 0;
        }
    }

    /// JSON: texts below `value` and `values`, and the third entry of `[column, operator, value]`, are values.
    fn walk(&mut self, document: &Value, within: Option<Within>) {
        match (document, within) {
            (Value::String(text), Some(Within::Pattern)) => self.pattern(text),
            (Value::String(text), Some(Within::Value)) => {
                self.values.push(vec![Piece::Text(text.clone())]);
                self.shape.push('¤');
            }
            (Value::Array(items), None) if items.len() == 3 && items.iter().take(2).all(Value::is_string) => {
                let within = if items[1] == "ilike" { Within::Pattern } else { Within::Value };
                self.shape.push_str(&format!("[{},{},", items[0], items[1]));
                self.walk(&items[2], Some(within));
                self.shape.push(']');
            }
            (Value::Array(items), within) => {
                self.shape.push('[');
                items.iter().for_each(|item| {
                    self.walk(item, within);
                    self.shape.push(',');
                });
                self.shape.push(']');
            }
            (Value::Object(members), within) => {
                self.shape.push('{');
                for (name, value) in members {
                    self.shape.push_str(&format!("{name}:"));
                    let inner = if matches!(name.as_str(), "value" | "values") { Some(Within::Value) } else { within };
                    self.walk(value, inner);
                    self.shape.push(',');
                }
                self.shape.push('}');
            }
            (other, _) => self.shape.push_str(&other.to_string()),
        }
    }

    /// A pattern in JSON: a backslash takes the next sign as it is.
    fn pattern(&mut self, text: &str) {
        let mut value = Pieces::default();
        let mut rest = text.chars();
        while let Some(sign) = rest.next() {
            match sign {
                '\\' => value.text(rest.next().expect("an escape has a sign")),
                '%' => value.0.push(Piece::Any),
                '_' => value.0.push(Piece::One),
                sign => value.text(sign),
            }
        }
        self.values.push(value.0);
        self.shape.push('¤');
    }
}

#[derive(Clone, Copy)]
enum Within {
    Value,
    Pattern,
}

#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    fn text(&mut self, sign: char) {
        match self.0.last_mut() {
            Some(Piece::Text(text)) => text.push(sign),
            _ => self.0.push(Piece::Text(sign.into())),
        }
    }
}
