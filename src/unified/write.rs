//! A caller's record as a vendor's: the fields table from left to right. Only what was sent is written, and all that
//! was sent is written, or the call is refused before anything leaves.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::catalog::{Field, Place, Resource, Shape, Table, Target, Values};
use crate::error::{Error, Kind, Violation};
use crate::mapping::{Path, Vars, merge, to_instant};
use crate::model::{Operation, Type, Warning, escape, validate, validate_member};

/// A write that has not been sent.
pub struct Write<'a> {
    pub resource: &'a Resource,
    pub operation: Operation,
    pub id: Option<&'a str>,
    /// Fields that the request takes from the caller's record itself.
    pub uses: &'a [String],
    pub settings: Value,
    pub now: Timestamp,
}

impl Write<'_> {
    /// The vendor's record, or everything that is wrong with the caller's.
    pub fn record(&self, body: &Map<String, Value>, warnings: &mut Vec<Warning>) -> Result<Value, Error> {
        let resource = self.resource;
        let body = &without_own_id(self.id, body, warnings);
        let verdict = validate(&resource.model, body);
        if !verdict.is_good() {
            return Err(refusal(verdict.invalid, verdict.unknown));
        }
        if body.is_empty() {
            return Err(Error::new(Kind::ValidationFailed, "The record is empty: there is nothing to write.")
                .violation(Violation::at("", "no member was sent").expected("at least one member")));
        }
        let mut writer = Writer {
            resource,
            operation: self.operation,
            uses: self.uses,
            input: Value::Object(body.clone()),
            settings: &self.settings,
            now: self.now,
            record: Value::Object(Map::new()),
            written: HashMap::new(),
            invalid: Vec::new(),
            unknown: Vec::new(),
            warnings,
        };
        writer.members(body);
        if self.operation == Operation::Create {
            writer.defaults(body);
            writer.required(body);
        }
        if self.operation != Operation::Update {
            for (column, value) in &resource.only {
                Path::of([column.as_str()]).set(&mut writer.record, value.clone());
            }
        }
        let Writer { record, invalid, unknown, .. } = writer;
        if !invalid.is_empty() || !unknown.is_empty() {
            return Err(refusal(invalid, unknown).supported(writable(resource)));
        }
        Ok(record)
    }
}

/// People send back what they got: the record's own id says nothing new.
pub fn without_own_id(id: Option<&str>, body: &Map<String, Value>, warnings: &mut Vec<Warning>) -> Map<String, Value> {
    let mut body = body.clone();
    if id.is_some() && body.get("id").and_then(Value::as_str) == id {
        body.shift_remove("id");
        warnings.push(Warning::at("ignored-member", "/id", "the id is that of the record anyway"));
    }
    body
}

pub fn refusal(invalid: Vec<Violation>, unknown: Vec<Violation>) -> Error {
    let (kind, detail) = if invalid.is_empty() {
        (Kind::UnknownField, "The record holds members that cannot be written here.")
    } else {
        (Kind::ValidationFailed, "The record is not valid.")
    };
    Error::new(kind, detail).violations(invalid).violations(unknown)
}

/// The members that a write can hold.
pub fn writable(resource: &Resource) -> Vec<String> {
    let by_name = |field: &Field| field.is_writable() && !matches!(field.shape, Shape::Custom { .. });
    resource.table.iter().filter(|(_, field)| by_name(field)).map(|(name, _)| name.clone()).collect()
}

struct Writer<'a> {
    resource: &'a Resource,
    operation: Operation,
    uses: &'a [String],
    /// The caller's record, which `write` expressions see.
    input: Value,
    settings: &'a Value,
    now: Timestamp,
    record: Value,
    /// Vendor path to the pointer that wrote it: two members must not fight over one place.
    written: HashMap<String, (String, Value)>,
    invalid: Vec<Violation>,
    unknown: Vec<Violation>,
    warnings: &'a mut Vec<Warning>,
}

