//! nginx as a bare key-swapping proxy.

use anyhow::Result;

use super::{Setting, loopback};
use crate::cores::pinned;
use crate::payload::KEY;
use crate::process::{Process, free_port};
use crate::target::Target;

const CONFIGURATION: &str = include_str!("../../nginx.conf");

pub(super) fn start(setting: &Setting) -> Result<(Option<Process>, Target)> {
    let address = loopback(free_port()?);
    let configuration = CONFIGURATION
        .replace("{folder}", &setting.folder.to_string_lossy())
        .replace("{upstream}", &setting.upstream.to_string())
        .replace("{listen}", &address.to_string());
    let file = setting.folder.join("nginx.conf");
    std::fs::write(&file, configuration)?;
    let process = Process::start(
        "nginx",
        pinned(setting.cores.subject, "nginx")
            .arg("-p")
            .arg(&setting.folder)
            .arg("-c")
            .arg(&file)
            .args(["-e", "stderr", "-g", "daemon off;"]),
        &setting.folder.join("nginx.log"),
    )?;
    let target = Target {
        address,
        path: "/v1/chat/completions".to_owned(),
        headers: vec![("x-byok-key", KEY.to_owned())],
        sealer: None,
    };
    Ok((Some(process), target))
}
