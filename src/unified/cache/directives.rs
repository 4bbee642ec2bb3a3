//! What a caller says of kept answers: the directives of `Cache-Control` that requests have (RFC 9111, 5.2.1), and
//! whether an answer of some age will do.

use std::time::Duration;

use super::rules::Terms;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Directives {
    /// Only what the provider says now.
    pub no_cache: bool,
    /// The answer is not to be kept.
    pub no_store: bool,
    pub only_if_cached: bool,
    /// The oldest answer that will do.
    pub max_age: Option<Duration>,
    /// How long an answer must be good for yet.
    pub min_fresh: Option<Duration>,
    /// How long ago an answer may have ceased to be good.
    pub max_stale: Option<Duration>,
}

/// What a kept answer is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Fresh,
    /// Stale, and the caller takes it so.
    Taken,
    /// Stale, and a newer one is to be fetched meanwhile.
    Meanwhile,
    /// Only if the provider fails.
    InNeed,
    Nothing,
}

impl Directives {
    /// What an answer of this age can be used for.
    pub fn judge(&self, age: Duration, terms: Terms) -> Use {
        let stale = age.saturating_sub(terms.ttl);
        let left = terms.ttl.saturating_sub(age);
        let too_old = self.max_age.is_some_and(|most| age > most);
        if self.no_cache || too_old {
            return Use::Nothing;
        }
        if !left.is_zero() {
            return match self.min_fresh {
                Some(least) if left < least => Use::Nothing,
                _ => Use::Fresh,
            };
        }
        let takes = self.max_stale.is_some_and(|most| stale <= most);
        match self.min_fresh {
            _ if takes => Use::Taken,
            Some(_) => Use::Nothing,
            None if stale < terms.while_revalidated => Use::Meanwhile,
            None if stale < terms.if_error => Use::InNeed,
            None => Use::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_answer_is_used_as_its_age_and_its_asker_allow() {
        let terms = Terms { ttl: seconds(60), while_revalidated: seconds(30), if_error: seconds(300) };
        let any = Directives::default();
        let max_age = |age| Directives { max_age: Some(seconds(age)), ..any };
        let max_stale = |age| Directives { max_stale: Some(seconds(age)), ..any };
        let min_fresh = |left| Directives { min_fresh: Some(seconds(left)), ..any };
        let cases = [
            (any, 0, Use::Fresh),
            (any, 59, Use::Fresh),
            (any, 60, Use::Meanwhile),
            (any, 89, Use::Meanwhile),
            (any, 90, Use::InNeed),
            (any, 359, Use::InNeed),
            (any, 360, Use::Nothing),
            (max_age(10), 10, Use::Fresh),
            (max_age(10), 11, Use::Nothing),
            (max_age(70), 65, Use::Meanwhile),
            (max_stale(100), 100, Use::Taken),
            (max_stale(30), 100, Use::InNeed),
            (min_fresh(20), 40, Use::Fresh),
            (min_fresh(20), 41, Use::Nothing),
            (min_fresh(20), 61, Use::Nothing),
            (Directives { no_cache: true, ..any }, 1, Use::Nothing),
        ];
        for (directives, age, expected) in cases {
            assert_eq!(directives.judge(seconds(age), terms), expected, "{directives:?} at {age}");
        }
        assert_eq!(any.judge(seconds(9), terms.absent()), Use::Fresh);
        assert_eq!(any.judge(seconds(10), terms.absent()), Use::Nothing);
    }
}
