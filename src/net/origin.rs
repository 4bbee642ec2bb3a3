//! The fixed place that a connection's requests go to. Nothing a caller or a vendor sends can change it.

use std::fmt;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

/// Scheme, host and port, and the path that all of an API's paths start with (`""` or `/services/data/v64.0`).
#[derive(Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: Scheme,
    authority: Authority,
    prefix: String,
}

/// Why a text is not the base of an API.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidOrigin {
    #[error("it is not an absolute http or https URL")]
    NotAbsolute,
    #[error("it holds a user name or password")]
    UserInfo,
    #[error("it holds a query")]
    Query,
    #[error("its path and the rest do not make a valid URL")]
    Path,
}

impl Origin {
    pub fn parse(url: &str) -> Result<Self, InvalidOrigin> {
        let parts = url.parse::<Uri>().map_err(|_| InvalidOrigin::NotAbsolute)?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(InvalidOrigin::NotAbsolute);
        };
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(InvalidOrigin::NotAbsolute);
        }
        if authority.as_str().contains('@') {
            return Err(InvalidOrigin::UserInfo);
        }
        let path = parts.path_and_query.as_ref().map_or("", PathAndQuery::path);
        if parts.path_and_query.as_ref().is_some_and(|path| path.query().is_some()) {
            return Err(InvalidOrigin::Query);
        }
        let prefix = path.trim_end_matches('/').to_owned();
        Ok(Self { scheme, authority, prefix })
    }

    pub fn host(&self) -> &str {
        self.authority.host()
    }

    pub fn port(&self) -> Option<u16> {
        self.authority.port_u16()
    }

    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The same host without the path, for passthrough, which opens the whole host.
    pub fn root(&self) -> Self {
        Self { prefix: String::new(), ..self.clone() }
    }

    /// The URL of `path_and_query` (which starts with `/`) under this origin. The authority is never taken from
    /// the path: `//evil` and `@evil` stay paths, and what is not a path at all is an error.
    pub fn uri(&self, path_and_query: &str) -> Result<Uri, InvalidOrigin> {
        if !path_and_query.starts_with('/') {
            return Err(InvalidOrigin::Path);
        }
        let path = format!("{}{path_and_query}", self.prefix);
        let path = PathAndQuery::try_from(path).map_err(|_| InvalidOrigin::Path)?;
        let uri = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone()).path_and_query(path);
        let uri = uri.build().map_err(|_| InvalidOrigin::Path)?;
        if uri.authority() == Some(&self.authority) { Ok(uri) } else { Err(InvalidOrigin::Path) }
    }

    /// The path and query of `link` if it is relative to, or on, this origin (scheme, host and port); `None` when it
    /// leads elsewhere. Vendors' next links are followed only through this.
    pub fn local_path(&self, link: &str) -> Option<String> {
        let uri = link.parse::<Uri>().ok()?;
        match (uri.scheme(), uri.authority()) {
            (None, None) if link.starts_with('/') && !link.starts_with("//") => {}
            (Some(scheme), Some(authority))
                if *scheme == self.scheme && authority.as_str().eq_ignore_ascii_case(self.authority.as_str()) => {}
            _ => return None,
        }
        uri.path_and_query().map(ToString::to_string)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.prefix)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_paths_stay_on_the_authority() {
        let origin = Origin::parse("https://api.example.test/base/").expect("a good origin");
        for path in ["//evil", "/@evil", "/\u{7f}", "/a b", "/..;/x", "@evil", ".evil", ":8443", "http://evil/"] {
            if let Ok(uri) = origin.uri(path) {
                assert_eq!(uri.authority().map(Authority::as_str), Some("api.example.test"), "{path}");
            }
        }
    }

    #[test]
    fn links_to_other_origins_are_not_local() {
        let origin = Origin::parse("https://api.example.test/v1").expect("a good origin");
        assert_eq!(origin.local_path("/v1/next?c=1").as_deref(), Some("/v1/next?c=1"));
        assert_eq!(origin.local_path("https://API.example.test/v1/x").as_deref(), Some("/v1/x"));
        for link in ["https://evil.test/v1", "http://api.example.test/v1", "//evil.test/", "next", ""] {
            assert_eq!(origin.local_path(link), None, "{link}");
        }
    }
}
