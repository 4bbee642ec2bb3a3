//! Another revision of the catalog while requests go on: all of it at once, or nothing.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::load::{Catalog, Files, Options};
use super::source::Problem;
use crate::telemetry::{Metrics, Reloaded};

/// How often the folders are looked at. A change counts once nothing has changed for one such time, so that a folder
/// that is being copied is not read half-way.
const LOOK: Duration = Duration::from_secs(1);

/// Where mapping files come from besides those that the binary ships with.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    pub mappings: Option<PathBuf>,
    pub overrides: Option<PathBuf>,
}

impl Sources {
    pub fn read(&self) -> Result<Files, Problem> {
        let mut files = Files::embedded();
        if let Some(folder) = &self.mappings {
            files = files.laid_over(Files::folder(folder)?);
        }
        if let Some(folder) = &self.overrides {
            files = files.with_overrides(Files::folder(folder)?);
        }
        Ok(files)
    }

    /// Changes whenever a file does. Folders that a symbolic link leads to are followed.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for folder in self.mappings.iter().chain(&self.overrides) {
            look(folder, &mut hasher);
        }
        hasher.finish()
    }
}

fn look(folder: &Path, hasher: &mut DefaultHasher) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    for path in paths {
        let Ok(about) = std::fs::metadata(&path) else { continue };
        path.hash(hasher);
        if about.is_dir() {
            look(&path, hasher);
        } else {
            about.len().hash(hasher);
            about.modified().ok().hash(hasher);
        }
    }
}

/// What became of a reload.
#[derive(Debug)]
pub struct Reload {
    /// The revision that was in place.
    pub before: String,
    /// The one that is in place now, or why it is the one before.
    pub now: Result<String, Vec<Problem>>,
}

/// Loads revisions and puts them in place.
pub struct Reloader {
    sources: Sources,
    options: Options,
    catalog: super::Shared,
    metrics: Arc<Metrics>,
}

impl Reloader {
    pub fn new(sources: Sources, options: Options, catalog: super::Shared, metrics: Arc<Metrics>) -> Self {
        Self { sources, options, catalog, metrics }
    }

    /// Any problem keeps the revision before.
    pub async fn reload(&self) -> Reload {
        let before = self.catalog.load().revision.clone();
        Reload { before, now: self.load().await }
    }

    async fn load(&self) -> Result<String, Vec<Problem>> {
        let (sources, options) = (self.sources.clone(), self.options.clone());
        let loading = tokio::task::spawn_blocking(move || {
            let files = sources.read().map_err(|problem| vec![problem])?;
            Catalog::load(&files, &options)
        });
        let gave_up =
            |_| vec![Problem { file: "mappings".into(), line: 0, message: "they could not be loaded".into() }];
        match loading.await.map_err(gave_up).flatten() {
            Ok(catalog) => {
                let revision = catalog.revision.clone();
                self.metrics.catalog_loaded(&catalog.vocabulary());
                self.metrics.reload(Reloaded::Ok);
                self.catalog.store(Arc::new(catalog));
                tracing::info!(revision, "The mappings were loaded anew");
                Ok(revision)
            }
            Err(problems) => {
                self.metrics.reload(Reloaded::Refused);
                for problem in &problems {
                    tracing::error!(%problem, "The mappings have a problem; those before stay in place");
                }
                Err(problems)
            }
        }
    }

    /// The folders as they are from now on.
    pub async fn watch(&self) -> Watch {
        let sources = self.sources.clone();
        let known = fingerprint(&sources).await;
        Watch { sources, known }
    }
}

/// Looks at the folders.
pub struct Watch {
    sources: Sources,
    known: u64,
}

impl Watch {
    /// Resolves when the folders have changed and come to rest.
    pub async fn changed(&mut self) {
        if self.sources.mappings.is_none() && self.sources.overrides.is_none() {
            return std::future::pending().await;
        }
        let mut seen = self.known;
        loop {
            tokio::time::sleep(LOOK).await;
            let now = fingerprint(&self.sources).await;
            if now == seen && now != self.known {
                self.known = now;
                return;
            }
            seen = now;
        }
    }
}

async fn fingerprint(sources: &Sources) -> u64 {
    let sources = sources.clone();
    tokio::task::spawn_blocking(move || sources.fingerprint()).await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bad_file_keeps_the_revision_before() {
        let folder = std::env::temp_dir().join(format!("throughline-reload-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("acme")).expect("a folder");
        let sources = Sources { mappings: Some(folder.clone()), overrides: None };
        let first = Catalog::load(&sources.read().expect("files"), &Options::default()).expect("good mappings");
        let before = first.revision.clone();
        let catalog: super::super::Shared = Arc::new(arc_swap::ArcSwap::from_pointee(first));
        let metrics = Metrics::new().expect("the families");
        let reloader = Reloader::new(sources, Options::default(), catalog.clone(), metrics);

        std::fs::write(folder.join("acme/provider.yaml"), "titel: x\n").expect("written");
        let problems = reloader.reload().await.now.expect_err("a bad file");
        assert!(problems.iter().any(|problem| problem.to_string().contains("provider.yaml:1")), "{problems:?}");
        assert_eq!(catalog.load().revision, before);

        let good = "title: X\nbase_url: https://x.test\nhosts: { api: ['https://x.test'] }\nauth: { token: {} }\n";
        std::fs::write(folder.join("acme/provider.yaml"), good).expect("written");
        let reloaded = reloader.reload().await;
        assert_eq!(reloaded.before, before);
        assert!(reloaded.now.expect("a good file") != before && catalog.load().provider("acme").is_some());
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
