//! Where in the unified API a request points to: a resource, or a type of custom objects, and what stands below it.

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;

use super::problem::Refusal;
use crate::error::{Error, Kind, Violation};

/// The resource that stands for all types of custom objects.
pub const OBJECTS: &str = "objects";

/// The parts of `/v1/crm/{resource}/…` and of `/v1/crm/objects/{type}/…`.
#[derive(Debug, Default)]
pub struct Place {
    pub resource: String,
    /// The type of custom object.
    pub object: Option<String>,
    pub id: Option<String>,
    /// Associations: the other resource, and the record of it.
    pub other: Option<String>,
    pub other_id: Option<String>,
}

impl Place {
    /// The path of the collection, as it stands in links.
    pub fn path(&self) -> String {
        let encode = |text: &str| percent_encoding::utf8_percent_encode(text, crate::catalog::COMPONENT).to_string();
        match &self.object {
            Some(object) => format!("/v1/crm/{OBJECTS}/{}", encode(object)),
            None => format!("/v1/crm/{}", encode(&self.resource)),
        }
    }

    /// The error with the whole path of what it says to look at.
    pub fn probed(&self, error: Error) -> Error {
        match error.get_probe().map(|probe| format!("{}{probe}", self.path())) {
            Some(probe) => error.probe(probe),
            None => error,
        }
    }

    /// What a cursor is sealed to: the path of the list.
    pub fn list(&self) -> String {
        match (&self.id, &self.other) {
            (Some(id), Some(other)) => format!("{}/{id}/associations/{other}", self.path()),
            _ => self.path(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Place {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Ok(params) = RawPathParams::from_request_parts(parts, state).await else {
            return Err(Error::new(Kind::InvalidRequest, "The path cannot be understood.")
                .violation(Violation::parameter("path", "it is not UTF-8 in percent-encoding"))
                .into());
        };
        let mut place = Self::default();
        for (name, value) in &params {
            let value = value.to_owned();
            match name {
                "resource" => place.resource = value,
                "type" => {
                    place.resource = OBJECTS.to_owned();
                    place.object = Some(value);
                }
                "id" => place.id = Some(value),
                "other" => place.other = Some(value),
                "other_id" => place.other_id = Some(value),
                _ => {}
            }
        }
        Ok(place)
    }
}
