//! Customers connect their accounts themselves, on a page that a link opens.

mod repository;

pub use repository::{ConnectRepository, Consent, Session};
