//! A Redis of one test, which can be flushed, ended and started again.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::free_port;

pub struct RedisServer {
    port: u16,
    process: Option<Child>,
    /// What its command line says besides.
    options: Vec<String>,
    /// It answers in TLS alone, so that only its port is looked at.
    secure: bool,
}

impl RedisServer {
    /// `None` where it is not installed. THROUGHLINE_REQUIRE_REDIS makes its absence a failure.
    pub async fn start() -> Option<Self> {
        Self::with(&[]).await
    }

    /// The same with these options of its own.
    pub async fn with(options: &[&str]) -> Option<Self> {
        let secure = options.contains(&"--tls-cert-file");
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut server = Self { port: free_port().port(), process: None, options, secure };
        if server.begin().await {
            return Some(server);
        }
        let required = std::env::var_os("THROUGHLINE_REQUIRE_REDIS").is_some();
        assert!(!required, "redis-server has to be installed");
        eprintln!("skipped: there is no redis-server (tests/run.sh installs it)");
        None
    }

    /// False if there is no such program.
    pub async fn begin(&mut self) -> bool {
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        match self.secure {
            true => command.args(["--port", "0", "--tls-port", &port]),
            false => command.args(["--port", &port]),
        };
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]).args(&self.options);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        loop {
            // It has ended if something else had the port for a moment.
            let runs = self.process.as_mut().is_some_and(|process| matches!(process.try_wait(), Ok(None)));
            if !runs {
                let Ok(process) = command.spawn() else { return false };
                self.process = Some(process);
            }
            // Asked for an answer: a connection to a port that nobody listens on may be one to itself.
            if self.answers().await {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// It keeps its connections and what it knows, takes more of them, and says nothing; or goes on.
    pub fn hang(&self, hangs: bool) {
        let process = self.process.as_ref().expect("it runs");
        let signal = if hangs { "-STOP" } else { "-CONT" };
        let sent = Command::new("kill").args([signal, &process.id().to_string()]).status().expect("a signal");
        assert!(sent.success());
    }

    pub fn end(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    pub async fn forget_everything(&self) {
        assert!(self.ask("FLUSHALL").await.contains("+OK"));
    }

    /// Commands that it was given, but for those of a test itself.
    pub async fn commands(&self) -> u64 {
        let stats = self.ask("INFO commandstats").await;
        let lines = stats.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="));
        let others = lines.filter(|(name, _)| !["ping", "info", "quit", "flushall"].contains(name));
        others.filter_map(|(_, counts)| counts.split(',').next()?.parse::<u64>().ok()).sum()
    }

    async fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)).await else { return false };
        if self.secure {
            return stream.local_addr().ok() != stream.peer_addr().ok();
        }
        let mut answer = [0; 5];
        stream.write_all(b"PING\r\n").await.is_ok()
            && stream.read_exact(&mut answer).await.is_ok()
            // One that wants a password says so.
            && (&answer == b"+PONG" || &answer == b"-NOAU")
    }

    async fn ask(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.expect("Redis listens");
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.end();
    }
}
