//! What is measured: the bare upstream, nginx, Keyferry as it is run, and other gateways.

mod keyferry;
mod nginx;
pub(crate) mod peers;
mod worker;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::cores::Cores;
use crate::payload::Ask;
use crate::process::{Process, Usage};
use crate::target::Target;
use crate::wire::Wire;

pub(crate) use keyferry::Feature;
pub(crate) use worker::Worker;

/// What subjects are started with.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) cores: Cores,
    pub(crate) upstream: SocketAddr,
    /// The same over TLS.
    pub(crate) upstream_tls: SocketAddr,
    /// Where configurations and logs of the run go.
    pub(crate) folder: PathBuf,
    /// The `keyferry-relay` binary.
    pub(crate) relay: PathBuf,
    /// Another build of it, to compare with.
    pub(crate) before: Option<PathBuf>,
    /// Where other gateways are installed.
    pub(crate) peers: PathBuf,
    pub(crate) redis_url: Option<String>,
}

/// Which subject to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Direct,
    Nginx,
    /// nginx with a provider behind TLS, with which it speaks HTTP/1.1.
    NginxTls,
    Keyferry(Feature),
    Portkey,
    LiteLlm,
}

/// A subject that answers.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) kind: Kind,
    pub(crate) target: Rc<Target>,
    process: Option<Process>,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::NginxTls => "nginx, provider over TLS",
            Self::Keyferry(feature) => feature.name(),
            Self::Portkey => "portkey",
            Self::LiteLlm => "litellm",
        }
    }

    /// Whether a changed byte ends the run: true of all that claim to pass answers on.
    pub(crate) fn must_be_exact(self) -> bool {
        !matches!(self, Self::Portkey | Self::LiteLlm)
    }

    /// Whether it starts slowly enough to be started once only.
    pub(crate) fn is_slow(self) -> bool {
        matches!(self, Self::Portkey | Self::LiteLlm)
    }

    /// Whether it has a Redis to talk to.
    pub(crate) fn uses_redis(self) -> bool {
        matches!(self, Self::Keyferry(feature) if feature.uses_redis())
    }

    /// Starts it and waits until it passes a request on.
    pub(crate) async fn start(self, setting: &Setting) -> Result<Subject> {
        let (mut process, mut target) = match self {
            Self::Direct => (None, direct(setting)),
            Self::Nginx => nginx::start("http", setting.upstream, setting)?,
            Self::NginxTls => nginx::start("https", setting.upstream_tls, setting)?,
            Self::Keyferry(feature) => keyferry::start(feature, setting)?,
            Self::Portkey => peers::portkey(setting)?,
            Self::LiteLlm => peers::litellm(setting)?,
        };
        if self == Self::Keyferry(Feature::Sealed) {
            target.sealer = Some(keyferry::sealer(process.as_mut(), target.address).await?);
        }
        let mut subject = Subject {
            kind: self,
            target: Rc::new(target),
            process,
        };
        subject
            .ready()
            .await
            .with_context(|| format!("{} does not pass requests on", self.name()))?;
        Ok(subject)
    }
}

impl Subject {
    /// What the process under test has used so far; nothing when there is none.
    pub(crate) fn usage(&self) -> Result<Usage> {
        match &self.process {
            Some(process) => process.usage(),
            None => Ok(Usage::default()),
        }
    }

    async fn ready(&mut self) -> Result<()> {
        let patience = Instant::now() + Duration::from_secs(90);
        loop {
            if let Some(process) = &mut self.process {
                process.check()?;
            }
            let attempt = async {
                let mut wire = Wire::connect(self.target.address).await?;
                self.target.request(Ask::Small).exchange(&mut wire).await
            };
            match attempt.await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > patience => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(30)).await,
            }
        }
    }
}

fn direct(setting: &Setting) -> Target {
    Target {
        address: setting.upstream,
        path: "/v1/chat/completions".to_owned(),
        headers: vec![("authorization", format!("Bearer {}", crate::payload::KEY))],
        sealer: None,
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
