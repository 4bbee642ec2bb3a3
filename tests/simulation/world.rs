//! One run: two replicas of the server, a vendor, callers, and what befalls them, all by a seed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, json};
use throughline::auth::{Mode, NewKey, TenantId};
use throughline::config::{Config, ProviderConfig};
use throughline::connections::{
    Along, Clock, Connection, ConnectionId, ConnectionRepository, Row, SealedAt, State, Times, Vault,
};
use throughline::limit::{Time, seed_jitter};
use throughline::serve::{self, Listeners, Surroundings};
use turmoil::Sim;

use crate::callers::Callers;
use crate::chance::Chance;
use crate::ledger::{Entries, Fault, Ledger};
use crate::net::{Dialler, Listener, elapsed, wall};
use crate::oracle;
use crate::provider;
use crate::store::{Shared, Trouble};
use crate::vendor::{self, Mood, Vendor};

pub const REPLICAS: [&str; 2] = ["one", "two"];
pub const API: u16 = 8000;
pub const ADMIN: u16 = 9000;
const TENANTS: [&str; 2] = ["red", "blue"];
/// How far time goes in one step of the simulation; no message arrives sooner.
const STEP: Duration = Duration::from_millis(50);
/// Faults end then, and callers ask for nothing new.
const END: Duration = Duration::from_secs(45);

/// How a run ended.
pub struct Outcome {
    pub entries: Entries,
    pub violations: Vec<String>,
}

