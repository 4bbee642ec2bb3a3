//! What accounts say of themselves: their own fields, and their types of custom objects. Asked for once, kept for a
//! while in memory; calls that come while it is asked for wait for the same answer.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use super::ask::shorten;
use super::call::{Item, Object};
use super::page::fetch_all;
use super::translate::boxed;
use super::{Call, Vendor};
use crate::catalog::{AccountField, ObjectType, Resource, Shape};
use crate::error::{Error, Kind, Outcome, Violation};
use crate::model::{Operation, Warning};

/// A field that somebody adds to an account is seen after this time at the latest.
const KEPT: Duration = Duration::from_secs(600);
/// Roughly what is kept at most. Bytes.
const MOST: u64 = 64 * 1024 * 1024;
/// What a line of the fields table takes, roughly. Bytes.
const LINE: usize = 1_024;

#[derive(Clone)]
pub struct Accounts {
    fields: Cache<Key, Fields>,
    types: Cache<Key, Arc<Vec<Arc<ObjectType>>>>,
}

/// Connection, resource and custom object type. The resource by its address, so that a reload begins anew; what is
/// kept holds on to it, so that no other can come to stand there.
type Key = (Arc<str>, usize, Option<String>);

/// The fields of an account, and the resource with the custom ones as lines of its table.
#[derive(Clone)]
pub struct Fields {
    pub fields: Arc<Vec<AccountField>>,
    resource: Arc<Resource>,
    _base: Arc<Resource>,
    /// Why the account does not tell.
    refused: Option<Error>,
}

impl Default for Accounts {
    fn default() -> Self {
        let weight = |_: &Key, fields: &Fields| u32::try_from(fields.weight()).unwrap_or(u32::MAX);
        Self {
            fields: Cache::builder().max_capacity(MOST).weigher(weight).time_to_live(KEPT).build(),
            types: Cache::builder().max_capacity(10_000).time_to_live(KEPT).build(),
        }
    }
}

impl Fields {
    fn weight(&self) -> usize {
        LINE * (4 + self.resource.table.len() + self.fields.len())
    }

    /// The resource with the account's custom fields.
    pub fn resource(&self) -> Arc<Resource> {
        self.resource.clone()
    }

    /// The fields, or the refusal.
    pub fn known(&self) -> Result<&[AccountField], Error> {
        match &self.refused {
            None => Ok(&self.fields),
            Some(error) => Err(error.clone()),
        }
    }
}

impl Accounts {
    /// Whether the vendor would have to be asked what the account is like before the call can be done.
    pub fn would_ask(&self, call: &Call) -> bool {
        let fields = call.resource.metadata.is_some() && meets_custom(call);
        matches!(call.object, Some(Object::Named(_))) || fields && !self.fields.contains_key(&key(call, &call.resource))
    }

    /// The fields of the call's account; `None` where the mapping does not say how to ask for them.
    pub async fn fields(&self, call: &Call, vendor: &Vendor) -> Result<Option<Fields>, Error> {
        let Some(metadata) = call.resource.metadata.clone() else { return Ok(None) };
        let ask = async {
            let part = call.part(Operation::Fields);
            let fields = match fetch_all(&part, vendor, &metadata.fetch).await {
                Ok((rows, vars)) => metadata.read(&rows, &vars)?,
                // The account's answer for a while, unlike a failure on the way.
                Err(error) if is_refusal(&error) => {
                    let resource = Arc::new(call.resource.without_optional());
                    let (_base, refused) = (call.resource.clone(), Some(error));
                    return Ok(Fields { fields: Arc::default(), resource, _base, refused });
                }
                Err(error) => return Err(error),
            };
            let resource = Arc::new(call.resource.with_account(&fields));
            Ok(Fields { fields: Arc::new(fields), resource, _base: call.resource.clone(), refused: None })
        };
        let asked = self.fields.try_get_with(key(call, &call.resource), boxed(|| ask)).await;
        asked.map(Some).map_err(|error: Arc<Error>| (*error).clone())
    }

    /// The call with the account's custom fields known to its resource, where it has to do with any. A list goes on
    /// without them when the account does not tell; a write that names some does not.
    pub async fn acquaint(&self, mut call: Call, vendor: &Vendor) -> Result<Call, Error> {
        if call.resource.metadata.is_none() || !meets_custom(&call) {
            return Ok(call);
        }
        let fields = self.fields(&call, vendor).await;
        let refused = match fields {
            Ok(Some(Fields { refused: None, resource, fields, .. })) => {
                check_wanted(&call, &resource, &fields)?;
                call.resource = resource;
                return Ok(call);
            }
            Ok(Some(Fields { refused: Some(error), resource, .. })) => {
                call.resource = resource;
                error
            }
            Err(error) => {
                call.resource = Arc::new(call.resource.without_optional());
                error
            }
            Ok(None) => return Ok(call),
        };
        if names_custom(&call) {
            return Err(if call.operation.is_write() { refused.outcome(Outcome::NotExecuted) } else { refused });
        }
        let detail = format!("the account does not tell its custom fields: {}", refused.detail());
        call.warnings.push(Warning::at("custom-fields-unknown", "/custom_fields", detail));
        Ok(call)
    }

