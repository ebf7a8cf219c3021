//! The relay as an operator runs it: key swap, CORS, limits, usage parsing, metrics, info logs.

use std::fmt::Write;

use anyhow::{Context, Result};

use super::{Setting, loopback};
use crate::cores::pinned;
use crate::payload::{KEY, PAGE};
use crate::process::{Process, free_port};
use crate::target::Target;

/// What a row of Keyferry has more, or less, than the usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    /// Everything on, limits in this process, the provider's own path.
    Usual,
    /// The OpenAI-shaped route, which finds the provider from the body's `model`.
    Unified,
    /// Without logs.
    Quiet,
    /// Limits and usage in Redis.
    Redis,
}

impl Feature {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Usual => "keyferry",
            Self::Unified => "keyferry unified",
            Self::Quiet => "keyferry quiet",
            Self::Redis => "keyferry redis",
        }
    }

    /// Whether it has a Redis to talk to.
    pub(crate) fn uses_redis(self) -> bool {
        self == Self::Redis
    }
}

pub(super) fn start(feature: Feature, setting: &Setting) -> Result<(Option<Process>, Target)> {
    let address = loopback(free_port()?);
    let slug = feature.name().replace(' ', "-");
    let file = setting.folder.join(format!("{slug}.toml"));
    std::fs::write(&file, configuration(feature, setting, address)?)?;
    let mut command = pinned(setting.cores.subject, &setting.relay);
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
    let target = Target {
        address,
        path: path.to_owned(),
        headers: vec![
            ("origin", PAGE.to_owned()),
            ("sec-fetch-dest", "empty".to_owned()),
            ("sec-fetch-mode", "cors".to_owned()),
            ("x-byok-provider", "openai".to_owned()),
            ("x-byok-key", KEY.to_owned()),
        ],
    };
    Ok((Some(process), target))
}

/// The defaults, except for limits that a load generator with one key would run into at once.
fn configuration(
    feature: Feature,
    setting: &Setting,
    address: std::net::SocketAddr,
) -> Result<String> {
    let mut text = format!(
        "[server]\nlisten = \"{address}\"\nadmin_listen = \"{}\"\nallowed_origins = [\"{PAGE}\"]\n\n\
         [providers.openai]\nbase_url = \"http://{}\"\n\n\
         [limits]\nbyok_requests_per_hour = 1000000000\n",
        loopback(free_port()?),
        setting.upstream,
    );
    if feature.uses_redis() {
        let url = setting.redis_url.as_deref().context("no Redis runs")?;
        write!(text, "\n[store]\nurl = \"{url}\"\n")?;
    }
    Ok(text)
}
