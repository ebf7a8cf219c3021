//! Real Redis servers for tests, each on a free loopback port with a folder of its own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::free_port;

/// One `redis-server`. Killed when dropped.
pub(crate) struct RedisServer {
    pub(crate) port: u16,
    child: Child,
    watchdog: Child,
    folder: TempDir,
    options: Vec<String>,
}

impl RedisServer {
    /// One for all tests that only keep out of each other's keys.
    pub(crate) fn shared() -> &'static Self {
        static SERVER: OnceLock<RedisServer> = OnceLock::new();
        SERVER.get_or_init(|| Self::start(&[]))
    }

    pub(crate) fn start(options: &[&str]) -> Self {
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        let folder = TempDir::new().unwrap();
        // Between finding a free port and using it another process may take it.
        for _ in 0..10 {
            let port = free_port();
            let mut child = spawn(port, &folder, &options);
            if wait_until_up(port, &mut child) {
                let watchdog = watchdog(&child);
                return Self {
                    port,
                    child,
                    watchdog,
                    folder,
                    options,
                };
            }
            end(&mut child);
        }
        panic!("redis-server did not start");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Runs one command and returns the raw reply.
    pub(crate) fn command(&self, parts: &[&str]) -> String {
        command(self.port, parts).unwrap()
    }

    /// Runs one command and returns the reply byte for byte, that to `QUIT` behind it.
    pub(crate) fn raw(&self, parts: &[&str]) -> Vec<u8> {
        raw(self.port, parts).unwrap()
    }

    /// Sends one command and does not wait for its reply.
    pub(crate) fn send(&self, parts: &[&str]) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(encode(parts).as_bytes()).unwrap();
        // Closed before it was read, the command would be lost.
        std::thread::sleep(Duration::from_millis(10));
    }

    /// Freezes the process: connections stay open and nothing is answered.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts again on the same port, after [`RedisServer::kill`].
    pub(crate) fn start_again(&mut self) {
        for _ in 0..20 {
            self.child = spawn(self.port, &self.folder, &self.options);
            if wait_until_up(self.port, &mut self.child) {
                end(&mut self.watchdog);
                self.watchdog = watchdog(&self.child);
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("redis-server did not start again");
    }

    /// Commands processed so far, of the kinds whose name begins with `prefix`.
    pub(crate) fn calls(&self, prefix: &str) -> u64 {
        let stats = self.command(&["INFO", "commandstats"]);
        stats
            .lines()
            .filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="))
            .filter(|(name, _)| name.starts_with(prefix))
            .filter_map(|(_, rest)| rest.split(',').next()?.parse::<u64>().ok())
            .sum()
    }

    /// How often the server has read from its clients: once for what arrives together.
    pub(crate) fn reads(&self) -> u64 {
        let stats = self.command(&["INFO", "stats"]);
        let reads = stats
            .lines()
            .find_map(|line| line.strip_prefix("total_reads_processed:"));
        reads.unwrap().trim().parse().unwrap()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status()
            .unwrap();
        assert!(sent.success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        end(&mut self.watchdog);
        end(&mut self.child);
    }
}

/// Servers kept in statics are never dropped: this process ends `server` when the test process,
/// which holds the other end of its standard input, is gone.
fn watchdog(server: &Child) -> Child {
    Command::new("sh")
        .args([
            "-c",
            "cat >/dev/null; kill -9 \"$0\"",
            &server.id().to_string(),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Three masters, no replicas.
pub(crate) struct RedisCluster {
    pub(crate) nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// As [`RedisServer::shared`].
    pub(crate) fn shared() -> &'static Self {
        static CLUSTER: OnceLock<RedisCluster> = OnceLock::new();
        CLUSTER.get_or_init(Self::start)
    }

    pub(crate) fn start() -> Self {
        let options = [
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "15000",
        ];
        let nodes: Vec<RedisServer> = (0..3).map(|_| RedisServer::start(&options)).collect();
        let third = 16_384 / 3;
        for (n, node) in (0_u32..).zip(&nodes) {
            let (from, to) = (n * third, if n == 2 { 16_383 } else { (n + 1) * third - 1 });
            let range = [from.to_string(), to.to_string()];
            let reply = node.command(&["CLUSTER", "ADDSLOTSRANGE", &range[0], &range[1]]);
            assert!(reply.starts_with("+OK"), "{reply}");
            node.command(&["CLUSTER", "MEET", "127.0.0.1", &nodes[0].port.to_string()]);
        }
        let started = Instant::now();
        while !nodes.iter().all(|node| {
            let info = node.command(&["CLUSTER", "INFO"]);
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        }) {
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "no cluster came together"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        Self { nodes }
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }
}

fn spawn(port: u16, folder: &TempDir, options: &[String]) -> Child {
    Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
        ])
        .arg("--dir")
        .arg(folder.path())
        .args(options)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("these tests need redis-server on PATH (Debian package redis-server)")
}

fn wait_until_up(port: u16, child: &mut Child) -> bool {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(10) {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if command(port, &["PING"]).is_ok_and(|reply| reply.starts_with("+PONG")) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// One command over a connection of its own, its reply as it came (RESP2).
fn command(port: u16, parts: &[&str]) -> std::io::Result<String> {
    let reply = raw(port, parts)?;
    let reply = String::from_utf8_lossy(&reply).into_owned();
    Ok(reply.strip_suffix("+OK\r\n").unwrap_or(&reply).to_owned())
}

fn raw(port: u16, parts: &[&str]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(encode(parts).as_bytes())?;
    stream.write_all(b"*1\r\n$4\r\nQUIT\r\n")?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    Ok(reply)
}

fn encode(parts: &[&str]) -> String {
    let mut request = format!("*{}\r\n", parts.len());
    for part in parts {
        request.push_str(&format!("${}\r\n{part}\r\n", part.len()));
    }
    request
}
