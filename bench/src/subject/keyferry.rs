//! The relay as an operator runs it: key swap, CORS, limits, usage parsing, metrics, info logs.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Setting, loopback};
use crate::cores::pinned;
use crate::payload::{KEY, PAGE};
use crate::process::{Process, free_port};
use crate::seal::Sealer;
use crate::target::Target;
use crate::upstream::CERTIFICATE;

const PROVIDER: &str = "openai";
/// A secret for the ring and the identity, in use nowhere else.
const SECRET: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// What a row of Keyferry has more, or less, than the usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    /// Everything on, limits in this process, the provider's own path.
    Usual,
    /// The OpenAI-shaped route, which finds the provider from the body's `model`.
    Unified,
    /// Without logs.
    Quiet,
    /// The key sealed under the relay's sealing key, in one running session.
    Sealed,
    /// Limits and usage in Redis.
    Redis,
    /// As usual, with a provider behind TLS, with which it speaks HTTP/2.
    Tls,
    /// As usual, by another build of the relay.
    Before,
}

impl Feature {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Usual => "keyferry",
            Self::Unified => "keyferry unified",
            Self::Quiet => "keyferry quiet",
            Self::Sealed => "keyferry sealed",
            Self::Redis => "keyferry redis",
            Self::Tls => "keyferry, provider over TLS",
            Self::Before => "keyferry before",
        }
    }

    /// Whether it has a Redis to talk to.
    pub(crate) fn uses_redis(self) -> bool {
        self == Self::Redis
    }
}

pub(super) fn start(feature: Feature, setting: &Setting) -> Result<(Option<Process>, Target)> {
    let address = loopback(free_port()?);
    let slug = feature.name().replace([' ', ','], "-");
    let file = setting.folder.join(format!("{slug}.toml"));
    let admin = loopback(free_port()?);
    std::fs::write(&file, configuration(feature, setting, address, admin)?)?;
    let binary = match (feature, &setting.before) {
        (Feature::Before, Some(before)) => before,
        _ => &setting.relay,
    };
    let mut command = pinned(setting.cores.subject, binary);
    command.arg("serve").arg("--config").arg(&file).env(
        "RUST_LOG",
        if feature == Feature::Quiet {
            "off"
        } else {
            "info"
        },
    );
    let log = setting.folder.join(format!("{slug}.log"));
    let process = Process::start(feature.name(), &mut command, &log)?;
    let path = match feature {
        Feature::Unified => "/v1/chat/completions",
        _ => "/providers/openai/v1/chat/completions",
    };
    let mut headers = vec![
        ("origin", PAGE.to_owned()),
        ("sec-fetch-dest", "empty".to_owned()),
        ("sec-fetch-mode", "cors".to_owned()),
        ("x-byok-provider", PROVIDER.to_owned()),
    ];
    if feature != Feature::Sealed {
        headers.push(("x-byok-key", KEY.to_owned()));
    }
    let target = Target {
        address,
        path: path.to_owned(),
        headers,
        sealer: None,
    };
    Ok((Some(process), target))
}

/// What seals keys for the relay at `address`, as soon as it runs.
pub(super) async fn sealer(
    mut process: Option<&mut Process>,
    address: SocketAddr,
) -> Result<Sealer> {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(process) = &mut process {
            process.check()?;
        }
        match Sealer::of(address, format!("http://{address}"), PROVIDER).await {
            Ok(sealer) => return sealer.context("the relay publishes no sealing keys"),
            Err(error) if Instant::now() > patience => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(30)).await,
        }
    }
}

/// The defaults, except for limits that a load generator with one key would run into at once.
pub(super) fn configuration(
    feature: Feature,
    setting: &Setting,
    address: SocketAddr,
    admin: SocketAddr,
) -> Result<String> {
    let base_url = match feature {
        Feature::Tls => format!("https://{}", setting.upstream_tls),
        _ => format!("http://{}", setting.upstream),
    };
    let mut text = format!(
        "[server]\nlisten = \"{address}\"\nadmin_listen = \"{admin}\"\n\
         public_origins = [\"http://{address}\"]\nallowed_origins = [\"{PAGE}\"]\n\n\
         [secrets]\ncurrent = \"bench:{SECRET}\"\nidentity = \"{SECRET}\"\n\n\
         [providers.{PROVIDER}]\nbase_url = \"{base_url}\"\n\n\
         [limits]\nbyok_requests_per_hour = 1000000000\nconcurrent_requests = 100000\nbyok_tokens_per_hour = 1000000000000\n\
         leases_per_minute = 1000000000\n\
         daily_cap_usd = 1000000.0\n",
    );
    if feature == Feature::Tls {
        let certificate = setting.folder.join(CERTIFICATE);
        write!(
            text,
            "\n[upstream]\nextra_ca = \"{}\"\n",
            certificate.display()
        )?;
    }
    if feature.uses_redis() {
        let url = setting.redis_url.as_deref().context("no Redis runs")?;
        write!(
            text,
            "\n[store]\nurl = \"{url}\"\n\n\
             [jobs]\nmax_queued = 10000\nconcurrency = 32\nresult_ttl_seconds = 60\n"
        )?;
    }
    Ok(text)
}
