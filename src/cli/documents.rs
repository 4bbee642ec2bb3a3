//! The commands that print what is made of the mappings for people and machines to read.

use std::path::{Path, PathBuf};

use clap::Args;

use super::mappings::Mappings;
use crate::catalog::Catalog;
use crate::{api, author};

#[derive(Debug, Args)]
pub struct CoverageArgs {
    #[command(flatten)]
    mappings: Mappings,
    /// Writes the table between the marks of this Markdown file instead of printing it.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct OpenapiArgs {
    #[command(flatten)]
    mappings: Mappings,
}

pub fn openapi(args: &OpenapiArgs) -> u8 {
    finish(args.mappings.catalog().map(|catalog| super::say(format_args!("{:#}", api::openapi::document(&catalog)))))
}

pub fn coverage(args: &CoverageArgs) -> u8 {
    finish(args.mappings.catalog().and_then(|catalog| covered(&catalog, args.write.as_deref())))
}

fn covered(catalog: &Catalog, file: Option<&Path>) -> Result<(), String> {
    let table = author::matrix(catalog);
    let Some(file) = file else {
        super::say(table.trim_end());
        return Ok(());
    };
    let failed = |error: String| format!("{}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    let text = author::with_matrix(&text, &table).map_err(failed)?;
    std::fs::write(file, text).map_err(|error| failed(error.to_string()))
}

fn finish(outcome: Result<(), String>) -> u8 {
    match outcome {
        Ok(()) => 0,
        Err(text) => super::mappings::failed(&text),
    }
}
