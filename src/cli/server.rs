//! `serve`: runs until SIGTERM or Ctrl-C, which begin an orderly end; a second one ends the process at once. Exit codes:
//! 0 after an orderly end, 1 if it could not start or requests had to be cut off, 130 and 143 after a second Ctrl-C or
//! SIGTERM. A service manager that gave it a NOTIFY_SOCKET (systemd: Type=notify) is told when it is ready and when it ends.

use std::convert::Infallible;
use std::path::PathBuf;

use clap::Args;
use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::catalog::Node;
use crate::config::Config;
use crate::serve::{self, Listeners, Running, StartError};
use crate::store::Role;
use crate::telemetry;

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct ConfigArg {
    /// The configuration file; deploy/config.default.yaml is its manual.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The name of the variable that may hold the vault's key.
pub const VAULT_KEY: &str = "THROUGHLINE_VAULT_KEY";

impl ConfigArg {
    pub fn load(&self) -> Result<Config, String> {
        self.read().map(|(config, _)| config)
    }

    /// The same, with where each value stands.
    pub fn read(&self) -> Result<(Config, Node), String> {
        Config::read(self.config.as_deref(), environment()?).map_err(|faults| faults.join("\n"))
    }
}

/// The variables that are text: others are not for us, unless they bear our name.
fn environment() -> Result<Vec<(String, String)>, String> {
    let ours = |name: &String| name.starts_with("THROUGHLINE_");
    let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let texts = variables.filter(|(name, _)| ours(name)).map(|(name, value)| match value.into_string() {
        Ok(value) => Ok((name, value)),
        Err(_) => Err(format!("{name}: its value is not UTF-8")),
    });
    texts.collect()
}

/// The vault's key from the environment. An empty variable says nothing.
pub fn vault_key() -> Option<String> {
    std::env::var(VAULT_KEY).ok().filter(|key| !key.trim().is_empty())
}

pub fn serve(args: &ConfigArg) -> u8 {
    let started = args.load().and_then(|config| {
        let level = telemetry::init(config.log.format, &config.log.level).map_err(|error| error.to_string())?;
        Ok((config, level))
    });
    finish(started.and_then(|(config, level)| {
        in_threads(async {
            let served = async { served(&config).await.map_err(|error| error.to_string()) };
            tokio::select! {
                code = served => code,
                never = change_level(args, &level) => match never {},
            }
        })
    }))
}

/// On SIGHUP, what is logged is read from the configuration again.
async fn change_level(args: &ConfigArg, level: &telemetry::Level) -> Infallible {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return std::future::pending().await };
    loop {
        if hangup.recv().await.is_none() {
            return std::future::pending().await;
        }
        let changed = args.load().and_then(|config| {
            level.set(&config.log.level).map_err(|error| error.to_string())?;
            Ok(config.log.level)
        });
        match changed {
            Ok(level) => tracing::info!(level, "What is logged was read from the configuration again"),
            Err(faults) => tracing::error!(faults, "What is logged stays as it was"),
        }
    }
}

/// The exit code, after what went wrong was said.
pub fn finish(outcome: Result<u8, String>) -> u8 {
    outcome.unwrap_or_else(|text| {
        eprintln!("throughline: {text}");
        1
    })
}

/// Runs `work` to its end, and waits for nothing that it has left behind.
pub fn in_threads(work: impl Future<Output = Result<u8, String>>) -> Result<u8, String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_background();
    outcome
}

async fn served(config: &Config) -> Result<u8, StartError> {
    let vault = serve::open_vault(config, vault_key().as_deref())?;
    let store = serve::open_store(config, Role::Serve).await?;
    let migrated = store.migrated();
    if migrated.is_newer() {
        let (schema, known) = (migrated.to, migrated.known);
        tracing::warn!(
            schema,
            known,
            "The store was used by a newer release; this one can work on it until it is replaced"
        );
    }
    let running = serve::build(config, store, vault).await?;
    let listeners = Listeners { api: bind(&config.listen).await?, admin: bind(&config.admin_listen).await? };
    let address = |listener: &TcpListener| listener.local_addr().map(|at| at.to_string()).unwrap_or_default();
    tracing::info!(api = address(&listeners.api), admin = address(&listeners.admin), "Ready");
    until_signalled(running, listeners).await
}

pub async fn bind(address: &str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Listen(address.to_owned(), error))
}

/// Serves until SIGTERM or Ctrl-C, and then until all is in order or a second one comes. The exit code.
pub async fn until_signalled(running: Running, listeners: Listeners) -> Result<u8, StartError> {
    let mut signals = Signals::listen().map_err(StartError::Signals)?;
    // The listeners take connections from here on, which wait for the few steps that are left.
    tell_manager(NotifyState::Ready);
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = serve::run(running, listeners, async {
        let _ = stopped.await;
    });
    let signalled = async {
        signals.next().await;
        tell_manager(NotifyState::Stopping);
        drop(stop);
        signals.next().await
    };
    tokio::select! {
        // What was cut off has been logged.
        ended = serving => Ok(u8::from(ended.cut > 0)),
        code = signalled => {
            tracing::error!(code, "A second signal: the process ends at once");
            Ok(code)
        }
    }
}

fn tell_manager(state: NotifyState<'_>) {
    // One that hears nothing will say so itself, by its own limit.
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "The service manager could not be told");
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The exit code of a process that the next signal ends: 128 and its number.
    async fn next(&mut self) -> u8 {
        let number = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        };
        u8::try_from(128 + number.as_raw_value()).unwrap_or(u8::MAX)
    }
}