/// What befalls whom.
#[derive(Debug, Clone, Copy)]
enum What {
    Partition(usize, &'static str),
    OneWay(&'static str, usize),
    Hold(usize, &'static str),
    CallersAway(usize),
    Crash(usize),
    CrashVendor(&'static str),
    VendorOut(u16),
    AuthorityOut,
    Store,
}

pub fn run(seed: u64) -> Outcome {
    let ledger = Ledger::default();
    let played = catch_unwind(AssertUnwindSafe(|| play(seed, &ledger)));
    let entries = std::mem::take(&mut *ledger.lock());
    let mut violations = entries.violations.clone();
    match played {
        Ok(Ok(())) => violations.extend(oracle::judge(&entries)),
        Ok(Err(error)) => violations.push(format!("the simulation broke off: {error}")),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            violations.push(format!("a panic: {}", text.unwrap_or_default()));
        }
    }
    Outcome { entries, violations }
}

fn play(seed: u64, ledger: &Ledger) -> turmoil::Result {
    seed_jitter(seed);
    let mut chance = Chance::new(seed, 0);
    let accounts = 2 + chance.below(2);
    let forgives = chance.is(500);
    let vault = Vault::from_key_base64(&Vault::generate_key()?)?;
    let shared = Shared::new(vault.clone(), ledger.clone(), Chance::new(seed, 1));
    let first_life = chance.millis(10_000, 60_000);
    let vendor = Vendor::new(accounts, first_life, forgives, Chance::new(seed, 2), ledger.clone());
    let usual = Mood {
        faulty: *chance.one_of(&[0, 20, 80]),
        out: None,
        authority_faulty: *chance.one_of(&[0, 150, 400]),
        authority_out: false,
    };
    vendor.set_mood(usual);
    let keys = prepare(&shared, &vault, accounts, first_life)?;
    let folder = Folder::new(seed)?;

    let mut builder = turmoil::Builder::new();
    builder
        .rng_seed(seed)
        .tick_duration(STEP)
        .simulation_duration(Duration::from_secs(3600))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(120))
        .enable_tokio_io();
    let mut sim = builder.build();
    for (number, name) in REPLICAS.into_iter().enumerate() {
        let (shared, vault, ledger) = (shared.clone(), vault.clone(), ledger.clone());
        let escrow = folder.0.join(name);
        sim.host(name, move || {
            let (shared, vault, ledger, escrow) = (shared.clone(), vault.clone(), ledger.clone(), escrow.clone());
            async move { replica(number, shared, vault, ledger, escrow, forgives).await }
        });
    }
    let api = vendor.clone();
    sim.host("vendor", move || api.clone().serve_api());
    let authority = vendor.clone();
    sim.host("authority", move || authority.clone().serve_authority());
    let callers = Callers { keys, accounts, ledger: ledger.clone(), vendor: vendor.clone() };
    let (count, pace) = (3 + chance.below(4), *chance.one_of(&[1500, 4000, 8000]));
    let flooded = chance.is(150);
    sim.client("callers", async move {
        let working = (0..count).map(|number| {
            let chance = Chance::new(seed, 100 + number as u64);
            tokio::spawn(callers.clone().work(number, chance, pace, END))
        });
        if flooded {
            tokio::spawn(callers.clone().flood(Chance::new(seed, 99)));
        }
        let pending = futures_util::future::try_join_all(working.collect::<Vec<_>>()).await?;
        tokio::time::sleep(END.saturating_sub(elapsed()) + STEP * 5).await;
        callers.look_around(pending.into_iter().flatten().collect()).await;
        Ok(())
    });

    let mut schedule = schedule(&mut chance);
    let mut running: Vec<(Duration, What, usize)> = Vec::new();
    loop {
        let now = sim.elapsed();
        while let Some((_, lasts, what)) = schedule.pop_if(|(at, ..)| *at <= now) {
            let number = begin(&mut sim, what, &vendor, usual, &shared, ledger);
            running.push(((now + lasts).min(END), what, number));
        }
        let (over, still): (Vec<_>, Vec<_>) = running.into_iter().partition(|(end, ..)| *end <= now);
        running = still;
        for (_, what, number) in over {
            end(&mut sim, what, &vendor, usual, &shared);
            ledger.lock().faults[number].to = Some(now);
            ledger.lock().story.push(format!("{:9.3} fault: {what:?} is over", now.as_secs_f64()));
        }
        if now >= END && now < END + STEP {
            vendor.set_mood(Mood::default());
            shared.set_trouble(Trouble::default());
        }
        if sim.step()? {
            return Ok(());
        }
    }
}

/// Later ones first.
fn schedule(chance: &mut Chance) -> Vec<(Duration, Duration, What)> {
    let count = *chance.one_of(&[0, 2, 4, 7]);
    let mut all: Vec<_> = (0..count)
        .map(|_| {
            let replica = chance.below(REPLICAS.len());
            let what = match chance.below(12) {
                0 => What::Partition(replica, "vendor"),
                1 => What::Partition(replica, "authority"),
                2 => What::OneWay("vendor", replica),
                3 => What::OneWay("authority", replica),
                4 => What::Hold(replica, "vendor"),
                5 => What::Hold(replica, "authority"),
                6 => What::CallersAway(replica),
                7 => What::Crash(replica),
                8 => What::CrashVendor(["vendor", "authority"][chance.below(2)]),
                9 => What::VendorOut(*chance.one_of(&[503, 500, 429, 502])),
                10 => What::AuthorityOut,
                _ => What::Store,
            };
            (chance.millis(1_000, 38_000), chance.millis(300, 20_000), what)
        })
        .collect();
    all.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    all
}

fn begin(sim: &mut Sim<'_>, what: What, vendor: &Vendor, usual: Mood, shared: &Shared, ledger: &Ledger) -> usize {
    let link = |to: &str| if to == "vendor" { "vendor link" } else { "authority link" };
    let kind = match what {
        What::Partition(replica, to) => {
            sim.partition(REPLICAS[replica], to);
            link(to)
        }
        What::OneWay(from, replica) => {
            sim.partition_oneway(from, REPLICAS[replica]);
            link(from)
        }
        What::Hold(replica, to) => {
            sim.hold(REPLICAS[replica], to);
            link(to)
        }
        What::CallersAway(replica) => {
            sim.partition("callers", REPLICAS[replica]);
            "callers link"
        }
        What::Crash(replica) => {
            sim.crash(REPLICAS[replica]);
            "replica"
        }
        What::CrashVendor(name) => {
            sim.crash(name);
            link(name)
        }
        What::VendorOut(status) => {
            vendor.set_mood(Mood { out: Some(status), ..usual });
            "vendor out"
        }
        What::AuthorityOut => {
            vendor.set_mood(Mood { authority_out: true, ..usual });
            "authority out"
        }
        What::Store => {
            shared.set_trouble(Trouble { stalls: 100, fails: 200, loses: 100 });
            "store"
        }
    };
    let entries = &mut *ledger.lock();
    entries.count(match what {
        What::Partition(..) | What::OneWay(..) | What::CallersAway(_) => "partitions",
        What::Hold(..) => "holds",
        What::Crash(_) => "crashes of a replica",
        What::CrashVendor(_) => "crashes of the vendor",
        What::VendorOut(_) | What::AuthorityOut => "outages of the vendor",
        What::Store => "troubles of the store",
    });
    entries.story.push(format!("{:9.3} fault: {what:?}", sim.elapsed().as_secs_f64()));
    entries.faults.push(Fault { from: sim.elapsed(), to: None, what: kind });
    entries.faults.len() - 1
}

fn end(sim: &mut Sim<'_>, what: What, vendor: &Vendor, usual: Mood, shared: &Shared) {
    match what {
        What::Partition(replica, to) => sim.repair(REPLICAS[replica], to),
        What::OneWay(from, replica) => sim.repair_oneway(from, REPLICAS[replica]),
        What::Hold(replica, to) => sim.release(REPLICAS[replica], to),
        What::CallersAway(replica) => sim.repair("callers", REPLICAS[replica]),
        What::Crash(replica) => sim.bounce(REPLICAS[replica]),
        What::CrashVendor(name) => sim.bounce(name),
        What::VendorOut(_) | What::AuthorityOut => vendor.set_mood(usual),
        What::Store => shared.set_trouble(Trouble::default()),
    }
}

/// The server, as the binary runs it.
async fn replica(
    number: usize,
    shared: Shared,
    vault: Vault,
    ledger: Ledger,
    escrow: PathBuf,
    forgives: bool,
) -> turmoil::Result {
    let mut config = Config { store: "sqlite::memory:".into(), escrow: Some(escrow), ..Config::default() };
    config.upstream.dangerous_allow_private_addresses = true;
    config.edge.drain_delay = Time::from_secs(0);
    let provider = ProviderConfig {
        base_url: Some(format!("http://vendor:{}", vendor::API)),
        token_url: Some(format!("http://authority:{}/token", vendor::AUTHORITY)),
        client_id: Some("our-app".into()),
        client_secret: Some(serde_json::from_value(json!("app-s3cret"))?),
        ..ProviderConfig::default()
    };
    config.providers.insert("fake".to_owned(), provider);
    let surroundings = Surroundings { clock: Clock::told_by(wall, elapsed), dial: Some(Arc::new(Dialler)) };
    let files = provider::files(forgives);
    let running = serve::build_in(surroundings, &config, shared.store(), vault, &files).await?;
    let listeners = Listeners { api: Listener::bind(API).await?, admin: Listener::bind(ADMIN).await? };
    ledger.tell(format!("replica {} serves", REPLICAS[number]));
    ledger.lock().starts.push(elapsed());
    serve::run(running, listeners, std::future::pending()).await;
    Ok(())
}

/// Connections and keys, from before the time that is played. Returns a key of each tenant.
fn prepare(shared: &Shared, vault: &Vault, accounts: usize, life: Duration) -> turmoil::Result<Arc<[String]>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let keys = serve::keys(&shared.store(), vault).await?;
        let mut made = Vec::new();
        for tenant in TENANTS {
            let new = NewKey::with_scopes(Mode::Test, "read,write,passthrough".parse()?);
            made.push(keys.create(TenantId(tenant.into()), new).await?.0);
        }
        for account in 0..accounts {
            let row = row(vault, account, life)?;
            shared.model().insert(row, Along::default()).await?;
        }
        Ok(made.into())
    })
}

