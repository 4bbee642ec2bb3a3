//! `new`: the folder of a new provider, from flags, from answers at a terminal, or from an OpenAPI document.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;

use super::mappings::{failed, in_runtime};
use crate::author::{self, AUTH, Answers};

#[derive(Debug, Args)]
pub struct NewArgs {
    /// Lower-case letters, digits and hyphens. At a terminal, what is not given is asked for.
    name: Option<String>,
    /// Where the folder is written.
    #[arg(long, default_value = "mappings")]
    into: PathBuf,
    /// The vendor's OpenAPI 3 document, JSON or YAML: resources, fields, paging and credentials are guessed from it.
    #[arg(long, value_name = "FILE")]
    openapi: Option<PathBuf>,
    /// With --openapi: which path serves a resource, such as contacts=/v1/people. May be given several times.
    #[arg(long, value_name = "NAME=/PATH", value_parser = pick, requires = "openapi")]
    resource: Vec<(String, String)>,
    /// What all paths of the API are relative to.
    #[arg(long, value_name = "URL", conflicts_with = "openapi")]
    base_url: Option<String>,
    /// How credentials are sent: token, header, basic or oauth2.
    #[arg(long, value_name = "KIND", conflicts_with = "openapi")]
    auth: Option<String>,
    /// Unified resources, with commas between them.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "openapi")]
    resources: Option<Vec<String>>,
}

fn pick(text: &str) -> Result<(String, String), String> {
    let (name, path) = text.split_once('=').ok_or("it is NAME=/path, such as contacts=/v1/people")?;
    Ok((name.trim().to_owned(), path.trim().to_owned()))
}

pub fn new(args: &NewArgs) -> u8 {
    match in_runtime(made(args)).flatten() {
        Ok(()) => 0,
        Err(text) => failed(&text),
    }
}

async fn made(args: &NewArgs) -> Result<(), String> {
    let asks = std::io::stdin().is_terminal();
    let name = match &args.name {
        Some(name) => name.clone(),
        None if asks => ask("Name (a folder: lower-case letters, digits, hyphens)", "acme")?,
        None => return Err("a provider has a name: throughline new acme".into()),
    };
    author::check_name(&name)?;
    let (files, notes) = match &args.openapi {
        Some(document) => {
            let draft = author::from_openapi(&name, document, &args.resource).await?;
            (draft.files, draft.notes)
        }
        None => (author::scaffold(&answers(args, &name, asks)?).await?, Vec::new()),
    };
    let written = author::write_folder(&args.into, &name, &files)?;
    notes.iter().for_each(|note| eprintln!("{note}"));
    written.iter().for_each(super::say);
    let into = args.into.display();
    super::say(format_args!("next: throughline check {into} && throughline test {into} --provider {name}"));
    Ok(())
}

/// Flags as they are; the rest is asked for at a terminal, and taken as usual elsewhere.
fn answers(args: &NewArgs, name: &str, asks: bool) -> Result<Answers, String> {
    let usual = Answers::of(name);
    // Somebody who gives flags is no beginner who wants to be asked for the others.
    let asks = asks && args.base_url.is_none() && args.auth.is_none() && args.resources.is_none();
    if !asks {
        return Ok(Answers {
            base_url: args.base_url.clone().unwrap_or(usual.base_url),
            auth: args.auth.clone().unwrap_or(usual.auth),
            resources: args.resources.clone().unwrap_or(usual.resources),
            name: usual.name,
        });
    }
    let base_url = ask("Base URL of the API", &usual.base_url)?;
    for (word, what) in AUTH {
        eprintln!("  {word:<8}{what}");
    }
    let auth = ask("Credentials", &usual.auth)?;
    let resources = ask("Resources, with commas between them", &usual.resources.join(","))?;
    let resources = resources.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    Ok(Answers { name: usual.name, base_url, auth, resources })
}

/// One line from the terminal; an empty one is the usual answer.
fn ask(question: &str, usual: &str) -> Result<String, String> {
    eprint!("{question} [{usual}]: ");
    let _ = std::io::stderr().flush();
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|error| error.to_string())?;
    let line = line.trim();
    Ok(if line.is_empty() { usual.to_owned() } else { line.to_owned() })
}
