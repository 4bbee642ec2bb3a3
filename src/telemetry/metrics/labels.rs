//! Every value that a label can have. They are enums, so that no text of a caller or a provider can become one; names
//! that the catalog decides are in [`names`](super::names).

use super::family::Label;
use super::names::Names;
use crate::error::{self, Error, KINDS, Kind};

/// A closed set of values, each with its text.
macro_rules! closed {
    ($($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $value:ident = $text:expr,)+ })+) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$what])* $value,)+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$value,)+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $text,)+ }
            }
        }

        impl Label for $name {
            fn index(self) -> u16 {
                self as u16
            }

            fn text(self, _: &Names) -> &str {
                self.as_str()
            }

            fn all(_: &Names) -> Vec<Self> {
                Self::ALL.to_vec()
            }
        }
    )+};
}

closed! {
    /// What a route of the API is about.
    Route {
        Crm = "crm",
        Passthrough = "passthrough",
        Connections = "connections",
        /// Pages that customers' browsers open, and the links to them.
        Connect = "connect",
        /// Keys, OAuth apps, the audit log.
        Management = "management",
        /// What describes the API and the providers.
        Description = "description",
        /// No route matched.
        None = "none",
    }

    StatusClass {
        Informational = "1xx",
        Success = "2xx",
        Redirect = "3xx",
        CallersFault = "4xx",
        Failure = "5xx",
        /// The caller left before there was one.
        None = "none",
    }

    /// What is done with a resource; of raw requests only whether they read or write.
    Operation {
        List = "list",
        Get = "get",
        Create = "create",
        Update = "update",
        Delete = "delete",
        Upsert = "upsert",
        Batch = "batch",
        Fields = "fields",
        Associations = "associations",
        Associate = "associate",
        Dissociate = "dissociate",
        Types = "types",
        Read = "read",
        Write = "write",
    }

    /// How one exchange with a provider ended: the class of its status, or why there is none. The statuses that an
    /// operator looks for are told from the rest of their class.
    Attempted {
        Informational = "1xx",
        Success = "2xx",
        Redirect = "3xx",
        Unauthorized = "401",
        TooMany = "429",
        Refused = "4xx",
        Failure = "5xx",
        RefusedAddress = "refused-address",
        Dns = "dns",
        Connect = "connect",
        Proxy = "proxy",
        Tls = "tls",
        NotSent = "not-sent",
        Broken = "broken",
        InvalidAnswer = "invalid-answer",
        RequestBody = "request-body",
        ConnectTimeout = "connect-timeout",
        TlsTimeout = "tls-timeout",
        HeadTimeout = "head-timeout",
        /// For a reason that is not the wire's.
        Failed = "failed",
        /// Given up before it ended.
        Canceled = "canceled",
    }

    /// Which listener of this process.
    Listener {
        Api = "api",
        Admin = "admin",
    }

    /// The limit for which a connection or a request of a caller was turned away.
    Shed {
        Connections = "connections",
        ConnectionsOfAddress = "connections-of-address",
        InFlight = "in-flight",
        KeyRate = "key-rate",
        KeyConcurrency = "key-concurrency",
        ConnectionConcurrency = "connection-concurrency",
        FailedAuthentications = "failed-authentications",
    }

    /// What became of a failure that could have been sent again.
    Retried {
        Sent = "sent",
        NoBudget = "no-budget",
        NoTime = "no-time",
    }

    BreakerEvent {
        Opened = "opened",
        Closed = "closed",
        Refused = "refused",
    }

    /// Of the breaker of one host. Half-open is open: one request is let through to find out.
    BreakerState {
        Closed = "closed",
        Open = "open",
    }

    /// What a write with an Idempotency-Key met.
    Replay {
        New = "new",
        Replayed = "replayed",
        InFlight = "in-flight",
        Mismatch = "mismatch",
        Unknown = "unknown",
    }

    CacheResult {
        Hit = "hit",
        Stale = "stale",
        Miss = "miss",
        /// Somebody else's request was waited for.
        Collapsed = "collapsed",
        /// The caller wanted none.
        Bypass = "bypass",
    }

    /// What became of spans.
    Exported {
        Sent = "sent",
        /// The collector is slower than requests are.
        QueueFull = "queue-full",
        Undelivered = "undelivered",
    }

    /// Why a kept answer was thrown out.
    Evicted {
        Size = "size",
        Expired = "expired",
    }

    Reloaded {
        Ok = "ok",
        Refused = "refused",
    }

    Refreshed {
        Renewed = "renewed",
        /// Tried again later.
        Failed = "failed",
        /// The customer has to authorise again.
        Lost = "lost",
    }

    /// Where a token in memory is in its life.
    TokenStage {
        /// Before its renewal is due, or nobody knows when it ends.
        Good = "good",
        /// Renewed in the background; used meanwhile.
        Due = "due",
        /// So near its end that callers wait for its successor.
        Guarded = "guarded",
        Ended = "ended",
    }

    ConnectionState {
        Active = "active",
        Degraded = "degraded",
        NeedsReauth = "needs_reauth",
        Paused = "paused",
        Revoked = "revoked",
    }

    /// What became of one attempt to give credentials back to their provider.
    GivenBack {
        Done = "done",
        /// Tried again later.
        Failed = "failed",
        GivenUp = "given-up",
    }

    /// What an egress budget is about.
    BudgetOf {
        Rows = "rows",
        Bytes = "bytes",
    }

    BudgetWindow {
        Hour = "hour",
        Day = "day",
    }

    /// Why a request was not sent for a provider's limits.
    QuotaRefusal {
        RateLimited = "rate-limited",
        QuotaExhausted = "quota-exhausted",
        /// Too many wait already.
        Overloaded = "overloaded",
    }

    /// What a provider that refuses says is used up.
    Throttle {
        RateLimited = "rate-limited",
        QuotaExhausted = "quota-exhausted",
    }

    /// For whom the store works.
    StoreFor {
        /// Requests, and renewals of tokens.
        Request = "request",
        /// What happens by the clock.
        Clock = "clock",
    }

    StoreFailure {
        /// It, or the way to it, was too slow or away: the same may work later.
        Busy = "busy",
        Failed = "failed",
    }

    Written {
        Ok = "ok",
        Failed = "failed",
    }

    /// Of this binary.
    Version {
        This = env!("CARGO_PKG_VERSION"),
    }
}

