//! Who is calling: API keys, what they allow, and the callers they stand for. Where keys are kept is the business
//! of whoever implements [`KeyRepository`].

mod admin_token;
mod api_key;
pub(crate) mod base62;
mod caller;
mod keys;
mod memory;
mod record;
mod scope;
mod tenant;

pub use admin_token::{AdminToken, AdminTokenError};
pub use api_key::{ApiKey, Hash, Mode, Pepper};
pub use caller::Caller;
pub use keys::{Clock, Keys};
pub(crate) use memory::Memory;
pub use record::{KeyRecord, KeyRepository, NewKey};
pub use scope::{Scope, Scopes, UnknownScope};
pub use tenant::TenantId;
