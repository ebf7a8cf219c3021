//! nginx as a bare key-swapping proxy.

use std::net::SocketAddr;

use anyhow::Result;

use super::{Setting, loopback};
use crate::cores::pinned;
use crate::payload::KEY;
use crate::process::{Process, free_port};
use crate::target::Target;

const CONFIGURATION: &str = include_str!("../../nginx.conf");

/// One before the provider at `upstream`, spoken to by `scheme`.
pub(super) fn start(
    scheme: &str,
    upstream: SocketAddr,
    setting: &Setting,
) -> Result<(Option<Process>, Target)> {
    let address = loopback(free_port()?);
    let folder = setting.folder.join(format!("nginx-{scheme}"));
    std::fs::create_dir_all(&folder)?;
    let configuration = CONFIGURATION
        .replace("{folder}", &folder.to_string_lossy())
        .replace("{scheme}", scheme)
        .replace("{upstream}", &upstream.to_string())
        .replace("{listen}", &address.to_string());
    let file = folder.join("nginx.conf");
    std::fs::write(&file, configuration)?;
    let process = Process::start(
        "nginx",
        pinned(setting.cores.subject, "nginx")
            .arg("-p")
            .arg(&folder)
            .arg("-c")
            .arg(&file)
            .args(["-e", "stderr", "-g", "daemon off;"]),
        &folder.join("nginx.log"),
    )?;
    let target = Target {
        address,
        path: "/v1/chat/completions".to_owned(),
        headers: vec![("x-byok-key", KEY.to_owned())],
        sealer: None,
    };
    Ok((Some(process), target))
}
