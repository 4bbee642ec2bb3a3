//! Connecting accounts: the route that makes links, for API callers, and the pages behind them, for customers' browsers.
//! Whatever goes wrong on a page is told on a page.

mod callback;
mod cookie;
mod form;
mod page;
mod pages;
mod policy;
mod sessions;
mod trouble;

pub use callback::callback;
pub use page::{show, submit};
pub use policy::style;
pub use sessions::create;
