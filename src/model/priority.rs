//! How urgent a request is among those that wait for the same allowance (RFC 9218).

use super::Operation;

/// 0 (first) to 7 (last).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

impl Priority {
    /// Somebody waits for what they changed.
    pub const WRITE: Self = Self(2);
    pub const READ: Self = Self(3);
    /// Many at once must not keep out those who ask for one.
    pub const BATCH: Self = Self(5);
    pub const LEVELS: usize = 8;

    pub fn level(self) -> usize {
        usize::from(self.0)
    }

    /// The urgency in the value of the header `Priority`. Other parameters, and values that are none, are ignored, as the
    /// RFC demands.
    pub fn parse(value: &str) -> Option<Self> {
        let urgency = value.split(',').rev().find_map(|member| member.trim().strip_prefix("u="))?;
        let urgency = urgency.split(';').next().unwrap_or_default().trim();
        urgency.parse().ok().filter(|urgency| *urgency < Self::LEVELS as u8).map(Self)
    }

    /// Where the caller says nothing.
    pub fn of(operation: Operation) -> Self {
        match operation {
            Operation::Batch => Self::BATCH,
            operation if operation.is_write() => Self::WRITE,
            _ => Self::READ,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_urgency_is_read_and_everything_else_is_left_alone() {
        for (value, urgency) in
            [("u=0", Some(0)), ("i, u=7", Some(7)), ("u=1;x", Some(1)), ("u=8", None), ("u=-1", None), ("i", None)]
        {
            assert_eq!(Priority::parse(value).map(Priority::level), urgency, "{value}");
        }
        assert_eq!(Priority::parse("u=5, u=2").map(Priority::level), Some(2), "the last one counts");
    }
}
