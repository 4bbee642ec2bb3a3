//! What is copied: every column of every table. A test holds this list against both schemas.

/// What stands in a column, whichever way a kind of store writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Column {
    Text,
    Bytes,
    Integer,
    Flag,
    Time,
}

pub(in crate::store) struct Table {
    pub name: &'static str,
    /// The columns of its key come first: `key` of them.
    pub columns: &'static [(&'static str, Column)],
    pub key: usize,
}

use Column::{Bytes, Flag, Integer, Text, Time};

/// In an order in which each row's references are there before it.
pub(in crate::store) const TABLES: &[Table] = &[
    Table {
        name: "api_keys",
        key: 1,
        columns: &[
            ("id", Text),
            ("tenant", Text),
            ("mode", Text),
            ("hash", Bytes),
            ("scopes", Text),
            ("providers", Text),
            ("connections", Text),
            ("limits", Text),
            ("name", Text),
            ("created_at", Time),
            ("expires_at", Time),
            ("revoked_at", Time),
            ("last_used_at", Time),
        ],
    },
    Table {
        name: "connections",
        key: 1,
        columns: &[
            ("id", Text),
            ("tenant", Text),
            ("provider", Text),
            ("customer_id", Text),
            ("state", Text),
            ("state_reason", Text),
            ("paused", Flag),
            ("settings", Text),
            ("scopes", Text),
            ("last_error", Text),
            ("log_bodies_until", Time),
            ("last_used_at", Time),
            ("refreshed_at", Time),
            ("next_refresh_at", Time),
            ("expires_at", Time),
            ("failures", Integer),
            ("failing_since", Time),
            ("lease_owner", Text),
            ("lease_until", Time),
            ("lease_epoch", Integer),
            ("intent_at", Time),
            ("orphan", Bytes),
            ("orphan_generation", Integer),
            ("created_at", Time),
            ("updated_at", Time),
            ("revision", Integer),
            ("generation", Integer),
            ("sealed", Bytes),
        ],
    },
    Table {
        name: "mappings",
        key: 2,
        columns: &[("tenant", Text), ("connection", Text), ("text", Text), ("updated_at", Time)],
    },
    Table {
        name: "connection_events",
        key: 1,
        columns: &[
            ("number", Integer),
            ("tenant", Text),
            ("connection", Text),
            ("at", Time),
            ("kind", Text),
            ("detail", Text),
        ],
    },
    Table {
        name: "connection_requests",
        key: 1,
        columns: &[
            ("number", Integer),
            ("tenant", Text),
            ("connection", Text),
            ("at", Time),
            ("request", Text),
            ("bodies", Bytes),
        ],
    },
    Table {
        name: "revocations",
        key: 1,
        columns: &[
            ("id", Text),
            ("tenant", Text),
            ("connection", Text),
            ("provider", Text),
            ("settings", Text),
            ("generation", Integer),
            ("sealed", Bytes),
            ("attempts", Integer),
            ("next_attempt_at", Time),
            ("last_error", Text),
            ("created_at", Time),
        ],
    },
    Table {
        name: "oauth_apps",
        key: 2,
        columns: &[
            ("tenant", Text),
            ("provider", Text),
            ("client_id", Text),
            ("sealed", Bytes),
            ("created_at", Time),
            ("updated_at", Time),
        ],
    },
    Table {
        name: "connect_sessions",
        key: 1,
        columns: &[
            ("id", Text),
            ("tenant", Text),
            ("customer_id", Text),
            ("providers", Text),
            ("connection", Text),
            ("return_url", Text),
            ("browser", Text),
            ("completed_by", Text),
            ("created_at", Time),
            ("expires_at", Time),
        ],
    },
    Table {
        name: "connect_states",
        key: 1,
        columns: &[
            ("id", Text),
            ("session", Text),
            ("provider", Text),
            ("settings", Text),
            ("sealed", Bytes),
            ("expires_at", Time),
        ],
    },
    Table {
        name: "audit_log",
        key: 2,
        columns: &[
            ("tenant", Text),
            ("number", Integer),
            ("at", Time),
            ("since", Time),
            ("actor", Text),
            ("action", Text),
            ("connection", Text),
            ("subject", Text),
            ("outcome", Text),
            ("count", Integer),
            ("request_id", Text),
            ("peer", Text),
            ("detail", Text),
            ("hash", Bytes),
        ],
    },
    Table {
        name: "audit_chains",
        key: 1,
        columns: &[
            ("tenant", Text),
            ("swept", Integer),
            ("swept_hash", Bytes),
            ("head", Integer),
            ("head_hash", Bytes),
        ],
    },
    Table {
        name: "idempotency",
        key: 3,
        columns: &[
            ("tenant", Text),
            ("connection", Text),
            ("id", Text),
            ("fingerprint", Text),
            ("claim", Text),
            ("owner", Text),
            ("state", Text),
            ("lease_until", Time),
            ("sealed", Bytes),
            ("created_at", Time),
            ("expires_at", Time),
        ],
    },
    Table { name: "replicas", key: 1, columns: &[("id", Text), ("last_seen", Time)] },
    Table { name: "secrets", key: 1, columns: &[("name", Text), ("sealed", Bytes)] },
];

impl Table {
    /// The names of its columns, as a statement lists them.
    pub fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    pub fn select(&self) -> String {
        let key = self.columns.iter().take(self.key).map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        format!("SELECT {} FROM {} ORDER BY {key}", self.names(), self.name)
    }
}
