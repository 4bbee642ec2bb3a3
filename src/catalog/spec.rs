//! The grammar of mapping files as types. The editors' JSON Schemas are generated from them, and the doc comments
//! are what an author reads while writing. What each word does is told in `mappings/README.md`.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::FilterOp;

/// A leaf of a request: a path, an expression, a literal (numbers, booleans, `{const: …}`), a list or a map of leaves.
pub type LeafSpec = Value;

/// One value, or a list of them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T: Clone> OneOrMany<T> {
    pub fn to_vec(&self) -> Vec<T> {
        match self {
            OneOrMany::One(one) => vec![one.clone()],
            OneOrMany::Many(many) => many.clone(),
        }
    }
}

/// `provider.yaml`: the HTTP facts of one CRM.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderSpec {
    /// The name people know it by.
    pub title: String,
    /// Where the vendor documents its API.
    #[serde(default)]
    pub docs: Option<String>,
    /// What surprises people, shown to callers in the coverage matrix. Say so where a fact is not verified.
    #[serde(default)]
    pub gotchas: Vec<String>,
    /// Constants: `{name}` in any text of the provider's files stands for them, expressions see them by name.
    #[serde(default)]
    pub params: Map<String, Value>,
    /// What differs from connection to connection besides the credentials.
    #[serde(default)]
    pub settings: IndexMap<String, SettingSpec>,
    /// What all request paths are relative to. `{setting}` may stand in it.
    pub base_url: String,
    /// The only places that credentials are sent to.
    pub hosts: HostsSpec,
    /// Headers of every request.
    #[serde(default)]
    pub headers: IndexMap<String, LeafSpec>,
    /// Named conversions for `as`.
    #[serde(default)]
    pub codecs: IndexMap<String, CodecSpec>,
    /// Query languages as data, used through `$query`, `$where`, `$order` and `$literal`.
    #[serde(default)]
    pub styles: IndexMap<String, Value>,
    /// How each kind of credential is sent: `oauth2`, `token`, `basic`, `headers`.
    pub auth: IndexMap<String, AuthSpec>,
    /// How the vendor says what went wrong.
    #[serde(default)]
    pub errors: ErrorsSpec,
    /// A longer URL is refused before it is sent. Characters.
    #[serde(default)]
    pub max_url: Option<usize>,
    /// What the raw route may not reach.
    #[serde(default)]
    pub passthrough: PassthroughSpec,
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostsSpec {
    /// `https://api.example.com`, or `https://*.example.com` for any name below it, or `{setting}` where the customer
    /// runs the server.
    pub api: Vec<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingSpec {
    /// What it is, in the words in which a customer is asked for it.
    pub ask: String,
    #[serde(default)]
    pub default: Option<Value>,
    /// May be left out although it has no default.
    #[serde(default)]
    pub optional: bool,
    /// A value as it may look; the demo connects with it.
    #[serde(default)]
    pub example: Option<Value>,
    /// A regular expression that the whole value matches.
    #[serde(default)]
    pub pattern: Option<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CodecSpec {
    /// Expression: the vendor's value (as `$` or by its members) to the unified one.
    #[serde(default)]
    pub read: Option<String>,
    /// Expression: the unified value (`$`) to the vendor's.
    #[serde(default)]
    pub write: Option<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthSpec {
    /// Headers made of the credential's members: `access_token`, `token`, `username` and `password`, or the names of
    /// the headers.
    #[serde(default)]
    pub send: IndexMap<String, LeafSpec>,
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorsSpec {
    #[serde(default)]
    pub read: ErrorReadSpec,
    /// First match wins; after them the status decides.
    #[serde(default)]
    pub classify: Vec<ClassifySpec>,
}

/// Where an error answer holds what.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorReadSpec {
    #[serde(default)]
    pub code: Option<LeafSpec>,
    #[serde(default)]
    pub message: Option<LeafSpec>,
    /// Vendor names of the fields that are wrong; they become pointers to unified fields.
    #[serde(default)]
    pub fields: Option<LeafSpec>,
    /// The id of the record that is in the way.
    #[serde(default)]
    pub other_id: Option<LeafSpec>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassifySpec {
    #[serde(default)]
    pub status: Option<OneOrMany<u16>>,
    /// The code as `errors.read.code` found it.
    #[serde(default)]
    pub code: Option<OneOrMany<String>>,
    /// A regular expression that the message contains.
    #[serde(default)]
    pub message: Option<String>,
    /// An expression over the answer's body, `$status` and `$headers`.
    #[serde(default)]
    pub when: Option<String>,
    /// The problem's code.
    pub is: String,
    #[serde(default)]
    pub retryable: Option<bool>,
    /// One key that names the unit: `s`, `ms`, `epoch-s`, `epoch-ms` or `http-date`, over a leaf. A hint that cannot be
    /// read is ignored. `Retry-After` needs no line.
    #[serde(default)]
    pub retry_after: Option<IndexMap<RetryUnit, LeafSpec>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RetryUnit {
    S,
    Ms,
    EpochS,
    EpochMs,
    HttpDate,
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PassthroughSpec {
    /// Path prefixes (`*` stands for any characters) that are refused: token endpoints above all.
    #[serde(default)]
    pub deny: Vec<String>,
    /// The methods that may be used; all but CONNECT and TRACE without it.
    #[serde(default)]
    pub methods: Option<Vec<String>>,
}

/// `<resource>.yaml`: the shape of one resource and the requests of its operations.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceSpec {
    /// A file of the same folder, without `.yaml`, that lies under this one.
    #[serde(default)]
    pub extends: Option<String>,
    /// Constants, as in `provider.yaml`.
    #[serde(default)]
    pub params: Map<String, Value>,
    /// The model's name where it is not the one whose resource has this file's name.
    #[serde(default)]
    pub model: Option<String>,
    #[serde(default)]
    pub id: Option<IdSpec>,
    /// This resource is a slice of a shared object: a condition on lists, constants on create.
    #[serde(default)]
    pub only: IndexMap<String, Value>,
    /// What null is written as on update; null without it.
    #[serde(default)]
    pub clear: Option<Value>,
    /// Below this path every scalar is text.
    #[serde(default)]
    pub text: Option<String>,
    #[serde(default)]
    pub select: Option<SelectSpec>,
    #[serde(default)]
    pub fields: IndexMap<String, FieldSpec>,
    #[serde(default)]
    pub filters: IndexMap<String, FilterSpec>,
    /// Unified field to the vendor's column.
    #[serde(default)]
    pub sorts: IndexMap<String, String>,
    #[serde(default)]
    pub limit: LimitSpec,
    pub operations: OperationsSpec,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdSpec {
    /// A regular expression for the whole id. An id that does not match is not-found without a call.
    pub pattern: String,
}

/// How the vendor is told which columns to send: `false`, or where their names come from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SelectSpec {
    Off(bool),
    On(SelectFull),
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SelectFull {
    /// Columns live below this path and are named without it.
    #[serde(default)]
    pub under: Option<String>,
    /// Asked for whatever is wanted.
    #[serde(default)]
    pub always: Vec<String>,
    /// `first` names a column by the first segment of its path, `full` by the whole path.
    #[serde(default)]
    pub depth: SelectDepth,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SelectDepth {
    #[default]
    First,
    Full,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitSpec {
    #[serde(default = "fifty")]
    pub default: u32,
    #[serde(default = "hundred")]
    pub max: u32,
}

impl Default for LimitSpec {
    fn default() -> Self {
        Self { default: fifty(), max: hundred() }
    }
}

fn fifty() -> u32 {
    50
}

fn hundred() -> u32 {
    100
}

/// One line of the fields table: a path both ways, or more words.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FieldSpec {
    Path(String),
    Full(Box<FieldFull>),
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldFull {
    /// A path, both ways.
    #[serde(default)]
    pub path: Option<String>,
    /// A path on reading, where writing has another.
    #[serde(default)]
    pub from: Option<String>,
    /// A path on writing, where reading has another.
    #[serde(default)]
    pub to: Option<String>,
    /// A path or expression on reading; of a list the first that is not null. Alone: the field is read-only.
    #[serde(default)]
    pub read: Option<OneOrMany<String>>,
    /// An expression that gives a patch of the vendor's record. `$value` is the field's value. Alone: write-only.
    #[serde(default)]
    pub write: Option<String>,
    /// The paths that `write` sets, so that what the patch leaves out is cleared.
    #[serde(default)]
    pub sets: Vec<String>,
    /// Always reads as this; writing anything else is refused.
    #[serde(default)]
    pub r#const: Option<Value>,
    /// The vendor has no such thing, and why. Reads as null.
    #[serde(default)]
    pub none: Option<String>,
    /// A conversion or a list of them, in the order of reading.
    #[serde(default)]
    pub r#as: Option<Value>,
    /// Unified value to vendor value; of a list all are read, the first is written.
    #[serde(default)]
    pub values: Option<IndexMap<String, Value>>,
    /// What a vendor value without a line reads as.
    #[serde(default)]
    pub r#else: Option<Value>,
    /// An object: a table of its members (relative to `path` or `each` where given).
    #[serde(default)]
    pub fields: Option<IndexMap<String, FieldSpec>>,
    /// A list of objects: the vendor's list; `fields` is the table of one element.
    #[serde(default)]
    pub each: Option<String>,
    /// A typed list over fixed columns. Order is preference.
    #[serde(default)]
    pub places: Option<Vec<IndexMap<String, PlaceSpec>>>,
    /// On reading, the field is null unless each path matches its regular expression.
    #[serde(default)]
    pub when: IndexMap<String, String>,
    /// Must be sent on create.
    #[serde(default)]
    pub required: Option<Required>,
    /// The columns an expression needs, instead of those found in it.
    #[serde(default)]
    pub needs: Option<Vec<String>>,
    /// On create only; afterwards it is an association with this resource.
    #[serde(default)]
    pub link: Option<String>,
    /// What null is written as, instead of the resource's `clear`.
    #[serde(default)]
    pub clear: Option<Value>,
    /// Unified value to conditions on several columns, for `eq` filters.
    #[serde(default)]
    pub filter: Option<IndexMap<String, IndexMap<String, Value>>>,
    /// For `custom_fields`: where the vendor keeps them (`$` = beside the others).
    #[serde(default)]
    pub r#in: Option<String>,
    /// For a `custom_fields` that is read field by field: its title for people.
    #[serde(default)]
    pub label: Option<String>,
}

/// `type`, `primary` and other constants of a place are scalars; sub-fields are paths or field lines.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PlaceSpec {
    Flag(bool),
    Text(String),
    Field(Box<FieldFull>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Required {
    Create,
}

/// What can be filtered by: operators on the field's own column, or more words.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FilterSpec {
    Ops(Vec<FilterOp>),
    Full(FilterFull),
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilterFull {
    /// The column, or several of which any may match.
    #[serde(default)]
    pub on: Option<OneOrMany<String>>,
    pub ops: Vec<FilterOp>,
    /// A conversion of the value, where it is not the field's own.
    #[serde(default)]
    pub r#as: Option<Value>,
    /// The type that the query style writes it as, where it is not the model's.
    #[serde(default)]
    pub r#type: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationsSpec {
    #[serde(default)]
    pub list: Option<OneOrMany<VariantSpec>>,
    #[serde(default)]
    pub get: Option<OneOrMany<VariantSpec>>,
    #[serde(default)]
    pub create: Option<OneOrMany<VariantSpec>>,
    #[serde(default)]
    pub update: Option<OneOrMany<VariantSpec>>,
    #[serde(default)]
    pub delete: Option<OneOrMany<VariantSpec>>,
}

/// One way to do an operation. The first that covers the call is taken.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantSpec {
    /// For lists: what it can filter and sort by. Without it, everything the resource declares.
    #[serde(default)]
    pub accepts: Option<AcceptsSpec>,
    /// An expression over the call that must be true.
    #[serde(default)]
    pub when: Option<String>,
    /// Named values that the URL, query, headers and body can use.
    #[serde(default)]
    pub r#let: IndexMap<String, LeafSpec>,
    /// Requests before the main one, in order. Their answers are `steps.<name>`.
    #[serde(default)]
    pub steps: IndexMap<String, StepSpec>,
    /// `METHOD /path`, relative to `base_url`. `{name}` is percent-encoded.
    pub request: String,
    #[serde(default)]
    pub query: IndexMap<String, LeafSpec>,
    #[serde(default)]
    pub headers: IndexMap<String, LeafSpec>,
    /// The body; for writes the translated record without it.
    #[serde(default)]
    pub body: Option<LeafSpec>,
    /// The request changes nothing and may be sent again, although it is a POST.
    #[serde(default)]
    pub safe: Option<bool>,
    /// The largest page of this variant, where it differs from the resource's.
    #[serde(default)]
    pub limit: Option<LimitSpec>,
    /// When the answer is a success; 2xx without it.
    #[serde(default)]
    pub ok: Option<String>,
    /// What to read an error from when a success status carries one: `{status, body}`.
    #[serde(default)]
    pub error: Option<String>,
    /// Statuses that mean "nothing found" on a list.
    #[serde(default)]
    pub empty: Option<Vec<u16>>,
    /// Statuses that mean "no such record".
    #[serde(default)]
    pub absent: Option<Vec<u16>>,
    /// Where the vendor's records are in the answer of a list; `$` is the answer itself.
    #[serde(default)]
    pub records: Option<LeafSpec>,
    /// Where the vendor's record is in the answer; the answer itself without it.
    #[serde(default)]
    pub record: Option<LeafSpec>,
    /// The new record's id in the answer of a create.
    #[serde(default)]
    pub id: Option<LeafSpec>,
    /// How the list goes on: a leaf that gives the vendor's cursor, `{offset: 0}`, `{page: 1}` or `{link: leaf}`.
    #[serde(default)]
    pub next: Option<Value>,
    /// The list goes on after the last row's values: for query languages whose limit ends the list.
    #[serde(default)]
    pub keyset: Option<KeysetSpec>,
    /// The vendor stops at a row; from there the list goes on by key.
    #[serde(default)]
    pub window: Option<WindowSpec>,
    /// Fields whose filters the vendor answers too widely: checked again on the unified records.
    #[serde(default)]
    pub coarse: Vec<String>,
    /// Fields that this variant's answers lack although others have them: null, with a warning.
    #[serde(default)]
    pub lacks: Vec<String>,
    /// After a write: `get` reads the record back, `none` takes the answer for it.
    #[serde(default)]
    pub then: Option<ThenSpec>,
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptsSpec {
    /// `all`, or filters with their operators.
    #[serde(default)]
    pub filters: AcceptedFilters,
    /// `all`, or the fields.
    #[serde(default)]
    pub sort: AcceptedSorts,
    /// Free text search.
    #[serde(default)]
    pub q: bool,
    /// The most conditions at once.
    #[serde(default)]
    pub conditions: Option<usize>,
    /// The most sort fields at once.
    #[serde(default)]
    pub sort_fields: Option<usize>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AcceptedFilters {
    All(All),
    Some(IndexMap<String, Vec<FilterOp>>),
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AcceptedSorts {
    All(All),
    Some(Vec<String>),
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum All {
    All,
}

impl Default for AcceptedFilters {
    fn default() -> Self {
        Self::Some(IndexMap::new())
    }
}

impl Default for AcceptedSorts {
    fn default() -> Self {
        Self::Some(Vec::new())
    }
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepSpec {
    pub request: String,
    #[serde(default)]
    pub query: IndexMap<String, LeafSpec>,
    #[serde(default)]
    pub headers: IndexMap<String, LeafSpec>,
    #[serde(default)]
    pub body: Option<LeafSpec>,
    /// The request changes nothing and may be sent again, although it is a POST.
    #[serde(default)]
    pub safe: Option<bool>,
    /// An expression over the call; the step is left out unless it is true.
    #[serde(default)]
    pub when: Option<String>,
    #[serde(default)]
    pub ok: Option<String>,
    /// What of the answer is kept as `steps.<name>`; all of it without this.
    #[serde(default)]
    pub keep: Option<LeafSpec>,
    /// An expression over the kept value (`$`): true ends the call as an empty list or not-found.
    #[serde(default)]
    pub stop: Option<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeysetSpec {
    /// The unified field that makes the order total, usually `id`.
    pub key: String,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowSpec {
    /// The row at which the vendor stops.
    pub at: u64,
    /// The unified field to go on by, usually `id`.
    pub key: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ThenSpec {
    Get,
    None,
}
