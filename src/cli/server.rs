//! `serve`: runs until SIGTERM or Ctrl-C.

use std::path::PathBuf;

use clap::Args;
use tokio::net::TcpListener;

use crate::config::Config;
use crate::serve::{self, Listeners, StartError};
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
        Ok(()) => 0,
        Err(text) => {
            eprintln!("throughline: {text}");
            1
        }
    }
}

async fn served(config: &Config) -> Result<(), StartError> {
    let vault = serve::open_vault(config, std::env::var(VAULT_KEY).ok().as_deref())?;
    let store = serve::open_store(config, Role::Serve).await?;
    let running = serve::build(config, store, vault).await?;
    let listeners = Listeners { api: bind(&config.listen).await?, admin: bind(&config.admin_listen).await? };
    let address = |listener: &TcpListener| listener.local_addr().map(|at| at.to_string()).unwrap_or_default();
    tracing::info!(api = address(&listeners.api), admin = address(&listeners.admin), "Ready");
    serve::run(running, listeners, stop_signal()).await;
    Ok(())
}

pub async fn bind(address: &str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Listen(address.to_owned(), error))
}

/// SIGTERM or Ctrl-C.
pub async fn stop_signal() {
    let interrupted = tokio::signal::ctrl_c();
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = interrupted => {}
        () = terminated => {}
    }
}
