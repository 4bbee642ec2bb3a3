//! Names become addresses, anew for each connection: how long an answer is good is the system's to know, and nothing is
//! kept here. A lookup takes a thread until the system gives up, so those of one name that come together are one, and
//! their number is bounded: a name whose servers do not answer leaves threads for all others.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::vec;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower::Service;

use super::guard::AddressGuard;
use super::send_error::{Failure, SendError};

/// Names that are looked up at the same time. The runtime has four times as many threads for what blocks.
const AT_ONCE: usize = 128;
/// A lookup that takes longer is waited for no more, and the next who asks begins another one.
const PATIENCE: Duration = Duration::from_secs(30);
/// Addresses of one family that are tried: they share the time for a connection, and each needs enough of it for a
/// handshake around the world.
const TRIED: usize = 3;

/// Who knows the addresses of names.
pub trait Resolve: Send + Sync + 'static {
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// The operating system.
pub(super) struct System;

impl Resolve for System {
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            let name = name.parse::<Name>().map_err(io::Error::other)?;
            Ok(GaiResolver::new().call(name).await?.collect())
        })
    }
}

type Found = Result<Arc<[SocketAddr]>, Arc<io::Error>>;
type Flight = Shared<BoxFuture<'static, Found>>;

/// The addresses of a name that may be reached. Cheap to clone.
#[derive(Clone)]
pub(super) struct Resolver {
    names: Arc<dyn Resolve>,
    guard: Arc<AddressGuard>,
    turns: Arc<Semaphore>,
    flights: Arc<Mutex<HashMap<String, Flight>>>,
}

impl Resolver {
    pub(super) fn new(names: Arc<dyn Resolve>, guard: Arc<AddressGuard>) -> Self {
        Self { names, guard, turns: Arc::new(Semaphore::new(AT_ONCE)), flights: Arc::default() }
    }

    fn flight(&self, name: String) -> Flight {
        let mut flights = self.flights.lock();
        if let Some(flight) = flights.get(&name) {
            return flight.clone();
        }
        let (this, asked) = (self.clone(), name.clone());
        // A task of its own: whoever hangs up leaves the others their answer.
        let looking = tokio::spawn(async move {
            let found = timeout(PATIENCE, this.look_up(asked.clone())).await;
            this.flights.lock().remove(&asked);
            let found = found.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            found.map(Arc::from).map_err(Arc::new)
        });
        let flight = async move { looking.await.unwrap_or_else(|lost| Err(Arc::new(io::Error::other(lost)))) };
        let flight = flight.boxed().shared();
        flights.insert(name, flight.clone());
        flight
    }

    async fn look_up(&self, name: String) -> io::Result<Vec<SocketAddr>> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(io::Error::other)?;
        let looking = self.names.resolve(name);
        // Its thread is taken until it ends, however long anybody waits for it.
        let looking = tokio::spawn(async move {
            let _turn = turn;
            looking.await
        });
        looking.await.map_err(io::Error::other)?
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = SendError;
    type Future = BoxFuture<'static, Result<Self::Response, SendError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (flight, guard) = (self.flight(name.as_str().to_ascii_lowercase()), self.guard.clone());
        Box::pin(async move {
            let found = flight.await.map_err(|error| SendError::new(Failure::Dns, error))?;
            Ok(permitted(found.to_vec(), &guard)?.into_iter())
        })
    }
}

