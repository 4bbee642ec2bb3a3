//! kill -9 at every step between a renewal's request and its commit.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::authorization::Authorization;
use crate::deployment::{Deployment, Replica};
use crate::process::scratch;

/// How long before the process dies an answer has been sent to it. Milliseconds.
const BEFORE: [u64; 10] = [0, 1, 2, 3, 4, 6, 8, 10, 12, 15];
/// A lease of a dead process, and a moment to renew.
const LONGEST_LEASE: Duration = Duration::from_secs(61);
/// Of a token that is not renewed again. Seconds.
const LONG: u64 = 3600;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    /// The request had not reached the authorization server.
    Asked,
    /// It had rotated the token, and its answer was lost.
    Rotated,
    /// Its answer was sent so many milliseconds before.
    Answered(u64),
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_amid_a_renewal_loses_nothing_that_it_had_read() {
    let folder = scratch("killed");
    let Some(authorization) = Authorization::start(&folder).await else { return };
    let deployment = Deployment::new(&folder, None, &authorization);
    let mut replica = deployment.serve("one").await;
    let mut lives = Vec::new();
    for _ in 0..2 {
        lives.extend(life(&authorization, &mut replica).await);
        let killed = Instant::now();
        replica = deployment.serve("one").await;
        lives.iter_mut().filter(|(.., at)| at.is_none()).for_each(|(.., at)| *at = Some(killed));
    }
    let mut ended = Vec::new();
    for (step, connection, killed) in &lives {
        let by = killed.expect("it was killed") + LONGEST_LEASE + Duration::from_secs(3);
        let (works, state) = settled(&replica, connection, by).await;
        let lost = state["state"] == "needs_reauth" && state["state_reason"] == "lost_rotation";
        match step {
            Step::Asked => assert!(works, "{step:?}: nothing was spent: {state}"),
            Step::Rotated => assert!(lost, "{step:?}: the new token is nowhere: {state}"),
            Step::Answered(_) => assert!(works || lost, "{step:?}: {state}"),
        }
        ended.push((*step, works));
    }
    let answered: Vec<_> = ended.iter().filter(|(step, _)| matches!(step, Step::Answered(_))).collect();
    let kept: Vec<u64> = answered
        .iter()
        .filter_map(|(step, works)| match step {
            Step::Answered(ms) if *works => Some(*ms),
            _ => None,
        })
        .collect();
    println!("killed: of {} answers sent 0 to 15 ms before, {} were kept: {kept:?}", answered.len(), kept.len());
    assert_eq!(authorization.counts().await.revoked as usize, lives.len() - 2 - kept.len());
    deployment.holds_no_secret(&[&replica]).await;
}

type Round = (Step, String, Option<Instant>);

/// Renewals of twelve connections at different steps when the process is killed.
async fn life(authorization: &Authorization, replica: &mut Replica) -> Vec<Round> {
    let grants = authorization.mint(2 + BEFORE.len(), 2, LONG).await;
    let steps: Vec<Step> = [Step::Asked, Step::Rotated].into_iter().chain(BEFORE.map(Step::Answered)).collect();
    let mut before = Map::<String, Value>::new();
    let mut rounds = Vec::new();
    for (step, grant) in steps.into_iter().zip(&grants) {
        let at = if step == Step::Asked { "request" } else { "rotated" };
        authorization.rule(json!({"grant": grant.grant, "at": at, "do": "hold"})).await;
        if let Step::Answered(ms) = step {
            before.insert(grant.grant.clone(), ms.into());
        }
        rounds.push((step, replica.connect(grant).await, None));
    }
    let held = grants.len() as u64;
    authorization.until(|counts| counts.held == held).await;
    authorization.kill_amid_answers(replica.process.0.id(), before.into()).await;
    replica.ended();
    rounds
}

/// Whether the connection works again by then, and its record.
async fn settled(replica: &Replica, connection: &str, by: Instant) -> (bool, Value) {
    loop {
        let works = replica.read(connection, Duration::from_secs(1)).await.status == 200;
        let state = replica.state(connection).await;
        if works || state["state"] == "needs_reauth" {
            return (works, state);
        }
        assert!(Instant::now() < by, "the lease of a dead process is in the way for too long: {state}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