    /// The account's types of custom objects.
    pub async fn types(&self, call: &Call, vendor: &Vendor) -> Result<Arc<Vec<Arc<ObjectType>>>, Error> {
        let Some(types) = call.resource.types.clone() else {
            let detail = format!("{} has no custom objects here.", call.provider.title);
            return Err(Error::new(Kind::UnsupportedOperation, detail));
        };
        let ask = async {
            let part = Call { object: None, ..call.part(Operation::Types) };
            let (rows, vars) = fetch_all(&part, vendor, &types.fetch).await?;
            Ok(Arc::new(types.read(&rows, &vars)?.into_iter().map(Arc::new).collect::<Vec<_>>()))
        };
        let key = (call.connection.id.0.clone(), Arc::as_ptr(&types) as usize, None);
        self.types.try_get_with(key, boxed(|| ask)).await.map_err(|error: Arc<Error>| (*error).clone())
    }

    /// The call with its custom object type known, or not-found with those that there are.
    pub async fn identify(&self, mut call: Call, vendor: &Vendor) -> Result<Call, Error> {
        let Some(Object::Named(name)) = &call.object else { return Ok(call) };
        let types = self.types(&call, vendor).await?;
        let Some(object) = types.iter().find(|object| object.name == *name) else {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
            return Err(Error::new(Kind::NotFound, format!("The account has no custom objects {shown:?}."))
                .supported(types.iter().map(|object| object.name.clone())));
        };
        call.object = Some(Object::Known(object.clone()));
        Ok(call)
    }
}

fn key(call: &Call, resource: &Arc<Resource>) -> Key {
    let object = match &call.object {
        Some(Object::Known(object)) => Some(object.name.clone()),
        Some(Object::Named(name)) => Some(name.clone()),
        None => None,
    };
    (call.connection.id.0.clone(), Arc::as_ptr(resource) as usize, object)
}

/// The vendor understood and said no: it will say so again.
fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), Kind::Forbidden | Kind::MissingScope | Kind::NotFound | Kind::UnsupportedOperation)
}

/// Whether the call reads or writes what only the account knows.
fn meets_custom(call: &Call) -> bool {
    let fields = &call.query.fields;
    let table = &call.resource.table;
    let serves_custom = table.get("custom_fields").is_some_and(|field| matches!(field.shape, Shape::Custom { .. }));
    let reads = match call.operation {
        Operation::List | Operation::Get => true,
        Operation::Create | Operation::Update | Operation::Upsert => !call.minimal,
        Operation::Batch => {
            let answered =
                |item: &Item| item.operation == Operation::Get || item.operation != Operation::Delete && !call.minimal;
            call.items.iter().any(answered)
        }
        _ => return false,
    };
    let wanted = reads && fields.wants("custom_fields");
    let optional = reads && table.iter().any(|(name, field)| field.optional && fields.wants(name));
    serves_custom && (wanted || names_custom(call)) || optional
}

/// The custom fields under `fields` must be the account's, or at least look like the name of a column, since a vendor can
/// have columns of which it does not tell. What else a caller makes up is no text for a query.
fn check_wanted(call: &Call, resource: &Resource, fields: &[AccountField]) -> Result<(), Error> {
    let is_known = |name: &str| {
        resource.table.contains_key(&format!("custom_fields.{name}")) || fields.iter().any(|field| field.key == name)
    };
    let is_word = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let is_known = |name: &str| is_known(name) || name.split('.').all(is_word);
    let Some(unknown) = call.query.fields.custom().find(|name| !is_known(name)) else { return Ok(()) };
    let detail = format!("the account has no custom field {:?}", shorten(unknown));
    let error = Error::new(Kind::InvalidRequest, "A field that is asked for is not known.")
        .violation(Violation::parameter("fields", detail))
        .supported(resource.table.keys().filter(|name| name.starts_with("custom_fields.")).cloned());
    Err(if call.operation.is_write() { error.outcome(Outcome::NotExecuted) } else { error })
}

/// Whether the caller named a custom field: then the call cannot be done without knowing it.
fn names_custom(call: &Call) -> bool {
    let mine = |name: &str| {
        name.starts_with("custom_fields.")
            && !call.resource.table.contains_key(name)
            && !call.resource.filters.contains_key(name)
    };
    let written = |body: &Option<serde_json::Map<String, serde_json::Value>>| {
        let custom = body.as_ref().and_then(|body| body.get("custom_fields")?.as_object());
        custom.is_some_and(|custom| custom.keys().any(|name| mine(&format!("custom_fields.{name}"))))
    };
    call.query.filters.iter().any(|filter| mine(&filter.field))
        || call.query.fields.custom().any(|name| mine(&format!("custom_fields.{name}")))
        || call.by.as_ref().is_some_and(|by| mine(by))
        || written(&call.body)
        || call.items.iter().any(|item| written(&item.body))
}
