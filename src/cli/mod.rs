//! The command line: what can be said, and which code does it.

mod audit;
mod connections;
mod demo;
mod documents;
mod keys;
mod mappings;
mod new;
mod server;
mod settings;
mod store;
mod vault;

use clap::{Parser, Subcommand};

/// A unified CRM API that passes every request through, in real time.
#[derive(Debug, Parser)]
#[command(name = "throughline", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the proxy with stand-ins for the vendors and records in them: nothing to set up.
    Demo(demo::DemoArgs),
    /// Serve requests.
    Serve(server::ConfigArg),
    /// Print every setting with its value and where it comes from; secrets are hidden.
    Config(settings::SettingsArgs),
    /// Make, list and revoke API keys.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// See and end customers' connections.
    #[command(subcommand)]
    Connections(connections::ConnectionsCommand),
    /// Who did what with customers' accounts.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// The key that credentials are sealed with.
    #[command(subcommand)]
    Vault(vault::VaultCommand),
    /// Bring the store's schema up to date, copy it to another store, back it up.
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Check all mapping files and report everything that is wrong with file and line.
    Check(mappings::CheckArgs),
    /// Run the examples of all providers, or of one.
    Test(mappings::TestArgs),
    /// Show the vendor request that a call becomes, or the record that a vendor's payload becomes.
    Explain(mappings::ExplainArgs),
    /// Write the folder of a new provider that passes check, from a few answers or from an OpenAPI document.
    New(new::NewArgs),
    /// Print what each provider can do, as a Markdown table.
    Coverage(documents::CoverageArgs),
    /// Print the OpenAPI document of the API as these mappings make it.
    Openapi(documents::OpenapiArgs),
    /// Write the JSON Schemas that editors check mapping files with.
    Schemas(mappings::SchemasArgs),
}

/// Runs the command; the number is the exit code.
pub fn run() -> u8 {
    match Cli::parse().command {
        Command::Demo(args) => demo::demo(&args),
        Command::Serve(args) => server::serve(&args),
        Command::Config(args) => settings::settings(&args),
        Command::Keys(command) => keys::keys(&command),
        Command::Connections(command) => connections::connections(&command),
        Command::Audit(command) => audit::audit(&command),
        Command::Vault(command) => vault::vault(&command),
        Command::Store(command) => store::store(&command),
        Command::Check(args) => mappings::check(&args),
        Command::Test(args) => mappings::test(&args),
        Command::Explain(args) => mappings::explain(&args),
        Command::New(args) => new::new(&args),
        Command::Coverage(args) => documents::coverage(&args),
        Command::Openapi(args) => documents::openapi(&args),
        Command::Schemas(args) => mappings::schemas(&args),
    }
}

/// A line on standard output. A reader that has gone (`| head`) is no reason to fail.
fn say(line: impl std::fmt::Display) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}
