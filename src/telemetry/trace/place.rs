//! What of a URL may be told: where a request went, but not what it was about.

use std::borrow::Cow;

/// Longer segments of a path are no names of places.
const MAX_SEGMENT: usize = 64;
/// The whole of it. Bytes.
const MAX_PATH: usize = 512;
/// What stands in the place of a value, as in OpenTelemetry's conventions.
const REDACTED: &str = "REDACTED";

/// A path without its query, and with each segment that may be a customer's data taken out: all but names, ids, numbers and
/// calls without arguments in quotes. Addresses of mail, for one, stand in the paths of some APIs.
pub fn redacted_path(path: &str) -> Cow<'_, str> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if path.len() <= MAX_PATH && path.split('/').all(is_name) {
        return Cow::Borrowed(path);
    }
    let mut told = String::with_capacity(path.len().min(MAX_PATH));
    for (number, segment) in path.split('/').enumerate() {
        if told.len() + segment.len() > MAX_PATH {
            told.push_str("/…");
            break;
        }
        if number > 0 {
            told.push('/');
        }
        told.push_str(if is_name(segment) { segment } else { REDACTED });
    }
    Cow::Owned(told)
}

fn is_name(segment: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.,:~$()".contains(&byte);
    segment.len() <= MAX_SEGMENT && segment.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_stay_and_values_go() {
        for (path, told) in [
            ("/", "/"),
            ("/crm/v3/objects/contacts/101", "/crm/v3/objects/contacts/101"),
            ("/crm/v3/contacts?email=ada@example.com", "/crm/v3/contacts"),
            ("/contacts/v1/contact/email/ada@example.com/profile", "/contacts/v1/contact/email/REDACTED/profile"),
            ("/contacts/ada%40example.com", "/contacts/REDACTED"),
            ("/api/contacts(8f2c-11)/$count", "/api/contacts(8f2c-11)/$count"),
            ("/api/contacts(mail='ada@example.com')", "/api/REDACTED"),
            ("/a/%20/b", "/a/REDACTED/b"),
        ] {
            assert_eq!(redacted_path(path), told);
        }
        assert_eq!(redacted_path(&format!("/a/{}", "x".repeat(65))), "/a/REDACTED");
        let long = "/segment".repeat(200);
        let told = redacted_path(&long);
        assert!(told.len() <= MAX_PATH + 8 && told.ends_with("/…"), "{told}");
    }
}