/// How a request ended: well, given up by its caller, or with a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    Ok,
    Canceled,
    Problem(Kind),
}

impl Outcome {
    pub fn of<T>(result: &Result<T, Error>) -> Self {
        match result {
            Ok(_) => Self::Ok,
            Err(error) => Self::Problem(error.kind()),
        }
    }

    /// `ok`, `canceled` or the code of the problem.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Canceled => "canceled",
            Self::Problem(kind) => kind.code(),
        }
    }
}

impl Label for Outcome {
    fn index(self) -> u16 {
        match self {
            Self::Ok => 0,
            Self::Canceled => 1,
            Self::Problem(kind) => 2 + kind as u16,
        }
    }

    fn text(self, _: &Names) -> &str {
        self.as_str()
    }

    fn all(_: &Names) -> Vec<Self> {
        let problems = KINDS.iter().map(|(kind, ..)| Self::Problem(*kind));
        [Self::Ok, Self::Canceled].into_iter().chain(problems).collect()
    }
}

/// What became of a write.
impl Label for error::Outcome {
    fn index(self) -> u16 {
        self as u16
    }

    fn text(self, _: &Names) -> &str {
        self.as_str()
    }

    fn all(_: &Names) -> Vec<Self> {
        vec![Self::NotExecuted, Self::Executed, Self::Unknown]
    }
}

impl Route {
    /// By the pattern of the route, as the router has it.
    pub fn of(pattern: Option<&str>) -> Self {
        let Some(pattern) = pattern else { return Self::None };
        let rest = pattern.strip_prefix("/v1").unwrap_or(pattern);
        match rest.split('/').nth(1).unwrap_or_default() {
            "crm" => Self::Crm,
            "passthrough" => Self::Passthrough,
            "connections" if rest.contains("/passthrough") => Self::Passthrough,
            "connections" | "mapping" => Self::Connections,
            "connect" | "oauth" => Self::Connect,
            "keys" | "oauth-apps" | "audit" => Self::Management,
            _ => Self::Description,
        }
    }
}

impl StatusClass {
    pub fn of(status: u16) -> Self {
        match status {
            ..200 => Self::Informational,
            200..300 => Self::Success,
            300..400 => Self::Redirect,
            400..500 => Self::CallersFault,
            _ => Self::Failure,
        }
    }
}

impl Attempted {
    pub fn of_status(status: u16) -> Self {
        match (status, StatusClass::of(status)) {
            (401, _) => Self::Unauthorized,
            (429, _) => Self::TooMany,
            (_, StatusClass::Informational) => Self::Informational,
            (_, StatusClass::Success) => Self::Success,
            (_, StatusClass::Redirect) => Self::Redirect,
            (_, StatusClass::CallersFault) => Self::Refused,
            (_, StatusClass::Failure | StatusClass::None) => Self::Failure,
        }
    }
}

impl QuotaRefusal {
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::RateLimited => Self::RateLimited,
            Kind::QuotaExhausted => Self::QuotaExhausted,
            _ => Self::Overloaded,
        }
    }
}

impl Throttle {
    pub fn of(kind: Kind) -> Self {
        if kind == Kind::QuotaExhausted { Self::QuotaExhausted } else { Self::RateLimited }
    }
}

impl StoreFailure {
    pub fn of(kind: Kind) -> Self {
        if kind == Kind::Overloaded { Self::Busy } else { Self::Failed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_told_apart_by_their_patterns() {
        for (pattern, route) in [
            (Some("/v1/crm/{resource}/{id}"), Route::Crm),
            (Some("/v1/passthrough/{*path}"), Route::Passthrough),
            (Some("/v1/connections/{id}/passthrough/{*path}"), Route::Passthrough),
            (Some("/v1/connections/{id}/refresh"), Route::Connections),
            (Some("/v1/mapping"), Route::Connections),
            (Some("/v1/connect/sessions"), Route::Connect),
            (Some("/oauth/callback/{provider}"), Route::Connect),
            (Some("/v1/oauth-apps/{provider}"), Route::Management),
            (Some("/openapi.json"), Route::Description),
            (Some("/v1/providers/{name}"), Route::Description),
            (None, Route::None),
        ] {
            assert_eq!(Route::of(pattern), route, "{pattern:?}");
        }
    }

    #[test]
    fn every_outcome_has_an_index_of_its_own() {
        let all = Outcome::all(&Names::default());
        let indexes: std::collections::HashSet<u16> = all.iter().map(|outcome| outcome.index()).collect();
        assert_eq!((all.len(), indexes.len()), (KINDS.len() + 2, KINDS.len() + 2));
    }
}