fn row(vault: &Vault, account: usize, life: Duration) -> turmoil::Result<Row> {
    let tenant = TenantId(TENANTS[account % TENANTS.len()].into());
    // The order of ids is the order in which renewals come: they are not left to chance.
    let id = ConnectionId(format!("conn_{account:020}").into());
    let ends = wall() + life;
    let credentials = json!({
        "type": "oauth2",
        "access_token": vendor::access_token(account, 0),
        "refresh_token": vendor::refresh_token(account, 0),
        "expires_at": ends.to_string(),
        "client_id": "our-app",
    });
    let at = SealedAt::Connection { tenant: tenant.clone(), id: id.clone(), generation: 1 };
    let sealed = at.with_place(|place| vault.seal(place, credentials.to_string().as_bytes()))?;
    let connection = Connection {
        id,
        tenant,
        provider: "fake".into(),
        customer_id: format!("customer{account}").into(),
        state: State::Active,
        state_reason: None,
        settings: Map::new(),
        scopes: Vec::new(),
        last_error: None,
        log_bodies_until: None,
        created_at: wall(),
        updated_at: wall(),
    };
    let times = Times {
        refreshed_at: Some(wall()),
        next_refresh_at: Some(wall() + life / 2),
        expires_at: Some(ends),
        last_used_at: None,
    };
    Ok(Row { connection, paused: false, times, revision: 1, generation: 1, sealed, failing: None })
}

/// Where escrow files survive crashes; gone with the run.
struct Folder(PathBuf);

impl Folder {
    fn new(seed: u64) -> std::io::Result<Self> {
        let here = std::thread::current().id();
        let name = format!("throughline-simulation-{}-{seed}-{here:?}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
