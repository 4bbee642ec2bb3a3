//! What one result may cost: counted while a value leaves an evaluator, so that a huge or endlessly deep
//! result is refused before it is copied.

use super::expression::Limits;
use super::problem::Problem;
use serde_json::{Number, Value};

pub(super) struct Budget {
    bytes: usize,
    items: usize,
    depth: usize,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { bytes: limits.output, items: limits.items, depth: limits.depth.min(500) }
    }

    /// Pays for one value of this many bytes of text, nested this deep.
    pub(super) fn take(&mut self, bytes: usize, depth: usize) -> Result<(), Problem> {
        if depth > self.depth {
            return Err(Problem::with_code("depth", format!("the value is nested more than {} deep", self.depth)));
        }
        self.bytes(bytes.saturating_add(2))?;
        self.items =
            self.items.checked_sub(1).ok_or_else(|| Problem::with_code("items", "the value has too many items"))?;
        Ok(())
    }

    pub(super) fn bytes(&mut self, bytes: usize) -> Result<(), Problem> {
        self.bytes =
            self.bytes.checked_sub(bytes).ok_or_else(|| Problem::with_code("output", "the value is too large"))?;
        Ok(())
    }

    /// Whether that many items are still to be had; asked before they are made.
    pub(super) fn room(&self, items: usize) -> Result<(), Problem> {
        if items > self.items {
            return Err(Problem::with_code("items", format!("the value has too many items ({items})")));
        }
        Ok(())
    }
}

/// A float as the JSON number people expect: 12 instead of 12.0.
pub(super) fn number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        return Value::Number(Number::from(value as i64));
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// The float an evaluator computes with; `None` when the text has no finite one.
pub(super) fn float(number: &Number) -> Option<f64> {
    number.as_str().parse::<f64>().ok().filter(|float| float.is_finite())
}
