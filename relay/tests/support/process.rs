//! The relay's own binary as a child process.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::free_address;

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_keyferry-relay");

/// The binary as it runs; killed when dropped.
pub(crate) struct Program {
    child: Child,
    logs: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Runs `command` with this configuration file, and collects what it logs.
    pub(crate) fn start(command: &str, config: &Path) -> Self {
        Self::start_with(command, config, &[])
    }

    /// [`Program::start`] with these environment variables.
    pub(crate) fn start_with(command: &str, config: &Path, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(BINARY)
            .args([command, "--config"])
            .arg(config)
            .env("RUST_LOG", "trace")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let logs = Arc::new(Mutex::new(Vec::new()));
        let (sink, errors) = (Arc::clone(&logs), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                sink.lock().unwrap().push(line);
            }
        });
        Self { child, logs }
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Ends it at once, as a host does that loses its power.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Everything logged so far.
    pub(crate) fn log(&self) -> String {
        self.logs.lock().unwrap().join("\n")
    }

    /// Log lines of answered requests.
    pub(crate) fn access_lines(&self) -> Vec<serde_json::Value> {
        self.logs
            .lock()
            .unwrap()
            .iter()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a JSON line"))
            .filter(|line| line["target"] == "keyferry_relay::access")
            .collect()
    }

    /// Waits until a log line holds `text`.
    pub(crate) async fn wait_for_log(&self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.log().contains(text) {
            assert!(
                Instant::now() < deadline,
                "no log line with {text}: {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits for the process to end by itself.
    pub(crate) async fn exit_code(&mut self, within: Duration) -> Option<i32> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "still running: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running relay; killed when dropped.
pub(crate) struct Process {
    program: Program,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) folder: TempDir,
}

impl Deref for Process {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Program {
        &mut self.program
    }
}

impl Process {
    /// Starts with the configuration `text`, in which `LISTEN` and `ADMIN` stand for addresses
    /// and `FOLDER` for a folder of its own.
    pub(crate) async fn start(text: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), text).await
    }

    /// [`Process::start`] with a folder that holds files already.
    pub(crate) async fn start_in(folder: TempDir, text: &str) -> Self {
        let (address, admin) = (free_address(), free_address());
        let process = Self::spawn(folder, text, address, admin);
        let deadline = Instant::now() + Duration::from_secs(20);
        while tokio::net::TcpStream::connect(admin).await.is_err() {
            assert!(
                Instant::now() < deadline,
                "the relay did not start: {}",
                process.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        process
    }

    fn spawn(folder: TempDir, text: &str, address: SocketAddr, admin: SocketAddr) -> Self {
        let file = folder.path().join("relay.toml");
        let filled = fill(text, address, admin, folder.path());
        std::fs::write(&file, filled).unwrap();
        Self {
            program: Program::start("serve", &file),
            address,
            admin,
            folder,
        }
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder.path().join("relay.toml")
    }

    /// Writes another configuration; SIGHUP makes it count.
    pub(crate) fn rewrite(&self, text: &str) {
        let filled = fill(text, self.address, self.admin, self.folder.path());
        std::fs::write(self.config_file(), filled).unwrap();
    }

    /// Sends SIGHUP and waits until the relay has said what came of it.
    pub(crate) async fn reload(&self) {
        let before = self.log().matches("configuration ").count();
        self.signal("HUP");
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.log().matches("configuration ").count() == before {
            assert!(Instant::now() < deadline, "no reload: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn fill(text: &str, address: SocketAddr, admin: SocketAddr, folder: &Path) -> String {
    text.replace("LISTEN", &address.to_string())
        .replace("ADMIN", &admin.to_string())
        .replace("FOLDER", folder.to_str().unwrap())
}

/// Runs a command of the binary and returns exit code, output and errors.
pub(crate) fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String, String) {
    let output = Command::new(BINARY)
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// `[server]` with both listeners.
pub(crate) const SERVER: &str = "[server]\nlisten = \"LISTEN\"\nadmin_listen = \"ADMIN\"\n";
