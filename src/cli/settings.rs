//! `config`: what a server with this file and this environment would run with, and where each value comes from.

use clap::Args;

use super::server::{ConfigArg, VAULT_KEY, finish, vault_key};
use crate::config::effective;

#[derive(Debug, Args)]
pub struct SettingsArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// One JSON object by dotted name instead of YAML that can be read back.
    #[arg(long)]
    json: bool,
}

pub fn settings(args: &SettingsArgs) -> u8 {
    finish(shown(args).map(|text| {
        super::say(text.trim_end());
        0
    }))
}

fn shown(args: &SettingsArgs) -> Result<String, String> {
    let (config, given) = args.config.read()?;
    let settings = effective::settings(&config, &given).map_err(|error| error.to_string())?;
    if args.json {
        return Ok(format!("{:#}", effective::to_json(&settings)));
    }
    let key = match vault_key() {
        Some(_) => format!("# {VAULT_KEY} is set, and comes before `vault`.\n"),
        None => String::new(),
    };
    Ok(format!(
        "# Every setting, and where it comes from. Secrets are hidden; passwords in URLs are left out.\n{key}{}",
        effective::to_yaml(&settings)
    ))
}
