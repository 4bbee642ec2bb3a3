//! The commands for those who write mappings.

use std::io::Read;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value};

use crate::author::{self, ExplainRequest, Report};
use crate::catalog::{Catalog, Files, Options};
use crate::mapping::Engine;

#[derive(Debug, Args)]
pub struct Mappings {
    /// A folder laid over the embedded mappings: its providers replace those of the same name.
    #[arg(long, value_name = "DIR")]
    mappings: Option<PathBuf>,
    /// Deployment overrides, laid over the resources.
    #[arg(long, value_name = "DIR")]
    overrides: Option<PathBuf>,
    /// The JSONata engine: jsonata-core or jsonata-rs.
    #[arg(long, default_value = "jsonata-core")]
    engine: String,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    mappings: Mappings,
    /// Every expression must be one that both engines can compile; tells what no example shows (of the providers in
    /// the folder, where there is one).
    #[arg(long)]
    strict: bool,
    /// The same as --mappings.
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct TestArgs {
    #[command(flatten)]
    mappings: Mappings,
    /// Only this provider's examples.
    #[arg(long)]
    provider: Option<String>,
    /// The same as --mappings.
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    #[command(flatten)]
    mappings: Mappings,
    #[arg(long)]
    provider: String,
    #[arg(long)]
    resource: String,
    #[arg(long)]
    operation: String,
    /// The call as JSON, with the words of an example's `call`.
    #[arg(long, default_value = "{}")]
    call: String,
    /// The connection's settings as JSON.
    #[arg(long, default_value = "{}")]
    settings: String,
    /// A file with a vendor's answer (- for standard input): shows the unified answer, too.
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct SchemasArgs {
    /// Where the schemas are written.
    #[arg(default_value = "mappings/schemas")]
    into: PathBuf,
}

impl Mappings {
    fn load(&self, folder: Option<&PathBuf>) -> Result<(Files, Options), String> {
        let mut files = Files::embedded();
        if let Some(folder) = folder.or(self.mappings.as_ref()) {
            files = files.laid_over(Files::folder(folder).map_err(|problem| problem.to_string())?);
        }
        if let Some(folder) = &self.overrides {
            files = files.with_overrides(Files::folder(folder).map_err(|problem| problem.to_string())?);
        }
        let engine = match self.engine.as_str() {
            "jsonata-core" => Engine::Core,
            "jsonata-rs" => Engine::Rs,
            other => return Err(format!("{other:?} is not an engine: jsonata-core or jsonata-rs")),
        };
        Ok((files, Options { engine, ..Options::default() }))
    }

    /// The providers of the folder that lies over the embedded mappings.
    fn own(&self, folder: Option<&PathBuf>) -> Result<Vec<String>, String> {
        let Some(folder) = folder.or(self.mappings.as_ref()) else { return Ok(Vec::new()) };
        let files = Files::folder(folder).map_err(|problem| problem.to_string())?;
        Ok(files.providers().into_iter().map(str::to_owned).collect())
    }

    /// The catalog that the files make, or everything that is wrong with them.
    pub(super) fn catalog(&self) -> Result<Catalog, String> {
        let (files, options) = self.load(None)?;
        Catalog::load(&files, &options)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }
}

pub fn check(args: &CheckArgs) -> u8 {
    let folder = args.folder.as_ref();
    let loaded = args.mappings.load(folder).and_then(|loaded| Ok((loaded, args.mappings.own(folder)?)));
    finish(loaded.map(|((files, options), own)| author::check(&files, &options, args.strict, &own)))
}

pub fn test(args: &TestArgs) -> u8 {
    let loaded = args.mappings.load(args.folder.as_ref());
    finish(loaded.and_then(|(files, options)| {
        in_runtime(async { author::test(&files, &options, args.provider.as_deref()).await })
    }))
}

pub fn explain(args: &ExplainArgs) -> u8 {
    match explained(args) {
        Ok(value) => {
            super::say(format_args!("{value:#}"));
            0
        }
        Err(text) => failed(&text),
    }
}

fn explained(args: &ExplainArgs) -> Result<Value, String> {
    let catalog = args.mappings.catalog()?;
    let json = |what: &str, text: &str| {
        serde_json::from_str::<Value>(text).map_err(|error| format!("{what} is not JSON: {error}"))
    };
    let settings = match json("--settings", &args.settings)? {
        Value::Object(settings) => settings,
        _ => Map::new(),
    };
    let asked = ExplainRequest {
        provider: args.provider.clone(),
        resource: args.resource.clone(),
        operation: args.operation.clone(),
        settings,
        call: json("--call", &args.call)?,
    };
    let payload = match &args.payload {
        Some(path) => Some(json("the payload", &read(path)?)?),
        None => None,
    };
    in_runtime(async {
        match payload {
            Some(payload) => {
                let request = author::explain_request(&catalog, &asked).await?;
                let answer = author::explain_record(&catalog, &asked, payload).await?;
                Ok(serde_json::json!({"request": request, "answer": answer}))
            }
            None => author::explain_request(&catalog, &asked).await,
        }
    })?
    .map_err(|error| format!("{error:?}"))
}

fn read(path: &PathBuf) -> Result<String, String> {
    let mut text = String::new();
    let result = if path.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text))
    };
    result.map(|_| text).map_err(|error| format!("{}: {error}", path.display()))
}

pub fn schemas(args: &SchemasArgs) -> u8 {
    for (name, schema) in author::schemas() {
        let path = args.into.join(name);
        let written = std::fs::create_dir_all(&args.into).and_then(|()| std::fs::write(&path, format!("{schema:#}\n")));
        if let Err(error) = written {
            return failed(&format!("{}: {error}", path.display()));
        }
        super::say(path.display());
    }
    0
}

fn finish(report: Result<Report, String>) -> u8 {
    match report {
        Ok(report) => {
            report.lines.iter().for_each(super::say);
            u8::from(report.failed)
        }
        Err(text) => failed(&text),
    }
}

pub(super) fn failed(text: &str) -> u8 {
    eprintln!("throughline: {text}");
    1
}

pub(super) fn in_runtime<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(|error| error.to_string())?.block_on(work))
}
