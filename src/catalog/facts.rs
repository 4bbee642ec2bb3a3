//! What a provider file says of its probe, and times as it writes them.

use super::build::Build;
use super::spec::ProviderSpec;

/// Checks `verify`; a fault is noted in `build`.
pub fn check_facts(build: &mut Build<'_>, spec: &ProviderSpec) {
    if let Some(verify) = &spec.verify
        && !verify.strip_prefix("GET ").is_some_and(|path| path.starts_with('/'))
    {
        build
            .problem("/verify", format!("`{verify}` is not of the form `GET /path`: a probe must not change anything"));
    }
}

/// Seconds in `10s`, `1m`, `1h`, `1d`.
pub fn seconds(per: &str) -> Option<u64> {
    let unit = per.chars().last()?;
    let count: u64 = per.strip_suffix(unit)?.parse().ok().filter(|count| *count > 0)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    count.checked_mul(seconds)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times() {
        assert_eq!([seconds("10s"), seconds("2m"), seconds("1d")], [Some(10), Some(120), Some(86_400)]);
        assert_eq!([seconds("s"), seconds("0s"), seconds("10"), seconds("1w")], [None; 4]);
    }
}
