//! Writing by a natural key, compiled.

use indexmap::IndexMap;

use super::build::{Build, hint};
use super::filter::FilterRule;
use super::spec::{OneOrMany, VariantSpec};
use super::variant::{Variant, VariantContext, compile_variant};
use crate::model::FilterOp;

/// What a name under `match` is when any custom field will do.
pub const ANY_CUSTOM: &str = "custom_fields.*";

/// One way to write by a natural key.
#[derive(Debug)]
pub struct Upsert {
    /// The fields it can match by: names of filters.
    pub fields: Vec<String>,
    /// The vendor's own request; without it the record is looked for, then created or updated.
    pub native: Option<Variant>,
}

impl Upsert {
    pub fn takes(&self, field: &str) -> bool {
        matches_by(&self.fields, field)
    }
}

/// Whether the field is among the names under `match`.
pub fn matches_by(names: &[String], field: &str) -> bool {
    let custom = field.starts_with("custom_fields.");
    names.iter().any(|known| known == field || custom && known == ANY_CUSTOM)
}

pub fn compile_upserts(
    build: &mut Build<'_>,
    specs: &OneOrMany<VariantSpec>,
    filters: &IndexMap<String, FilterRule>,
    context: &VariantContext<'_>,
) -> Vec<Upsert> {
    let (specs, many) = match specs {
        OneOrMany::One(spec) => (vec![spec.clone()], false),
        OneOrMany::Many(specs) => (specs.clone(), true),
    };
    let mut upserts = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let at = if many { format!("/operations/upsert/{index}") } else { "/operations/upsert".to_owned() };
        if spec.r#match.is_empty() {
            build.problem(&at, "an upsert says what it can match by: `match: [email]`");
        }
        let by_find = spec.via.is_some();
        if by_find != spec.request.is_empty() {
            build.problem(&at, "an upsert has either a request of the vendor's own or `via: find`");
            continue;
        }
        for field in &spec.r#match {
            let mut earlier = specs.iter().take(index).filter(|earlier| matches_by(&earlier.r#match, field));
            if earlier.any(|earlier| earlier.when.is_none() || earlier.when == spec.when) {
                let message = format!(
                    "`{field}` never gets here: an entry above takes it whenever this one would; leave it out, or tell them apart by `when`"
                );
                build.problem(&format!("{at}/match"), message);
            }
        }
        for field in spec.r#match.iter().filter(|field| by_find && *field != ANY_CUSTOM) {
            if !filters.get(field).is_some_and(|rule| rule.ops.contains(&FilterOp::Eq)) {
                let hint = hint(field, filters.keys().map(String::as_str));
                let here = format!("{at}/match");
                build.problem(&here, format!("`{field}` is not a filter with `eq`, so it cannot be looked for{hint}"));
            }
        }
        let native = if by_find { None } else { compile_variant(build, &at, spec, context) };
        if by_find || native.is_some() {
            upserts.push(Upsert { fields: spec.r#match.clone(), native });
        }
    }
    upserts
}
