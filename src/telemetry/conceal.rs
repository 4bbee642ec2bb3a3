//! Secrets that somebody repeats, taken out of what is told on.

use std::borrow::Cow;

/// What stands where one stood.
const CONCEALED: &[u8] = b"(secret)";

/// The text without these secrets. Costs nothing where none of them stands in it.
pub fn conceal<'t, S: AsRef<[u8]>>(text: &'t [u8], secrets: impl IntoIterator<Item = S>) -> Cow<'t, [u8]> {
    secrets.into_iter().fold(Cow::Borrowed(text), |text, secret| match without(&text, secret.as_ref()) {
        Some(concealed) => Cow::Owned(concealed),
        None => text,
    })
}

fn without(text: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    let (mut rest, mut concealed) = (text, Vec::new());
    while let Some((before, after)) = find(rest, secret).and_then(|at| rest.split_at_checked(at)) {
        concealed.extend_from_slice(before);
        concealed.extend_from_slice(CONCEALED);
        rest = after.get(secret.len()..).unwrap_or_default();
    }
    if concealed.is_empty() {
        return None;
    }
    concealed.extend_from_slice(rest);
    Some(concealed)
}

/// Where `part` begins. Nothing is found nowhere.
pub fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    let first = *part.first()?;
    // Most places are told apart by one byte.
    text.windows(part.len()).position(|window| window.first() == Some(&first) && window == part)
}
