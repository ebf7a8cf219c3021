//! A process of the relay that works on jobs.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::keyferry::configuration;
use super::{Feature, Setting, loopback};
use crate::cores::pinned;
use crate::process::{Process, Usage, free_port};
use crate::wire::Wire;

const PATIENCE: Duration = Duration::from_secs(30);

/// A worker on the relays' Redis. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Worker(Process);

impl Worker {
    /// Starts one on the relays' core, and waits until it is ready.
    pub(crate) async fn start(setting: &Setting) -> Result<Self> {
        let admin = loopback(free_port()?);
        let nowhere = loopback(free_port()?);
        let file = setting.folder.join(format!("worker-{}.toml", admin.port()));
        std::fs::write(
            &file,
            configuration(Feature::Redis, setting, nowhere, admin)?,
        )?;
        let mut command = pinned(setting.cores.subject, &setting.relay);
        command
            .args(["worker", "--config"])
            .arg(&file)
            .env("RUST_LOG", "info");
        let log = setting.folder.join("worker.log");
        let mut process = Process::start("worker", &mut command, &log)?;
        let patience = Instant::now() + PATIENCE;
        loop {
            process.check()?;
            match readiness(admin).await {
                Ok(200) => return Ok(Self(process)),
                last if Instant::now() > patience => {
                    let status = last.context("a worker does not answer")?;
                    bail!("a worker is not ready: it answers {status}");
                }
                _ => tokio::time::sleep(Duration::from_millis(30)).await,
            }
        }
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> Result<Usage> {
        self.0.usage()
    }
}

async fn readiness(admin: SocketAddr) -> Result<u16> {
    let mut wire = Wire::connect(admin).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {admin}\r\n\r\n");
    wire.send(request.as_bytes()).await?;
    Ok(wire.response().await?.status)
}
