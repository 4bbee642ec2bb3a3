//! `serve`: runs until SIGTERM or Ctrl-C, which begin an orderly end; a second one ends the process at once. Exit codes:
//! 0 after an orderly end, 1 if it could not start or requests had to be cut off, 130 and 143 after a second Ctrl-C or
//! SIGTERM.

use std::path::PathBuf;

use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;
use crate::serve::{self, Ended, Listeners, StartError};
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
        Config::load(self.config.as_deref(), std::env::vars()).map_err(|faults| faults.join("\n"))
    }
}

pub fn serve(args: &ConfigArg) -> u8 {
    let started = args.load().and_then(|config| {
        telemetry::init(config.log.format, &config.log.level).map_err(|error| error.to_string())?;
        Ok(config)
    });
    let outcome = started.and_then(|config| {
        let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
        runtime.block_on(served(&config)).map_err(|error| error.to_string())
    });
    match outcome {
        Ok(Ended { cut: 0 }) => 0,
        // It has been logged.
        Ok(Ended { .. }) => 1,
        Err(text) => {
            eprintln!("throughline: {text}");
            1
        }
    }
}

async fn served(config: &Config) -> Result<Ended, StartError> {
    let vault = serve::open_vault(config, std::env::var(VAULT_KEY).ok().as_deref())?;
    let store = serve::open_store(config, Role::Serve).await?;
    let running = serve::build(config, store, vault).await?;
    let listeners = Listeners { api: bind(&config.listen).await?, admin: bind(&config.admin_listen).await? };
    let address = |listener: &TcpListener| listener.local_addr().map(|at| at.to_string()).unwrap_or_default();
    tracing::info!(api = address(&listeners.api), admin = address(&listeners.admin), "Ready");
    Ok(serve::run(running, listeners, stop_signal()).await)
}

pub async fn bind(address: &str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Listen(address.to_owned(), error))
}

/// SIGTERM or Ctrl-C; from then on, the next one ends the process.
pub async fn stop_signal() {
    let signals = Signals::listen();
    let Ok(mut signals) = signals else { return std::future::pending().await };
    signals.next().await;
    tokio::spawn(async move {
        let code = signals.next().await;
        tracing::error!(code, "A second signal: the process ends at once");
        std::process::exit(code);
    });
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
    async fn next(&mut self) -> i32 {
        let number = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        };
        128 + number.as_raw_value()
    }
}
