//! Why a request got no answer, and above all whether the other side may have seen it.

use std::error::Error as StdError;
use std::io;

use http_body_util::LengthLimitError;

use super::body::BoxError;
use crate::telemetry::Attempted;

/// A request without an answer.
#[derive(Debug, thiserror::Error)]
#[error("{}", failure.describe())]
pub struct SendError {
    failure: Failure,
    source: Option<BoxError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The host is, or resolves to, an address that may not be reached.
    RefusedAddress,
    Dns,
    Connect,
    /// The proxy answered, and opened no way to the host.
    Proxy,
    Tls,
    /// The connection was gone before the first byte of the request was written.
    NotSent,
    /// The connection broke when bytes may have been written and no answer had come.
    Broken,
    /// Something came that is not an HTTP answer.
    InvalidAnswer,
    /// The body we were sending broke off on the side it comes from.
    RequestBody,
    TimedOut(Phase),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Connect,
    Tls,
    /// Connected and waiting for the head of the answer.
    Head,
}

impl SendError {
    pub(super) fn new(failure: Failure, source: impl Into<BoxError>) -> Self {
        Self { failure, source: Some(source.into()) }
    }

    pub fn failure(&self) -> Failure {
        self.failure
    }

    /// Whether the other side may have seen, and executed, any part of the request. `false` means that sending it once
    /// more cannot do anything twice.
    pub fn may_have_been_sent(&self) -> bool {
        self.failure.may_have_been_sent()
    }

    /// The failure behind `error`, if it came from the wire.
    pub fn within(error: &crate::error::Error) -> Option<&Self> {
        error.source().and_then(|source| source.downcast_ref())
    }

    /// Whether the body we were sending was larger than its reader allowed (`http_body_util::Limited`).
    pub fn body_too_large(&self) -> bool {
        self.causes().any(|cause| cause.is::<LengthLimitError>())
    }

    /// What the TCP connector says. Our own resolver's verdict is somewhere in its chain of causes.
    pub(super) fn while_connecting(error: BoxError) -> Self {
        let mut failure = Failure::Connect;
        let mut cause: Option<&(dyn StdError + 'static)> = Some(error.as_ref());
        while let Some(current) = cause {
            if let Some(known) = current.downcast_ref::<SendError>() {
                failure = known.failure;
            } else if current.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::TimedOut) {
                failure = Failure::TimedOut(Phase::Connect);
            }
            cause = current.source();
        }
        Self::new(failure, error)
    }

    /// What the pooled client says. Whatever is not known to be harmless counts as sent.
    pub(super) fn while_sending(error: hyper_util::client::legacy::Error) -> Self {
        let known = error.source().and_then(|source| source.downcast_ref::<SendError>());
        let hyper = error.source().and_then(|source| source.downcast_ref::<hyper::Error>());
        let failure = match (known, hyper) {
            (Some(connecting), _) => connecting.failure,
            _ if error.is_connect() => Failure::Connect,
            // hyper hands the request back, unread, exactly when it says "canceled".
            (_, Some(hyper)) if hyper.is_canceled() || was_refused(hyper) => Failure::NotSent,
            (_, Some(hyper)) if hyper.is_parse() => Failure::InvalidAnswer,
            (_, Some(hyper)) if hyper.is_user() => Failure::RequestBody,
            _ => Failure::Broken,
        };
        Self::new(failure, error)
    }

    fn causes(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        std::iter::successors(self.source(), |cause| (*cause).source())
    }
}

impl From<Failure> for SendError {
    fn from(failure: Failure) -> Self {
        Self { failure, source: None }
    }
}

impl Failure {
    pub fn may_have_been_sent(self) -> bool {
        match self {
            Self::RefusedAddress | Self::Dns | Self::Connect | Self::Proxy | Self::Tls | Self::NotSent => false,
            Self::TimedOut(Phase::Connect | Phase::Tls) => false,
            Self::Broken | Self::InvalidAnswer | Self::RequestBody | Self::TimedOut(Phase::Head) => true,
        }
    }

    /// In words, without anything that the other side has sent.
    pub fn describe(self) -> &'static str {
        match self {
            Self::RefusedAddress => "the host has an address that may not be reached",
            Self::Dns => "the host name cannot be resolved",
            Self::Connect => "no connection could be opened",
            Self::Proxy => "the deployment's proxy opened no way to the host",
            Self::Tls => "no secure connection could be agreed on",
            Self::NotSent => "the connection was closed before the request was sent",
            Self::Broken => "the connection broke before an answer came",
            Self::InvalidAnswer => "the answer is not valid HTTP",
            Self::RequestBody => "the body of the request broke off",
            Self::TimedOut(Phase::Connect) => "no connection was opened in time",
            Self::TimedOut(Phase::Tls) => "no secure connection was agreed on in time",
            Self::TimedOut(Phase::Head) => "no answer came in time",
        }
    }
}

/// As it is counted.
impl From<Failure> for Attempted {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::RefusedAddress => Self::RefusedAddress,
            Failure::Dns => Self::Dns,
            Failure::Connect => Self::Connect,
            Failure::Proxy => Self::Proxy,
            Failure::Tls => Self::Tls,
            Failure::NotSent => Self::NotSent,
            Failure::Broken => Self::Broken,
            Failure::InvalidAnswer => Self::InvalidAnswer,
            Failure::RequestBody => Self::RequestBody,
            Failure::TimedOut(Phase::Connect) => Self::ConnectTimeout,
            Failure::TimedOut(Phase::Tls) => Self::TlsTimeout,
            Failure::TimedOut(Phase::Head) => Self::HeadTimeout,
        }
    }
}

/// HTTP/2: the other side promises that it has not processed the stream, by refusing it or by announcing, in an orderly
/// farewell, that later streams than the last one it took are lost.
fn was_refused(error: &hyper::Error) -> bool {
    error.source().and_then(|source| source.downcast_ref::<h2::Error>()).is_some_and(|error| {
        let farewell = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
        error.is_remote() && (farewell || error.reason() == Some(h2::Reason::REFUSED_STREAM))
    })
}
