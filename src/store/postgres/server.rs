//! Which server, as a URL says it: `postgres://user:password@host:port/database?sslmode=…`. What tokio-postgres does not
//! know of it, how far a certificate is checked, is read here.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use crate::store::address::AddressError;

/// How long a connection may take to be made.
pub(super) const CONNECT: Duration = Duration::from_secs(5);

/// How far the server's certificate is trusted, in libpq's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    Disable,
    /// TLS if the server has it.
    Prefer,
    /// TLS, with whatever certificate.
    Require,
    /// A certificate of an authority that is trusted.
    VerifyCa,
    /// And for the host that was asked for.
    VerifyFull,
}

#[derive(Clone)]
pub struct Server {
    pub(super) config: Config,
    pub(super) trust: Trust,
    /// Authorities that are trusted in the place of the public ones.
    pub(super) root_cert: Option<PathBuf>,
}

impl Trust {
    const NAMES: [(Trust, &str); 5] = [
        (Trust::Disable, "disable"),
        (Trust::Prefer, "prefer"),
        (Trust::Require, "require"),
        (Trust::VerifyCa, "verify-ca"),
        (Trust::VerifyFull, "verify-full"),
    ];

    fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(trust, _)| *trust == self).map_or("", |(_, name)| name)
    }

    fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(trust, _)| *trust)
    }
}

impl Server {
    pub(in crate::store) fn parse(url: &str) -> Result<Self, AddressError> {
        // The parser's own words may quote what was given.
        let unusable = || {
            AddressError(
                "it is not a URL such as postgres://user:password@host:5432/database?sslmode=verify-full, \
                 in which the special characters of a password are percent-encoded"
                    .into(),
            )
        };
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut trust, mut root_cert, mut rest) = (Trust::Prefer, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "sslmode" => {
                    trust = Trust::parse(value).ok_or_else(|| {
                        let names = Trust::NAMES.map(|(_, name)| name).join(", ");
                        AddressError(format!("sslmode is one of {names}"))
                    })?;
                }
                "sslrootcert" => {
                    let path = percent_encoding::percent_decode_str(value).decode_utf8().map_err(|_| unusable())?;
                    root_cert = Some(PathBuf::from(&*path));
                }
                _ => rest.push(pair),
            }
        }
        if root_cert.is_some() {
            match trust {
                Trust::Disable | Trust::Prefer => {
                    return Err(AddressError(
                        "sslrootcert needs sslmode=verify-full (or require, or verify-ca)".into(),
                    ));
                }
                // As libpq has it: whoever names an authority wants it checked.
                Trust::Require => trust = Trust::VerifyCa,
                Trust::VerifyCa | Trust::VerifyFull => {}
            }
        }
        let mut config = Config::from_str(&format!("{place}?{}", rest.join("&"))).map_err(|_| unusable())?;
        if config.get_hosts().is_empty() || config.get_user().is_none() {
            return Err(unusable());
        }
        config.ssl_mode(match trust {
            Trust::Disable => SslMode::Disable,
            Trust::Prefer => SslMode::Prefer,
            Trust::Require | Trust::VerifyCa | Trust::VerifyFull => SslMode::Require,
        });
        if config.get_application_name().is_none() {
            config.application_name("throughline");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        // A server that went away without a word is noticed in seconds, not in the system's hours.
        config
            .keepalives_idle(Duration::from_secs(15))
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3);
        config.tcp_user_timeout(Duration::from_secs(20));
        // Of several hosts the one that can be written to: after a failover that is another one.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        Ok(Self { config, trust, root_cert })
    }
}

/// Without the password.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.config.get_ports();
        let hosts = self.config.get_hosts().iter().enumerate().map(|(at, host)| {
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) if name.contains(':') => format!("[{name}]:{port}"),
                Host::Tcp(name) => format!("{name}:{port}"),
                #[cfg(unix)]
                Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        });
        let hosts = hosts.collect::<Vec<_>>().join(",");
        let user = self.config.get_user().unwrap_or_default();
        let database = self.config.get_dbname().unwrap_or(user);
        write!(f, "postgres://{user}@{hosts}/{database}?sslmode={}", self.trust.as_str())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
