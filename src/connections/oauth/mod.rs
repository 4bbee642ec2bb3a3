//! Talking to authorization servers: codes, refresh tokens, the app's own credentials and signed assertions become access
//! tokens; tokens are given back. The protocol's requests are built by the `oauth2` crate and sent by our own client to
//! the addresses that the provider file allows. What an answer means is decided here; when to ask again is not.

mod answer;
mod app;
mod assertion;
mod exchange;
mod request;

pub use answer::{Class, Granted, Refused};
pub(super) use app::place;
pub use app::{App, DeployedApps, NewApp, OwnApp};
pub use assertion::SigningKey;
pub use exchange::{Exchange, OAuth};
pub use request::Ask;
