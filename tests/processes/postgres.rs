//! A throwaway PostgreSQL server of one test's own, which may do with it what it likes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub struct Postgres {
    pub url: String,
    folder: PathBuf,
    programs: PathBuf,
}

const UP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/counterparts/postgres-up.sh");

/// Where PostgreSQL's own programs are, if it is installed.
pub fn programs() -> Option<PathBuf> {
    let found = Command::new(UP).arg("--find").stderr(Stdio::null()).output().expect("a shell");
    found.status.success().then(|| String::from_utf8(found.stdout).expect("a path").trim().into())
}

impl Postgres {
    /// `None`, after saying so, where it is not installed.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else { return crate::skipped("PostgreSQL is not installed") };
        let up = Command::new(UP).stderr(Stdio::null()).output().expect("a shell");
        assert!(up.status.success(), "PostgreSQL did not start");
        let said = String::from_utf8(up.stdout).expect("text");
        let value = |name: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_else(|| panic!("{name} is missing")).to_owned()
        };
        let url = format!("{}?sslmode=disable", value("THROUGHLINE_TEST_POSTGRES"));
        Some(Self { url, folder: value("POSTGRES_DIR").into(), programs })
    }

    /// The URL of another, empty database on it.
    pub fn database(&self, name: &str) -> String {
        self.run("psql", &["--quiet", "--command", &format!("CREATE DATABASE {name}"), &self.url]);
        let (server, _) = self.url.rsplit_once('/').expect("a database in the URL");
        format!("{server}/{name}?sslmode=disable")
    }

    /// Runs one of PostgreSQL's own programs.
    pub fn run(&self, program: &str, arguments: &[&str]) {
        let output = Command::new(self.programs.join(program)).args(arguments).output().expect("it is installed");
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// As after a crash of the server; returns once it takes connections again.
    pub fn restart(&self) {
        assert!(self.control(&["restart", "-m", "immediate", "-w"]), "PostgreSQL did not start again");
    }

    pub fn stop(&self) {
        assert!(self.control(&["stop", "-m", "immediate", "-w"]), "PostgreSQL did not stop");
    }

    pub fn start_again(&self) {
        assert!(self.control(&["start", "-w"]), "PostgreSQL did not start again");
    }

    fn control(&self, arguments: &[&str]) -> bool {
        let data = self.folder.join("data");
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("runuser");
                command.args(["-u", "postgres", "--"]).arg(self.programs.join("pg_ctl"));
                command
            }
            false => Command::new(self.programs.join("pg_ctl")),
        };
        command.args(arguments).arg("-D").arg(data).arg("-l").arg(self.folder.join("log"));
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.control(&["stop", "-m", "immediate"]);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(Path::new("/proc/self")).is_ok_and(|process| process.uid() == 0)
}
