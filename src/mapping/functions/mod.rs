//! The functions we add to JSONata: one table, registered in both engines.
//!
//! All are total, bounded and without I/O, and none makes a value out of no value unless that is its purpose.

mod headers;
mod list;
mod queries;
mod text;

use super::style::Styles;
use serde_json::Value;
use std::cell::RefCell;
use std::sync::Arc;

type Args<'a> = &'a [Option<Value>];
type Answer = Result<Option<Value>, String>;

/// One function as both engines see it.
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) arity: usize,
    run: fn(Args, Option<&Styles>) -> Answer,
}

const fn function(name: &'static str, arity: usize, run: fn(Args, Option<&Styles>) -> Answer) -> Function {
    Function { name, arity, run }
}

pub(super) const TABLE: &[Function] = &[
    function("query", 2, queries::query),
    function("where", 2, queries::conditions),
    function("order", 2, queries::order),
    function("literal", 3, queries::literal),
    function("all", 1, queries::all),
    function("omit", 2, list::omit),
    function("pick", 2, list::pick),
    function("compact", 1, list::compact),
    function("firstOf", 1, list::first_of),
    function("list", 1, list::list),
    function("kind", 1, list::kind),
    function("startsWith", 2, text::starts_with),
    function("endsWith", 2, text::ends_with),
    function("regex", 3, text::regex),
    function("base64", 1, text::base64),
    function("base64url", 1, text::base64url),
    function("unbase64", 1, text::unbase64),
    function("instant", 2, text::instant),
    function("epoch", 2, text::epoch),
    function("date", 1, text::date),
    function("pairs", 1, headers::pairs),
    function("structured", 1, headers::structured),
    function("json", 1, text::json),
    function("unjson", 1, text::unjson),
    function("phone", 1, text::phone),
    function("sha256hex", 1, text::sha256hex),
    function("md5hex", 1, text::md5hex),
    function("decodeUrl", 1, text::decode_url),
];

pub(super) fn find(name: &str) -> Option<&'static Function> {
    TABLE.iter().find(|function| function.name == name)
}

impl Function {
    pub(super) fn call(&self, args: Args) -> Answer {
        if args.len() > self.arity {
            return Err(format!("takes at most {} arguments", self.arity));
        }
        let styles = STYLES.with_borrow(Clone::clone);
        (self.run)(args, styles.as_deref())
    }
}

thread_local! {
    static STYLES: RefCell<Option<Arc<Styles>>> = const { RefCell::new(None) };
}

/// The engines hand nothing through to functions, so the styles of the running evaluation stand beside it.
pub(super) struct WithStyles(Option<Arc<Styles>>);

pub(super) fn with_styles(styles: Option<Arc<Styles>>) -> WithStyles {
    WithStyles(STYLES.replace(styles))
}

impl Drop for WithStyles {
    fn drop(&mut self) {
        STYLES.set(self.0.take());
    }
}

fn arg<'a>(args: Args<'a>, at: usize) -> Option<&'a Value> {
    args.get(at).and_then(Option::as_ref)
}

/// The argument as text; null counts as no value, everything else but text is an error.
fn text_arg<'a>(args: Args<'a>, at: usize) -> Result<Option<&'a str>, String> {
    match arg(args, at) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("argument {} is not text", at + 1)),
    }
}

fn string(text: impl Into<String>) -> Answer {
    Ok(Some(Value::String(text.into())))
}

/// A list, or the list of one that JSONata made a lone value.
fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        lone => std::slice::from_ref(lone),
    }
}