impl Writer<'_> {
    fn members(&mut self, body: &Map<String, Value>) {
        for (name, value) in body {
            if name == "custom_fields" {
                self.custom_fields(value);
                continue;
            }
            let line = self.resource.table.get(name);
            if self.uses.contains(name) && !line.is_some_and(Field::is_writable) {
                continue;
            }
            let at = format!("/{}", escape(name));
            match self.resource.table.get(name) {
                Some(field) => self.field(field, value, &at, None),
                None => self.unknown.push(Violation::at(at, format!("this provider has no place for `{name}`"))),
            }
        }
    }

    fn custom_fields(&mut self, value: &Value) {
        let Some(fields) = value.as_object() else {
            let violation = Violation::at("/custom_fields", "it is not an object");
            self.invalid.push(violation.expected("object of the fields to write; null clears a field of it"));
            return;
        };
        for (name, value) in fields {
            let at = format!("/custom_fields/{}", escape(name));
            match self.resource.table.get(&format!("custom_fields.{name}")) {
                Some(field) => {
                    let wrong = validate_member(&field.member, value, &at);
                    match wrong.is_good() {
                        true => self.field(field, value, &at, None),
                        false => self.invalid.extend(wrong.invalid),
                    }
                }
                // A standard column without a line goes by the vendor's name; what the account does not have goes nowhere.
                None if self.resource.account.as_ref().is_some_and(|account| !account.contains(name)) => {
                    self.unknown.push(Violation::at(&at, format!("the account has no custom field `{name}`")));
                }
                None => self.unclaimed(name, value, &at),
            }
        }
    }

    /// A custom field without a line of its own goes by the vendor's name, unless that name is another field's.
    fn unclaimed(&mut self, name: &str, value: &Value, at: &str) {
        let Some(Shape::Custom { inside }) = self.resource.table.get("custom_fields").map(|field| &field.shape) else {
            let detail = format!("no mapping names the custom field `{name}`; one line in an override adds it");
            self.unknown.push(Violation::at(at, detail));
            return;
        };
        let owner = pointer_of(self.resource, name);
        if !owner.starts_with("/custom_fields/") {
            self.invalid.push(Violation::at(at, format!("`{name}` is not a custom field: it is written as {owner}")));
            return;
        }
        let value = match value {
            Value::Null if self.operation == Operation::Create => return,
            Value::Null => self.resource.clear.clone(),
            value => value.clone(),
        };
        let path = inside.as_ref().map_or_else(|| Path::of([name]), |inside| inside.join(&Path::of([name])));
        self.set(&path, value, at, false);
    }

    /// What a create writes where the caller says nothing.
    fn defaults(&mut self, body: &Map<String, Value>) {
        let vars = self.vars();
        for (name, field) in self.resource.table.iter().filter(|(name, _)| !body.contains_key(*name)) {
            let Some(default) = &field.default else { continue };
            let at = format!("/{name}");
            match default.evaluate(&self.input, &vars) {
                Ok(Some(value)) if !value.is_null() => self.field(field, &value, &at, None),
                Ok(_) => {}
                Err(error) => self.invalid.push(Violation::at(at, error.detail().to_owned())),
            }
        }
    }

    /// What expressions see besides the caller's record.
    fn vars(&self) -> Vars {
        Vars::none()
            .with("settings", self.settings.clone())
            .with("now", Value::String(self.now.to_string()))
            .with("operation", Value::String(self.operation.as_str().into()))
    }

    fn required(&mut self, body: &Map<String, Value>) {
        for (name, field) in &self.resource.table {
            let sent = match name.strip_prefix("custom_fields.") {
                Some(custom) => body.get("custom_fields").and_then(|fields| fields.get(custom)),
                None => body.get(name),
            };
            let missing = sent.is_none_or(Value::is_null) && field.default.is_none();
            if field.required_on_create && missing {
                self.invalid.push(
                    Violation::at(format!("/{name}"), format!("`{name}` is required to create a record here"))
                        .expected(field.member.kind.describe()),
                );
            }
        }
    }

    /// `base` is the vendor path that nested fields are relative to.
    fn field(&mut self, field: &Field, value: &Value, at: &str, base: Option<&Path>) {
        if let Some(other) = field.link.as_ref().filter(|_| self.operation != Operation::Create) {
            let detail = format!("it can be set on create only; afterwards it is an association with {other}");
            self.invalid.push(Violation::at(at, detail));
            return;
        }
        if field.once && self.operation != Operation::Create {
            self.invalid.push(Violation::at(at, "it can be set on create only"));
            return;
        }
        match &field.shape {
            Shape::Absent(reason) => {
                self.unknown.push(Violation::at(at, format!("this provider does not have it: {reason}")));
            }
            Shape::Custom { .. } | Shape::Value { write: Target::ReadOnly, .. } => {
                self.invalid.push(Violation::at(at, "it is read-only here"));
            }
            Shape::Const(constant) if value == constant => {}
            Shape::Const(constant) => {
                self.invalid
                    .push(Violation::at(at, "it always has the same value here").expected(constant.to_string()));
            }
            Shape::Value { write, .. } => {
                if let Some(vendor) = self.convert(field, value, at) {
                    self.put(field, write, vendor, value, at, base);
                }
            }
            Shape::Object { base: inner, table } => {
                let base = inner.as_ref().or(base).cloned();
                self.object(table, value, at, base.as_ref());
            }
            Shape::Each { path, table } => self.each(path, table, value, at),
            Shape::Places(places) => self.places(places, value, at),
        }
    }

    /// The vendor's form of a value; `None` leaves it out (null on create) or was a violation.
    fn convert(&mut self, field: &Field, value: &Value, at: &str) -> Option<Value> {
        if value.is_null() {
            let clear = field.clear.as_ref().unwrap_or(&self.resource.clear);
            return (self.operation != Operation::Create).then(|| clear.clone());
        }
        let mut vendor = match &field.values {
            Some(values) => self.named(values, value, at)?,
            None => value.clone(),
        };
        let sent = vendor.clone();
        for codec in field.codecs.iter().rev() {
            match codec.write(&vendor) {
                Ok(value) => vendor = value,
                Err(expected) => {
                    self.invalid.push(Violation::at(at, "the value cannot be converted").expected(expected));
                    return None;
                }
            }
        }
        if !field.codecs.is_empty() && field.member.kind == Type::DateTime && loses_time(field, &sent, &vendor) {
            let detail = "the provider keeps less of this time than was sent";
            self.warnings.push(Warning::at("degraded-member", at, detail));
        }
        // An amount without a conversion is a number to the vendor, with the digits that the caller wrote.
        if field.codecs.is_empty()
            && field.values.is_none()
            && field.member.kind == Type::Decimal
            && let Some(number) = vendor.as_str().and_then(|text| text.parse().ok())
        {
            vendor = Value::Number(number);
        }
        Some(vendor)
    }

    /// The vendor's values of the unified names; of a list for each item.
    fn named(&mut self, values: &Values, value: &Value, at: &str) -> Option<Value> {
        if let Value::Array(items) = value {
            let items = items.iter().enumerate();
            let named: Vec<Option<Value>> =
                items.map(|(index, item)| self.named(values, item, &format!("{at}/{index}"))).collect();
            return named.into_iter().collect::<Option<Vec<_>>>().map(Value::Array);
        }
        let vendor = values.write(value).cloned();
        if vendor.is_none() {
            let names = values.names().join(", ");
            let detail = format!("{value} cannot be stored by this provider");
            self.invalid.push(Violation::at(at, detail).expected(format!("one of {names}")));
        }
        vendor
    }

    fn put(&mut self, field: &Field, write: &Target, vendor: Value, value: &Value, at: &str, base: Option<&Path>) {
        match write {
            Target::ReadOnly => {}
            Target::Path(path) => self.set(&below(base, path), vendor, at, field.is_polymorphic()),
            Target::Patch { expression, sets } => {
                let mut vars = self.vars();
                if !value.is_null() {
                    vars = vars.with("value", vendor.clone());
                }
                match expression.evaluate(&self.input, &vars) {
                    Ok(patch) => self.patch(field, patch.unwrap_or(Value::Null), sets, value, at),
                    Err(error) => self.invalid.push(Violation::at(at, error.detail().to_owned())),
                }
            }
        }
    }

    /// What the patch leaves out of what it is said to set becomes a clear, not a loss.
    fn patch(&mut self, field: &Field, mut patch: Value, sets: &[Path], value: &Value, at: &str) {
        if !patch.is_object() {
            patch = Value::Object(Map::new());
        }
        for path in sets {
            if path.get(&patch).is_none() && self.operation != Operation::Create {
                path.set(&mut patch, field.clear.as_ref().unwrap_or(&self.resource.clear).clone());
            }
        }
        if patch.as_object().is_some_and(Map::is_empty) && !value.is_null() {
            self.invalid.push(Violation::at(at, "the mapping made nothing of this value"));
            return;
        }
        let mut leaves = Vec::new();
        leaves_of(&patch, &mut Vec::new(), &mut leaves);
        if leaves.iter().all(|(path, leaf)| self.is_free(&path.to_string(), leaf, at, field.is_polymorphic())) {
            merge(&mut self.record, patch);
        }
    }

    /// Whether a value may go to a place of the vendor's record; a place that another member has taken is a conflict.
    /// Members that share a column (each reads it only where its `when` holds) give way to each other when they are
    /// empty: they are sent back together as they were read.
    fn is_free(&mut self, place: &str, value: &Value, at: &str, shared: bool) -> bool {
        let empty = |value: &Value| value.is_null() || *value == self.resource.clear;
        match self.written.get(place) {
            Some((_, before)) if before == value => {}
            Some(_) if shared && empty(value) => return false,
            Some((_, before)) if shared && empty(before) => {}
            Some((other, _)) => {
                let detail = format!("it is stored in the same place as {other}, with another value");
                self.invalid.push(Violation::at(at, detail));
                return false;
            }
            None => {}
        }
        self.written.insert(place.to_owned(), (at.to_owned(), value.clone()));
        true
    }

    fn set(&mut self, path: &Path, value: Value, at: &str, shared: bool) {
        let value = match &self.resource.text {
            Some(text) if path.strip_prefix(text).is_some() => as_text(value),
            _ => value,
        };
        if self.is_free(&path.to_string(), &value, at, shared) {
            path.set(&mut self.record, value);
        }
    }

    fn object(&mut self, table: &Table, value: &Value, at: &str, base: Option<&Path>) {
        let no_members = Map::new();
        let members = match value {
            Value::Object(members) => members,
            // Null clears every part that can be written.
            _ => {
                for (name, field) in table.iter().filter(|(_, field)| field.is_writable()) {
                    self.field(field, &Value::Null, &format!("{at}/{name}"), base);
                }
                &no_members
            }
        };
        for (name, field) in table.iter().filter(|(_, field)| field.required_on_create) {
            if self.operation == Operation::Create && !value.is_null() && members.get(name).is_none_or(Value::is_null) {
                let detail = format!("`{name}` is required to create this here");
                self.invalid.push(Violation::at(format!("{at}/{name}"), detail).expected(field.member.kind.describe()));
            }
        }
        // A reference is sent back as it was read: its name follows from the id. Nothing else may be dropped.
        let by_id = members.contains_key("id") && table.get("id").is_some_and(Field::is_writable);
        for (name, value) in members {
            let at = format!("{at}/{}", escape(name));
            match table.get(name) {
                Some(field) if field.is_writable() => self.field(field, value, &at, base),
                _ if by_id && (name == "name" || name == "record") => {
                    self.warnings.push(Warning::at("ignored-member", at, format!("`{name}` follows from the rest")));
                }
                Some(_) => self.invalid.push(Violation::at(at, "it is read-only here")),
                None => self.unknown.push(Violation::at(at, format!("this provider has no place for `{name}`"))),
            }
        }
    }

    /// A list of objects, written as a whole.
    fn each(&mut self, path: &Path, table: &Table, value: &Value, at: &str) {
        let mut list = Vec::new();
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            let outer = std::mem::replace(&mut self.record, Value::Object(Map::new()));
            let written = std::mem::take(&mut self.written);
            self.object(table, item, &format!("{at}/{index}"), None);
            list.push(std::mem::replace(&mut self.record, outer));
            self.written = written;
        }
        if value.is_null() && self.operation == Operation::Create {
            return;
        }
        self.set(path, Value::Array(list), at, false);
    }

    /// The list is the whole truth about its places: those without an item are cleared.
    fn places(&mut self, places: &[Place], value: &Value, at: &str) {
        let empty = Vec::new();
        let items = value.as_array().unwrap_or(&empty);
        let mut taken: Vec<Option<usize>> = vec![None; places.len()];
        let kinds: Vec<&str> = places.iter().filter_map(Place::kind).collect();
        // The primary item goes first, so that none without a type takes its place.
        let is_primary = |item: &Value| item.get("primary") == Some(&Value::Bool(true));
        let (first, rest): (Vec<_>, Vec<_>) = items.iter().enumerate().partition(|(_, item)| is_primary(item));
        for (index, item) in first.into_iter().chain(rest) {
            match assign(places, &taken, item) {
                Some(place) => {
                    if let Some(slot) = taken.get_mut(place) {
                        *slot = Some(index);
                    }
                }
                None => {
                    self.invalid.push(
                        Violation::at(format!("{at}/{index}"), "there is no free place for this item")
                            .expected(format!("at most {} items, of the types {}", places.len(), kinds.join(", "))),
                    )
                }
            }
        }
        for (place, item) in places.iter().zip(&taken) {
            match item.and_then(|index| items.get(index).map(|item| (index, item))) {
                Some((index, item)) => self.place(place, item, &format!("{at}/{index}")),
                None if self.operation == Operation::Create => {}
                None => self.clear_place(place, at),
            }
        }
    }

    fn place(&mut self, place: &Place, item: &Value, at: &str) {
        let Some(item) = item.as_object() else { return };
        for (name, value) in item {
            let at = format!("{at}/{}", escape(name));
            match place.table.get(name) {
                Some(field) if !field.is_writable() && name == "name" && item.contains_key("id") => {
                    self.warnings.push(Warning::at("ignored-member", at, "`name` follows from the rest"));
                }
                Some(field) => self.field(field, value, &at, None),
                None if place.constants.get(name) == Some(value) || value.is_null() => {}
                None if name == "type" || name == "primary" => {
                    let detail = format!("the place decides `{name}`, it was not stored");
                    self.warnings.push(Warning::at("degraded-member", at, detail));
                }
                None => self.unknown.push(Violation::at(at, format!("this place does not hold `{name}`"))),
            }
        }
        // The item replaces the place: parts that it does not name are cleared.
        if self.operation != Operation::Create {
            let unsaid = place.table.iter().filter(|(name, field)| !item.contains_key(*name) && field.is_writable());
            for (name, field) in unsaid {
                self.field(field, &Value::Null, &format!("{at}/{name}"), None);
            }
        }
    }

    fn clear_place(&mut self, place: &Place, at: &str) {
        for field in place.table.values().filter(|field| field.is_writable()) {
            self.field(field, &Value::Null, at, None);
        }
    }
}

