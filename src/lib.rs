//! Throughline: a unified CRM API that passes every request through, in real time.

#![forbid(unsafe_code)]

pub mod catalog;
pub mod connections;
pub mod net;

pub mod model;

pub mod telemetry;

pub mod error;
