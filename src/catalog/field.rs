//! The fields table, compiled: where each unified field is in the vendor's record, on reading and on writing.

use indexmap::IndexMap;
use regex::Regex;
use serde_json::{Map, Value};

use super::build::Located;
use super::leaf::Leaf;
use crate::mapping::{Codec, Path};
use crate::model::Member;

/// One line a field, in the order of the file.
pub type Table = IndexMap<String, Field>;

#[derive(Debug, Clone)]
pub struct Field {
    pub member: Member,
    pub shape: Shape,
    /// In the order of reading.
    pub codecs: Vec<Codec>,
    pub values: Option<Values>,
    /// On reading, null unless all match.
    pub when: Vec<(Path, Regex)>,
    pub required_on_create: bool,
    /// Can be set on create only.
    pub once: bool,
    /// What a create writes where the caller says nothing.
    pub default: Option<Leaf>,
    /// Create only; afterwards an association with this resource.
    pub link: Option<String>,
    pub clear: Option<Value>,
    /// Columns that reading needs, named as the vendor's select list names them.
    pub columns: Vec<String>,
    /// Its columns are asked for only where the account has them.
    pub optional: bool,
    /// Some expression of it may run until its limit.
    pub unbounded: bool,
    /// Conditions that stand for one unified value, for filters on fields without a column of their own.
    pub conditions: Option<IndexMap<String, IndexMap<String, Value>>>,
}

impl Field {
    /// Whether reading can give a value.
    pub fn is_readable(&self) -> bool {
        match &self.shape {
            Shape::Value { read, .. } => !read.is_empty(),
            Shape::Const(_) | Shape::Custom { .. } => true,
            Shape::Absent(_) => false,
            Shape::Object { table, .. } | Shape::Each { table, .. } => table.values().any(Field::is_readable),
            Shape::Places(places) => places.iter().flat_map(|place| place.table.values()).any(Field::is_readable),
        }
    }

    /// Whether some value can be written to it.
    pub fn is_writable(&self) -> bool {
        match &self.shape {
            Shape::Value { write, .. } => !matches!(write, Target::ReadOnly),
            Shape::Const(_) | Shape::Custom { .. } => true,
            Shape::Absent(_) => false,
            Shape::Object { table, .. } | Shape::Each { table, .. } => table.values().any(Field::is_writable),
            Shape::Places(places) => places.iter().flat_map(|place| place.table.values()).any(Field::is_writable),
        }
    }

    /// The first names of what it reads of the vendor's record; nothing where it reads nothing.
    pub fn roots(&self) -> Vec<String> {
        let of_table = |table: &Table| table.values().flat_map(Field::roots).collect::<Vec<_>>();
        match &self.shape {
            Shape::Value { read, .. } => read
                .iter()
                .flat_map(|source| match source {
                    Source::Path(path) => vec![path.first().to_owned()],
                    Source::Expression(located) => located.expression().roots().iter().cloned().collect(),
                })
                .collect(),
            Shape::Object { base: Some(path), .. } | Shape::Each { path, .. } => vec![path.first().to_owned()],
            Shape::Object { base: None, table } => of_table(table),
            Shape::Places(places) => places.iter().flat_map(|place| of_table(&place.table)).collect(),
            Shape::Const(_) | Shape::Absent(_) | Shape::Custom { .. } => Vec::new(),
        }
    }

    /// Whether it shares its column with others, each of which reads it only where its condition holds.
    pub fn is_polymorphic(&self) -> bool {
        !self.when.is_empty()
    }

    /// Whether it reads or writes the path, or needs the column.
    pub fn claims(&self, path: &Path, column: Option<&str>) -> bool {
        let named = column.is_some_and(|column| self.columns.iter().any(|known| known == column));
        let below = |table: &Table| table.values().any(|field| field.claims(path, column));
        named
            || match &self.shape {
                Shape::Value { read, write } => {
                    let reads = read.iter().any(|source| matches!(source, Source::Path(known) if known == path));
                    reads || matches!(write, Target::Path(known) if known == path)
                }
                Shape::Object { table, .. } => below(table),
                Shape::Places(places) => places.iter().any(|place| below(&place.table)),
                Shape::Each { path: known, .. } => known == path,
                Shape::Const(_) | Shape::Absent(_) | Shape::Custom { .. } => false,
            }
    }

    /// The one path that it is read from, if it is that simple.
    pub fn path(&self) -> Option<&Path> {
        match &self.shape {
            Shape::Value { read, .. } => match read.as_slice() {
                [Source::Path(path)] => Some(path),
                _ => None,
            },
            _ => None,
        }
    }
}

/// How a field lies in the vendor's record.
#[derive(Debug, Clone)]
pub enum Shape {
    Value {
        /// First non-null wins; empty = write-only.
        read: Vec<Source>,
        write: Target,
    },
    Const(Value),
    /// The vendor has no such thing, and why.
    Absent(String),
    Object {
        base: Option<Path>,
        table: Table,
    },
    Each {
        path: Path,
        table: Table,
    },
    Places(Vec<Place>),
    /// Fields that no other line claims live here, by their own names.
    Custom {
        inside: Option<Path>,
    },
}

#[derive(Debug, Clone)]
pub enum Source {
    Path(Path),
    Expression(Located),
}

#[derive(Debug, Clone)]
pub enum Target {
    ReadOnly,
    Path(Path),
    Patch { expression: Located, sets: Vec<Path> },
}

/// One fixed place of a typed list.
#[derive(Debug, Clone)]
pub struct Place {
    pub constants: Map<String, Value>,
    pub table: Table,
}

impl Place {
    pub fn kind(&self) -> Option<&str> {
        self.constants.get("type").and_then(Value::as_str)
    }

    pub fn is_primary(&self) -> bool {
        self.constants.get("primary") == Some(&Value::Bool(true))
    }
}

/// Enum values: unified names and what the vendor calls them.
#[derive(Debug, Clone)]
pub struct Values {
    /// Unified name, vendor values; the first is written.
    pub pairs: Vec<(String, Vec<Value>)>,
    /// What a vendor value without a line reads as.
    pub other: Option<Value>,
    /// A vendor value without a line reads as itself: the choices of an account, which may have changed meanwhile.
    pub open: bool,
}

impl Values {
    pub fn read(&self, vendor: &Value) -> Option<Value> {
        let found = self.pairs.iter().find(|(_, values)| values.iter().any(|value| same(value, vendor)));
        let name = found.map(|(name, _)| Value::String(name.clone()));
        name.or_else(|| self.other.clone()).or_else(|| self.open.then(|| vendor.clone()))
    }

    pub fn write(&self, unified: &Value) -> Option<&Value> {
        self.all(unified)?.first()
    }

    /// Every vendor value that reads as this one.
    pub fn all(&self, unified: &Value) -> Option<&[Value]> {
        let name = text_of(unified);
        self.pairs.iter().find(|(known, _)| *known == name).map(|(_, values)| values.as_slice())
    }

    pub fn names(&self) -> Vec<&str> {
        self.pairs.iter().map(|(name, _)| name.as_str()).collect()
    }
}

/// Vendors send `true` and `"true"`, `1` and `"1"`: a table written one way reads the other too.
fn same(written: &Value, vendor: &Value) -> bool {
    match (written, vendor) {
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => written == vendor,
        _ => text_of(written) == text_of(vendor),
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