/// The leaves of a patch with their paths; a list is a leaf.
fn leaves_of(patch: &Value, names: &mut Vec<String>, leaves: &mut Vec<(Path, Value)>) {
    match patch {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                names.push(name.clone());
                leaves_of(value, names, leaves);
                names.pop();
            }
        }
        leaf if !names.is_empty() => leaves.push((Path::of(names.clone()), leaf.clone())),
        _ => {}
    }
}

/// Whether reading the vendor's form gives another time than was sent.
fn loses_time(field: &Field, sent: &Value, vendor: &Value) -> bool {
    let read = field.codecs.iter().try_fold(vendor.clone(), |value, codec| codec.read(&value));
    let instant = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    match (read.ok().as_ref().and_then(|read| to_instant(read).ok()), instant(sent)) {
        (Some(read), Some(sent)) => read.parse::<Timestamp>().is_ok_and(|read| read != sent),
        _ => false,
    }
}

/// The place for an item: that of its type; without a type the primary place for a primary item, else the first free.
fn assign(places: &[Place], taken: &[Option<usize>], item: &Value) -> Option<usize> {
    let free = |index: &usize| taken.get(*index).is_some_and(Option::is_none);
    let find = |test: &dyn Fn(&Place) -> bool| {
        places.iter().enumerate().filter(|(_, place)| test(place)).map(|(index, _)| index).find(|index| free(index))
    };
    match item.get("type").and_then(Value::as_str) {
        Some(kind) => find(&|place| place.kind() == Some(kind)),
        None if item.get("primary") == Some(&Value::Bool(true)) => find(&Place::is_primary).or_else(|| find(&|_| true)),
        None => find(&|_| true),
    }
}

