//! Vendors that fail in every way a network and a server can: what the caller is told, and what reaches the vendor. Each
//! scenario runs the real server against a vendor on a raw socket, and ends with the questions of `Scene::end`.

#[path = "../support/mod.rs"]
mod support;

mod scene;
mod vendor;

mod answers;
mod connect;
mod http2;
mod matrix;
mod overload;
mod store;
mod throttled;
mod transport;
