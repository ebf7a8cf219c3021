//! A Redis of the run's own, and what it counts.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cores::pinned;
use crate::process::{Process, Usage, free_port};

/// A running `redis-server` that keeps nothing on disk.
#[derive(Debug)]
pub(crate) struct Redis {
    process: Process,
    pub(crate) address: SocketAddr,
}

/// What Redis has counted since it started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    /// Commands run, those inside scripts included.
    pub(crate) commands: f64,
    /// Times Redis read from a socket. On a connection that waits for each answer before it sends
    /// again, one read is one round trip.
    pub(crate) reads: f64,
}

impl Redis {
    pub(crate) fn start(core: usize, folder: &Path) -> Result<Self> {
        let port = free_port()?;
        let process = Process::start(
            "redis-server",
            pinned(core, "redis-server")
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
                .args(["--save", "", "--appendonly", "no"])
                .arg("--dir")
                .arg(folder),
            &folder.join("redis.log"),
        )?;
        let redis = Self {
            process,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
        };
        let patience = Instant::now() + Duration::from_secs(10);
        while redis.ask("PING").is_err() {
            if Instant::now() > patience {
                bail!("Redis did not answer");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(redis)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        self.process.usage()
    }

    pub(crate) fn counts(&self) -> Result<Counts> {
        let info = self.ask("INFO stats")?;
        let number = |name: &str| {
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .and_then(|value| value.trim().parse().ok())
                .with_context(|| format!("Redis does not report {name}"))
        };
        Ok(Counts {
            commands: number("total_commands_processed")?,
            reads: number("total_reads_processed")?,
        })
    }

    /// Sends an inline command and returns the text of its answer.
    fn ask(&self, command: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}