/// The addresses of a name that are tried. A name with public and inner ones leads to the public ones only.
pub(super) fn permitted(found: Vec<SocketAddr>, guard: &AddressGuard) -> Result<Vec<SocketAddr>, Failure> {
    if found.is_empty() {
        return Err(Failure::Dns);
    }
    let (mut four, mut six) = (0, 0);
    let mut allowed = found;
    allowed.retain(|address| guard.allows(address.ip()));
    allowed.retain(|address| {
        let tried = if address.is_ipv4() { &mut four } else { &mut six };
        *tried += 1;
        *tried <= TRIED
    });
    if allowed.is_empty() { Err(Failure::RefusedAddress) } else { Ok(allowed) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().expect(text)).collect()
    }

    #[test]
    fn of_a_names_addresses_only_the_public_ones_are_reached() {
        let guard = AddressGuard::default();
        let mixed = ["10.0.0.1:443", "8.8.8.8:443", "[::1]:443", "[2606:4700::1111]:443", "[::ffff:127.0.0.1]:443"];
        assert_eq!(permitted(addresses(&mixed), &guard), Ok(addresses(&["8.8.8.8:443", "[2606:4700::1111]:443"])));
        let inner = ["169.254.169.254:80", "[fd00:ec2::254]:80", "[64:ff9b::a00:1]:80"];
        assert_eq!(permitted(addresses(&inner), &guard), Err(Failure::RefusedAddress));
        assert_eq!(permitted(Vec::new(), &guard), Err(Failure::Dns));
    }

    #[test]
    fn of_a_hundred_addresses_a_few_of_each_family_are_tried() {
        let found: Vec<SocketAddr> =
            (1..=50).flat_map(|n| addresses(&[&format!("8.8.8.{n}:443"), &format!("[2606:4700::{n}]:443")])).collect();
        let tried = permitted(found.clone(), &AddressGuard::default()).expect("public ones");
        assert_eq!(tried, found[..2 * TRIED], "in their order");
    }

    /// Answers when the test says so.
    struct Slow {
        asked: AtomicUsize,
        open: Arc<Semaphore>,
    }

    impl Resolve for Slow {
        fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let open = self.open.clone();
            Box::pin(async move {
                if name.starts_with("slow") {
                    let _opened = open.acquire().await;
                }
                Ok(addresses(&["8.8.8.8:0"]))
            })
        }
    }

    fn slow() -> (Resolver, Arc<Slow>) {
        let slow = Arc::new(Slow { asked: AtomicUsize::default(), open: Arc::new(Semaphore::new(0)) });
        (Resolver::new(slow.clone(), Arc::default()), slow)
    }

    fn ask(resolver: &Resolver, name: &str) -> BoxFuture<'static, Result<vec::IntoIter<SocketAddr>, SendError>> {
        resolver.clone().call(name.parse().expect("a name"))
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_for_one_name_together_ask_once_and_hold_nobody_up() {
        let (resolver, names) = slow();
        let crowd: Vec<_> = (0..600).map(|_| tokio::spawn(ask(&resolver, "slow.test"))).collect();
        tokio::task::yield_now().await;
        assert!(ask(&resolver, "other.test").await.is_ok(), "another name is looked up beside it");
        assert_eq!(names.asked.load(Ordering::SeqCst), 2);
        crowd.iter().take(300).for_each(tokio::task::JoinHandle::abort);
        names.open.add_permits(1);
        for one in crowd.into_iter().skip(300) {
            assert!(one.await.expect("no panic").is_ok());
        }
        assert!(ask(&resolver, "slow.test").await.is_ok());
        assert_eq!(names.asked.load(Ordering::SeqCst), 3, "nothing is kept");
        assert!(resolver.flights.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lookup_that_never_ends_is_given_up_and_its_thread_still_counts() {
        let (resolver, names) = slow();
        for _ in 0..2 {
            let Err(error) = ask(&resolver, "slow.test").await else { panic!("nobody answered") };
            assert_eq!(error.failure(), Failure::Dns);
        }
        assert_eq!(names.asked.load(Ordering::SeqCst), 2);
        assert_eq!(resolver.turns.available_permits(), AT_ONCE - 2);
        let many: Vec<_> = (0..AT_ONCE).map(|n| tokio::spawn(ask(&resolver, &format!("slow{n}.test")))).collect();
        for one in many {
            assert!(one.await.expect("no panic").is_err());
        }
        assert_eq!(names.asked.load(Ordering::SeqCst), AT_ONCE, "and no more than there are turns for");
        names.open.add_permits(1);
        assert!(ask(&resolver, "other.test").await.is_ok());
        let all = timeout(PATIENCE, resolver.turns.acquire_many(AT_ONCE as u32)).await;
        assert!(all.is_ok(), "every turn is given back");
    }
}
