//! What an operator sees: metric families and their series, the admin listener, and whether dashboards, rules and runbook
//! speak of what there is.

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod deploy;
mod exposition;
mod series;
