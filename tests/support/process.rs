//! The real binary as a child process that does not outlive its test.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

pub struct Process(pub Child);

/// The binary, with an environment that configures nothing.
pub fn throughline() -> Command {
    throughline_at(env!("CARGO_BIN_EXE_throughline").as_ref())
}

/// The same with a binary of another release.
pub fn throughline_at(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    let ours = std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("THROUGHLINE_"));
    for name in ours {
        command.env_remove(name);
    }
    command
}

/// A new folder for one test.
pub fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

/// A port that was free a moment ago.
pub fn free_port() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

impl Process {
    pub fn start(mut command: Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().expect("the binary starts"))
    }

    /// Starts `demo` and reads the line in which it says that it is ready.
    pub fn demo() -> (Self, Value) {
        let mut command = throughline();
        command.args(["demo", "--port", "0", "--admin-port", "0"]).stdout(Stdio::piped());
        let mut process = Self::start(command);
        let output = process.0.stdout.take().expect("standard output");
        for line in BufReader::new(output).lines() {
            let line = line.expect("text");
            if let Some(ready) = line.strip_prefix("ready ") {
                return (process, serde_json::from_str(ready).expect("JSON behind `ready`"));
            }
        }
        panic!("demo ended before it was ready");
    }

    /// Resolves once the address accepts connections; the process is alive until then.
    pub async fn listening(&mut self, address: SocketAddr) {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
        loop {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return;
            }
            let ended = self.0.try_wait().expect("a child of this process");
            assert!(ended.is_none(), "the server ended early: {ended:?}");
            ticks.tick().await;
        }
    }

    /// Memory in use. KiB.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("the process lives");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a VmRSS line");
        line.split_whitespace().nth(1).and_then(|size| size.parse().ok()).expect("a size")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
