//! Renewing access tokens ahead of their end, once, and never losing what was gained.
//!
//! A request reads its token from memory ([`super::access`]). Past the soft point it sets a renewal off and goes on with
//! the token it has; only behind the guard before the end does it wait. A renewal is a [flight](flight): one per connection
//! in this process, in a task of its own. Across processes the lease in the store decides ([`repository`]). How a renewal
//! asks is in [`renew`], how it ends in [`settle`]; what the store cannot take waits in the [`escrow`]. The
//! [schedule] begins renewals of connections that are in use before any request has to.

mod endpoint;
mod escrow;
mod flight;
mod life;
mod react;
mod renew;
mod repository;
mod schedule;
mod settle;

pub(super) use endpoint::Endpoints;
pub(super) use escrow::Entry;
pub use escrow::{Escrow, EscrowError};
pub(super) use flight::Flights;
pub use flight::Landed;
pub(super) use life::Life;
pub(super) use react::Reacted;
pub use repository::{Counted, Due, Failed, Fresh, Key, LOST_ROTATION, Lease, Leased, TokenRepository};
