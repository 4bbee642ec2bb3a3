//! Talking to machines outside: the HTTP client, TLS, which addresses may be reached, and bodies with a cap.

mod origin;

pub use origin::Origin;
