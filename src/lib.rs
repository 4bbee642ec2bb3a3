//! Throughline: a unified CRM API that passes every request through, in real time.

#![forbid(unsafe_code)]

pub mod cli;

pub mod serve;

pub mod config;

pub mod pipeline;

pub mod api;

pub mod app;

pub mod store;

pub mod author;

pub mod sandbox;

pub mod unified;

pub mod upstream;

pub mod connections;

pub mod auth;

pub mod catalog;

pub mod net;

pub mod mapping;

pub mod model;

pub mod telemetry;

pub mod error;
