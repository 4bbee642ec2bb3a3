//! What can be done, by the names that the log keeps for ever.

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    KeyCreated,
    KeyRevoked,
    ConnectionCreated,
    ConnectionReconnected,
    ConnectionChanged,
    ConnectionPaused,
    ConnectionResumed,
    ConnectionDeleted,
    ConnectionRevoked,
    ConnectionExported,
    ConnectionVerified,
    ConnectionRefreshed,
    /// Sums of calls for records and of raw requests.
    ConnectionUsed,
    BudgetExceeded,
    MappingPut,
    MappingDeleted,
    OauthAppPut,
    OauthAppDeleted,
    ConnectSessionCreated,
    ConnectSessionCompleted,
    KillSwitch,
    VaultRotated,
    MappingsReloaded,
}

impl Action {
    const NAMES: [(Action, &str); 23] = [
        (Action::KeyCreated, "key.created"),
        (Action::KeyRevoked, "key.revoked"),
        (Action::ConnectionCreated, "connection.created"),
        (Action::ConnectionReconnected, "connection.reconnected"),
        (Action::ConnectionChanged, "connection.changed"),
        (Action::ConnectionPaused, "connection.paused"),
        (Action::ConnectionResumed, "connection.resumed"),
        (Action::ConnectionDeleted, "connection.deleted"),
        (Action::ConnectionRevoked, "connection.revoked"),
        (Action::ConnectionExported, "connection.exported"),
        (Action::ConnectionVerified, "connection.verified"),
        (Action::ConnectionRefreshed, "connection.refreshed"),
        (Action::ConnectionUsed, "connection.used"),
        (Action::BudgetExceeded, "connection.budget-exceeded"),
        (Action::MappingPut, "mapping.put"),
        (Action::MappingDeleted, "mapping.deleted"),
        (Action::OauthAppPut, "oauth-app.put"),
        (Action::OauthAppDeleted, "oauth-app.deleted"),
        (Action::ConnectSessionCreated, "connect-session.created"),
        (Action::ConnectSessionCompleted, "connect-session.completed"),
        (Action::KillSwitch, "kill-switch"),
        (Action::VaultRotated, "vault.rotated"),
        (Action::MappingsReloaded, "mappings.reloaded"),
    ];

    pub fn all() -> impl Iterator<Item = Self> {
        Self::NAMES.iter().map(|(action, _)| *action)
    }

    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(action, _)| *action == self).map_or("", |(_, name)| name)
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(action, _)| *action)
    }
}
