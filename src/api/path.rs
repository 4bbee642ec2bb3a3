//! The parts of a path. What cannot be read as text is refused like anything else: with a problem document.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Refusal;
use crate::error::{Error, Kind, Violation};

pub struct Path<T>(pub T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(place)) => Ok(Self(place)),
            Err(_) => Err(Error::new(Kind::InvalidRequest, "The path cannot be understood.")
                .violation(Violation::parameter("path", "it is not UTF-8 in percent-encoding"))
                .into()),
        }
    }
}
