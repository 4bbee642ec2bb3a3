//! Instants and dates, read leniently and written as RFC 3339 in UTC with the fraction they came with.

use super::decimal::Decimal;

/// Seconds since 1970 and the digits behind the decimal point, as they were written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instant {
    pub(super) seconds: i64,
    pub(super) fraction: String,
}

const DAY: i64 = 86_400;
/// 0001-01-01 and 9999-12-31T23:59:59, the years that four digits can say.
const FIRST: i64 = -62_135_596_800;
const LAST: i64 = 253_402_300_799;

impl Instant {
    /// `2026-09-02T10:00:01.000+0000`, a space for the T, a `Z` or any offset; none means UTC, and a date
    /// is its midnight.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (local, offset) = Self::parse_local(text)?;
        let seconds = local.seconds.checked_sub(offset.unwrap_or(0))?;
        (FIRST..=LAST).contains(&seconds).then_some(Self { seconds, ..local })
    }

    /// The time on the wall and the offset in seconds, if there is one.
    pub(super) fn parse_local(text: &str) -> Option<(Self, Option<i64>)> {
        let mut read = Reader(text.trim().as_bytes());
        let days = read.date()?;
        let mut seconds = days * DAY;
        let mut fraction = String::new();
        if read.0.is_empty() {
            return Some((Self { seconds, fraction }, None));
        }
        read.one_of(b"Tt ")?;
        let hour = read.digits(2).filter(|hour| *hour < 24)?;
        read.one_of(b":")?;
        let minute = read.digits(2).filter(|minute| *minute < 60)?;
        seconds += hour * 3600 + minute * 60;
        if read.one_of(b":").is_some() {
            // a leap second is the last second of its minute
            seconds += read.digits(2).filter(|second| *second <= 60)?.min(59);
            if read.one_of(b".,").is_some() {
                fraction = read.fraction()?;
            }
        }
        read.one_of(b" ");
        let offset = read.offset()?;
        read.0.is_empty().then_some((Self { seconds, fraction }, offset))
    }

    pub(super) fn of_epoch(seconds: Decimal) -> Option<Self> {
        let (whole, fraction) = seconds.split()?;
        let seconds = i64::try_from(whole).ok().filter(|seconds| (FIRST..=LAST).contains(seconds))?;
        Some(Self { seconds, fraction })
    }

    /// Milliseconds since 1970; what is finer is cut.
    pub(super) fn millis(&self) -> i64 {
        let padded: String = self.fraction.chars().chain("000".chars()).take(3).collect();
        self.seconds * 1000 + padded.parse::<i64>().unwrap_or(0)
    }

    pub(super) fn days(&self) -> i64 {
        self.seconds.div_euclid(DAY)
    }

    pub(super) fn date(&self) -> String {
        date_of(self.days())
    }

    /// `10:00:01.000`
    pub(super) fn clock(&self) -> String {
        let second = self.seconds.rem_euclid(DAY);
        let dot = if self.fraction.is_empty() { "" } else { "." };
        format!("{:02}:{:02}:{:02}{dot}{}", second / 3600, second / 60 % 60, second % 60, self.fraction)
    }
}

impl std::fmt::Display for Instant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}T{}Z", self.date(), self.clock())
    }
}

/// Days since 1970 of `2026-09-02`.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    let mut read = Reader(text.as_bytes());
    let days = read.date()?;
    read.0.is_empty().then_some(days)
}

struct Reader<'t>(&'t [u8]);

impl Reader<'_> {
    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        let hit = bytes.contains(first).then_some(*first)?;
        self.0 = rest;
        Some(hit)
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (head, rest) = self.0.split_at_checked(count)?;
        if !head.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.0 = rest;
        Some(head.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
    }

    fn fraction(&mut self) -> Option<String> {
        let end = self.0.iter().position(|b| !b.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at_checked(end).filter(|(digits, _)| !digits.is_empty())?;
        self.0 = rest;
        // nine digits are nanoseconds, and more than any of the other side's types hold
        Some(digits.iter().take(9).map(|b| char::from(*b)).collect())
    }

    fn date(&mut self) -> Option<i64> {
        let year = self.digits(4).filter(|year| *year >= 1)?;
        self.one_of(b"-")?;
        let month = self.digits(2).filter(|month| (1..=12).contains(month))?;
        self.one_of(b"-")?;
        let day = self.digits(2).filter(|day| (1..=days_in(year, month)).contains(day))?;
        Some(days_from(year, month, day))
    }

    fn offset(&mut self) -> Option<Option<i64>> {
        let Some(sign) = self.one_of(b"Zz+-") else { return Some(None) };
        if matches!(sign, b'Z' | b'z') {
            return Some(Some(0));
        }
        let hours = self.digits(2).filter(|hours| *hours < 24)?;
        self.one_of(b":");
        let minutes = if self.0.is_empty() { 0 } else { self.digits(2).filter(|minutes| *minutes < 60)? };
        let offset = hours * 3600 + minutes * 60;
        Some(Some(if sign == b'-' { -offset } else { offset }))
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 in the proleptic Gregorian calendar; a year is counted from March, so that the leap day
/// is its last.
fn days_from(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// `2026-09-02`; the inverse of the above.
pub(super) fn date_of(days: i64) -> String {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_around() {
        for (text, expected) in [
            ("2026-09-02T10:00:01.000+0000", "2026-09-02T10:00:01.000Z"),
            ("2026-09-02 10:00:01", "2026-09-02T10:00:01Z"),
            ("2026-09-02T10:00:01.123456+02:00", "2026-09-02T08:00:01.123456Z"),
            ("2026-01-01T00:30:00+01", "2025-12-31T23:30:00Z"),
            ("2026-09-02", "2026-09-02T00:00:00Z"),
            ("2024-02-29T23:59:60Z", "2024-02-29T23:59:59Z"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z"),
        ] {
            assert_eq!(Instant::parse(text).expect(text).to_string(), expected);
        }
        for text in [
            "",
            "now",
            "2026-02-30",
            "2026-9-2",
            "2026-09-02T25:00:00Z",
            "2026-09-02T10:00:01+99:00x",
            "0000-01-01",
            "1693564800",
        ] {
            assert_eq!(Instant::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_there_and_back() {
        for days in (-719_162..2_932_896).step_by(97) {
            assert_eq!(parse_date(&date_of(days)), Some(days));
        }
        assert_eq!(Instant::parse("1969-12-31T23:59:59.5Z").expect("parses").millis(), -500);
    }
}
