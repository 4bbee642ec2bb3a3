//! The way to the vendor: requests go out by it, and what steps have looked up is kept here for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache;
use serde_json::Value;
use tower::ServiceExt;

use super::translate::boxed;
use crate::error::Error;
use crate::upstream;

/// What is kept of looked-up answers at most, roughly. Bytes.
const MOST: u64 = 64 * 1024 * 1024;

/// Cheap to clone.
#[derive(Clone)]
pub struct Vendor {
    service: upstream::Service,
    kept: Cache<Arc<str>, Kept>,
}

/// An answer and how long it is good for.
#[derive(Clone)]
struct Kept {
    value: Arc<Value>,
    size: u32,
    good_for: Duration,
}

struct ItsOwn;

impl Expiry<Arc<str>, Kept> for ItsOwn {
    fn expire_after_create(&self, _: &Arc<str>, kept: &Kept, _: Instant) -> Option<Duration> {
        Some(kept.good_for)
    }
}

impl Vendor {
    pub fn new(service: upstream::Service) -> Self {
        let weight = |_: &Arc<str>, kept: &Kept| kept.size;
        Self { service, kept: Cache::builder().max_capacity(MOST).weigher(weight).expire_after(ItsOwn).build() }
    }

    /// The same memory behind another service.
    pub fn by(&self, service: upstream::Service) -> Self {
        Self { service, kept: self.kept.clone() }
    }

    pub fn service(&self) -> &upstream::Service {
        &self.service
    }

    pub async fn ask(&self, request: upstream::Request) -> Result<upstream::Response, Error> {
        self.service.clone().oneshot(request).await
    }

    /// What was looked up under this key, or what `look` finds. Calls that come meanwhile wait for the same answer.
    pub async fn looked_up(
        &self,
        key: String,
        good_for: Duration,
        look: impl Future<Output = Result<Value, Error>> + Send,
    ) -> Result<Value, Error> {
        let look = async move {
            let value = look.await?;
            let size = u32::try_from(value.to_string().len()).unwrap_or(u32::MAX);
            Ok(Kept { value: Arc::new(value), size, good_for })
        };
        let kept =
            self.kept.try_get_with(key.into(), boxed(|| look)).await.map_err(|error: Arc<Error>| (*error).clone())?;
        Ok((*kept.value).clone())
    }
}
