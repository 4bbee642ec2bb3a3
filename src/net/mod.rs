//! Talking to machines outside: the HTTP client, TLS, which addresses may be reached, bodies with a cap, and
//! who is let in.

pub mod admission;
mod body;
mod client;
mod collector;
mod config;
mod connector;
mod decode;
mod dial;
mod guard;
mod holding;
pub mod listen;
mod origin;
mod proxy;
mod resolve;
mod send_error;
mod taken_down;

#[cfg(test)]
mod address_tests;
#[cfg(test)]
mod tests;

pub use body::{Body, BodyError, BoxError, collect_capped};
pub use client::{Client, ClientError};
pub use collector::Collector;
pub use config::Config;
pub use decode::collect_decoded;
pub use dial::{Dial, Wire};
pub use guard::{AddressGuard, Cidr, InvalidCidr};
pub use holding::Holding;
pub use origin::{InvalidOrigin, Origin};
pub use proxy::{InvalidProxy, Proxy};
pub use send_error::{Failure, Phase, SendError};
pub use taken_down::TakenDown;
