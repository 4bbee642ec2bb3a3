//! What an object's columns are, for the requests by which vendors tell it.

use serde_json::{Map, Value, json};

use super::column::{KINDS, Source};
use super::engine::Asked;
use super::fault::Fault;

impl Asked<'_> {
    /// The columns that are shown, each with what the file tells of it besides.
    pub(super) fn columns(&self) -> Result<Value, Fault> {
        let object = self.object()?;
        let mut columns = Vec::new();
        for (name, column) in object.columns.iter().filter(|(_, column)| !column.hidden) {
            let kind = KINDS.iter().find(|(_, kind)| *kind == column.kind).map_or("text", |(kind, _)| kind);
            let options: Vec<Value> =
                column.options.iter().map(|(value, label)| json!({ "value": value, "label": label })).collect();
            let mut told = Map::new();
            told.insert("name".to_owned(), json!(name));
            told.insert("label".to_owned(), json!(name));
            told.insert("type".to_owned(), json!(kind));
            told.insert("required".to_owned(), json!(column.required));
            told.insert("read_only".to_owned(), json!(column.read_only));
            told.insert("unique".to_owned(), json!(column.unique.is_some()));
            told.insert("made".to_owned(), json!(!matches!(column.source, Source::Stored)));
            told.insert("options".to_owned(), json!(options));
            told.extend((!column.to.is_empty()).then(|| ("to".to_owned(), json!(column.to))));
            told.extend(column.relation.as_ref().map(|relation| ("relation".to_owned(), json!(relation))));
            told.extend(column.info.clone());
            columns.push(Value::Object(told));
        }
        Ok(json!({ "object": object.name, "columns": columns }))
    }
}
