//! A text is a key if its shape and its checksum say so, and no longer once a sign of it is another. Names that come from
//! callers are read back as they are written.

use throughline::auth::{ApiKey, Mode, Scopes, TenantId};
use throughline::connections::ConnectionId;
use throughline::model::Priority;

pub fn holds(data: &[u8]) {
    let text = super::text(data);
    if let Some(key) = ApiKey::parse(&text) {
        assert_eq!(key.expose(), text);
        assert!(!format!("{key:?}").contains(&*text), "a key is printed");
        assert!(text.contains(&format!("_{}_", key.id())));
    }

    let mode = if data.len().is_multiple_of(2) { Mode::Live } else { Mode::Test };
    let key = ApiKey::generate(mode).expect("randomness");
    let parsed = ApiKey::parse(key.expose()).expect("what was generated is a key");
    assert_eq!((parsed.mode(), parsed.id()), (mode, key.id()));
    // Any sign at any place that is not the one that stood there.
    for (place, byte) in data.iter().take(key.expose().len()).enumerate() {
        let mut forged = key.expose().as_bytes().to_vec();
        if forged[place] == *byte {
            continue;
        }
        forged[place] = *byte;
        assert!(ApiKey::parse(&String::from_utf8_lossy(&forged)).is_none(), "{byte} at {place}");
    }
    let longer = format!("{}{text}", key.expose());
    assert!(text.is_empty() || ApiKey::parse(&longer).is_none(), "{longer}");

    if let Ok(scopes) = text.parse::<Scopes>() {
        assert_eq!(scopes.to_string().parse(), Ok(scopes));
    }
    if let Some(id) = ConnectionId::parse(&text) {
        assert_eq!(id.as_str(), text);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
    }
    if let Some(tenant) = TenantId::parse(&text) {
        assert_eq!(&*tenant.0, &*text);
        assert!(!text.chars().any(char::is_control) && !text.contains(['/', ' ']), "{text:?}");
    }
    if let Some(priority) = Priority::parse(&text) {
        assert!(priority.level() < Priority::LEVELS);
    }
}
