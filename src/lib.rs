//! Throughline: a unified CRM API that passes every request through, in real time.
//!
//! This page is the map of the code. The modules stand in reading order, which is also the order of what may know what:
//! a module uses only modules below it. No line of Rust knows a CRM: all of that is data, in `mappings/`.
//!
//! # One request, from top to bottom
//!
//! `GET /v1/crm/contacts?filter[email]=…` arrives at [`net::listen`] and goes through the three stacks of [`pipeline`]:
//!
//! 1. **edge** gives it an id, finds out who is calling ([`auth`]) and hands it to its handler in [`api`]. The handler
//!    resolves the connection ([`connections`]), looks the resource up in the [`catalog`], reads the query
//!    ([`unified::Asked`]) and makes a [`unified::Call`] of it.
//! 2. **unified** answers from memory where the configuration has such answers kept. Otherwise it chooses the variant of
//!    the mapping that covers the call, turns filters into conditions, fields into columns and the record into the
//!    vendor's record, and makes the vendor's request of them. The answer becomes records again, with the position at
//!    which the list goes on.
//! 3. **upstream** sends it: retries what may be sent again, leaves a host that is out in peace, waits for the vendor's
//!    allowance, adds the connection's credentials, counts the attempt, bounds its time. Raw passthrough begins here:
//!    there is one way out to a CRM.
//!
//! A write goes through one layer more ([`idempotency`]): it runs in a task of its own, so that nobody's leaving cancels it,
//! and with an `Idempotency-Key` it is claimed in the store before anything is sent, and settled with its answer.
//!
//! The reply goes back up: the handler seals the position into a cursor and writes JSON. An error of any depth is one
//! [`error::Error`]; only [`api`] knows which HTTP status it has.

#![forbid(unsafe_code)]
// Vendors, callers and mapping files must not be able to make the process panic.
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

/// The command line.
pub mod cli;

/// The composition root: from a configuration to everything that runs.
pub mod serve;

/// The configuration file and the environment.
pub mod config;

/// The path of a request, whole.
pub mod pipeline;

/// Routes and handlers: HTTP on the caller's side.
pub mod api;

/// What handlers and layers may hold.
pub mod app;

/// SQLite and PostgreSQL behind the repository traits of the modules below.
pub mod store;

/// Tools for mapping authors: check, test, explain, new.
pub mod author;

/// Stand-ins for vendors, as data.
pub mod sandbox;

/// One operation on one resource: records in, records out.
pub mod unified;

/// One logical request to one CRM.
pub mod upstream;

/// Writes that happen once, and to their end.
pub mod idempotency;

/// Customers' accounts: sealed credentials, tokens renewed ahead of their end, pages on which customers connect.
pub mod connections;

/// Who did what.
pub mod audit;

/// Who is calling.
pub mod auth;

/// All that is known of providers, from `mappings/`.
pub mod catalog;

/// HTTP client and listener, addresses, bodies.
pub mod net;

/// JSONata with limits, paths, codecs, query styles.
pub mod mapping;

/// Rates, breakers, delays. Plain state.
pub mod limit;

/// Unified models, operations, queries. Plain data.
pub mod model;

/// Metrics, timings, logs.
pub mod telemetry;

/// What the layers of the stacks have in common.
pub mod stack;

/// The one error that crosses module borders.
pub mod error;
