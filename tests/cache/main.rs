//! The read cache: what is kept and for how long, what callers and answers say of it, and that nobody is answered with what
//! a write has changed or what is somebody else's.

#[path = "../support/mod.rs"]
mod support;

mod scene;

mod apart;
mod bounds;
mod callers;
mod flights;
mod fresh;
mod stale;
mod writes;
