//! `check` finds everything that is wrong at once; `test` runs the examples.

use super::coverage;
use super::example::{self, Placed};
use super::rehearse::rehearse;
use crate::catalog::{Catalog, Files, Options, Problem};
use crate::mapping::Engine;
use crate::sandbox::Sandbox;

/// What a tool has to say, and whether all is well.
#[derive(Debug, Default)]
pub struct Report {
    pub lines: Vec<String>,
    pub failed: bool,
}

impl Report {
    fn problems(problems: Vec<Problem>) -> Self {
        let count = problems.len();
        let mut lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.push(format!("{count} problem{}", if count == 1 { "" } else { "s" }));
        Self { lines, failed: true }
    }
}

/// Loads everything and reads all examples and stand-ins. `strict` demands that both engines can compile every expression, and tells
/// what of the providers `of` (without names: of all) no example shows. That fails nothing: it is work to do, not a fault.
pub fn check(files: &Files, options: &Options, strict: bool, of: &[String]) -> Report {
    let mut problems = Vec::new();
    let catalog = match Catalog::load(files, options) {
        Ok(catalog) => Some(catalog),
        Err(found) => {
            problems.extend(found);
            None
        }
    };
    if strict && problems.is_empty() {
        let other = Options { engine: Engine::Rs, ..options.clone() };
        problems.extend(Catalog::load(files, &other).err().unwrap_or_default());
    }
    let mut examples = 0;
    let mut holes = Vec::new();
    for provider in files.providers() {
        match example::load(files, provider) {
            Ok(found) => {
                examples += found.len();
                problems.extend(misplaced(&found, catalog.as_ref(), provider));
                let wanted = strict && (of.is_empty() || of.iter().any(|name| name == provider));
                if let Some(catalog) = catalog.as_ref().filter(|_| wanted) {
                    holes.extend(coverage::holes(catalog, provider, files, &found));
                }
            }
            Err(found) => problems.extend(found),
        }
        if let Some(text) = files.get(&format!("{provider}/sandbox.yaml")) {
            problems.extend(Sandbox::load(provider, text).err().unwrap_or_default());
        }
    }
    let Some(catalog) = catalog.filter(|_| problems.is_empty()) else { return Report::problems(problems) };
    let resources: usize = catalog.providers.values().map(|provider| provider.resources.len()).sum();
    let mut lines: Vec<String> = holes.iter().map(ToString::to_string).collect();
    if !holes.is_empty() {
        lines.push(format!("{} that no example shows", holes.len()));
    }
    lines.push(format!(
        "{} models, {} providers, {resources} resources, {examples} examples: no problems",
        catalog.models.len(),
        catalog.providers.len()
    ));
    Report { lines, failed: false }
}

/// Examples that name what is not there, say nothing of the outcome, or share a title.
fn misplaced(examples: &[Placed], catalog: Option<&Catalog>, provider: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut titles = std::collections::HashSet::new();
    for Placed { example, place } in examples {
        let mut problem = |message: String| {
            let (file, line) = place.rsplit_once(':').unwrap_or((place, "0"));
            problems.push(Problem { file: file.into(), line: line.parse().unwrap_or_default(), message });
        };
        if !titles.insert(&example.example) {
            problem(format!("there is another example called {:?}", example.example));
        }
        if example.answer.is_some() == example.problem.is_some() {
            problem("an example ends in either an `answer` or a `problem`".into());
        }
        if let Some(provider) = catalog.and_then(|catalog| catalog.provider(provider))
            && provider.resource(&example.resource).is_none()
        {
            let known = provider.resources.keys().cloned().collect::<Vec<_>>().join(", ");
            problem(format!("there is no resource `{}` ({known})", example.resource));
        }
    }
    problems
}

/// Runs all examples, of all providers or one.
pub async fn test(files: &Files, options: &Options, only: Option<&str>) -> Report {
    let catalog = match Catalog::load(files, options) {
        Ok(catalog) => catalog,
        Err(problems) => return Report::problems(problems),
    };
    if let Some(only) = only.filter(|only| catalog.provider(only).is_none()) {
        return Report { lines: vec![format!("there is no provider {only}")], failed: true };
    }
    let mut report = Report::default();
    let (mut passed, mut failed) = (0, 0);
    for provider in catalog.provider_names().filter(|name| only.is_none_or(|only| only == *name)) {
        let examples = match example::load(files, provider) {
            Ok(examples) => examples,
            Err(problems) => return Report::problems(problems),
        };
        for Placed { example, place } in examples {
            let differences = rehearse(&catalog, provider, &example).await;
            if differences.is_empty() {
                passed += 1;
                continue;
            }
            failed += 1;
            report.lines.push(format!("{place}: {}", example.example));
            for difference in differences {
                report.lines.extend(difference.lines().map(|line| format!("    {line}")));
            }
        }
    }
    if failed > 0 {
        report.lines.push("(- is what the example says, + what the mapping does)".into());
    }
    report.lines.push(format!("{passed} passed, {failed} failed"));
    report.failed = failed > 0;
    report
}