fn below(base: Option<&Path>, path: &Path) -> Path {
    match base {
        Some(base) => base.join(path),
        None => path.clone(),
    }
}

fn as_text(value: Value) -> Value {
    match value {
        Value::Bool(_) | Value::Number(_) => Value::String(value.to_string()),
        other => other,
    }
}

/// The unified member that a vendor's field name belongs to, for pointers in errors.
pub fn pointer_of(resource: &Resource, vendor_name: &str) -> String {
    let found = resource.table.iter().find(|(_, field)| writes_to(field, vendor_name, resource.text.as_ref()));
    match found {
        Some((name, _)) => format!("/{}", escape(name).replace("custom_fields.", "custom_fields/")),
        None => format!("/custom_fields/{}", escape(vendor_name)),
    }
}

fn writes_to(field: &Field, vendor_name: &str, under: Option<&Path>) -> bool {
    let names = |path: &Path| {
        let path = under.and_then(|under| path.strip_prefix(under)).unwrap_or_else(|| path.clone());
        path.dotted() == vendor_name || path.first() == vendor_name
    };
    match &field.shape {
        Shape::Value { write: Target::Path(path), .. } => names(path),
        Shape::Value { write: Target::Patch { sets, .. }, .. } => sets.iter().any(names),
        Shape::Object { table, .. } => table.values().any(|field| writes_to(field, vendor_name, under)),
        Shape::Each { path, .. } => names(path),
        Shape::Places(places) => {
            places.iter().flat_map(|place| place.table.values()).any(|field| writes_to(field, vendor_name, under))
        }
        _ => false,
    }
}
