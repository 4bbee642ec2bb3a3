//! What happens to a connection through which more was read than its egress budget allows: its owner is told, and it is
//! paused if the deployment wants that. What is counted and how stands in `upstream::budget`.

use super::connection::Connection;
use super::events::{Event, EventKind};
use super::repository::Along;
use super::service::Connections;
use crate::audit::{Action, Entry};
use crate::error::Result;

/// Begins the reason of a state that a budget's pause lies over.
const REASON: &str = "egress-budget";
/// How often a write is tried again when somebody else was faster.
const RACES: usize = 5;

pub(super) fn is_paused_for_it(reason: Option<&str>) -> bool {
    reason.is_some_and(|reason| reason == REASON || reason.starts_with("egress-budget; "))
}

/// The reason of the state beneath the pause.
pub(super) fn without_pause(reason: Option<String>) -> Option<String> {
    if !is_paused_for_it(reason.as_deref()) {
        return reason;
    }
    reason.and_then(|reason| reason.split_once("; ").map(|(_, beneath)| beneath.to_owned()))
}

fn with_pause(reason: Option<&str>) -> String {
    match reason {
        Some(beneath) if !is_paused_for_it(reason) => format!("{REASON}; {beneath}"),
        Some(already) => already.to_owned(),
        None => REASON.to_owned(),
    }
}

impl Connections {
    /// Writes down that the budget was exceeded, in words, and pauses the connection if `pause`.
    pub async fn budget_exceeded(&self, connection: &Connection, detail: &str, pause: bool) -> Result<()> {
        let Connection { tenant, id, .. } = connection;
        let exceeded = Event::now(EventKind::BudgetExceeded, detail.to_owned());
        let entry = |action| Entry::by_itself(tenant.clone(), action).on(&id.0).detail(detail);
        for _ in 0..RACES {
            let Some(row) = self.row(tenant, id).await? else { return Ok(()) };
            let mut changed = row.clone();
            let mut along = Along::event(exceeded.clone()).audited(entry(Action::BudgetExceeded));
            if pause && !row.paused {
                changed.paused = true;
                changed.connection.state_reason = Some(with_pause(row.connection.state_reason.as_deref()));
                along.events.push(Event::now(EventKind::Paused, REASON.to_owned()));
                along = along.audited(entry(Action::ConnectionPaused));
            }
            if self.write(changed, &row, along).await?.is_some() {
                return Ok(());
            }
        }
        Err(super::manage::busy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_beneath_a_pause_comes_back() {
        for reason in [None, Some("the customer did not grant all scopes; one; two")] {
            let paused = with_pause(reason);
            assert!(is_paused_for_it(Some(&paused)));
            assert_eq!(with_pause(Some(&paused)), paused, "paused twice");
            assert_eq!(without_pause(Some(paused)).as_deref(), reason);
            assert_eq!(without_pause(reason.map(str::to_owned)).as_deref(), reason);
        }
        assert!(!is_paused_for_it(Some("egress-budgets")));
    }
}
