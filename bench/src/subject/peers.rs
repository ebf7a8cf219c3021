//! Other gateways, installed into the run's own folder and asked to do no more than pass on.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{Setting, loopback};
use crate::cores::pinned;
use crate::payload::KEY;
use crate::process::{Process, free_port};
use crate::target::Target;

const PACKAGE: &str = include_str!("../../peers/package.json");
const REQUIREMENTS: &str = include_str!("../../peers/requirements.txt");
const LITELLM: &str = include_str!("../../peers/litellm.yaml");

/// `LiteLLM` does not start without one. It guards a stand-in on this machine for some minutes.
const MASTER_KEY: &str = concat!(
    "sk-",
    "b19f04c7a6d83e52917cf0ab64de28351b7fa09c46e8d3517f20acb9e46d8103"
);

/// Installs what is not there yet; minutes the first time.
pub(crate) fn install(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    if outdated(folder, "package.json", PACKAGE)? {
        run(
            "npm",
            Command::new("npm")
                .args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
                .args(["--omit=dev", "--loglevel=error", "--prefix"])
                .arg(folder),
        )?;
        std::fs::write(folder.join("package.json.done"), PACKAGE)?;
    }
    if outdated(folder, "requirements.txt", REQUIREMENTS)? {
        let venv = folder.join("venv");
        run(
            "python3",
            Command::new("python3").args(["-m", "venv"]).arg(&venv),
        )?;
        run(
            "pip",
            Command::new(venv.join("bin/pip"))
                .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
                .arg(folder.join("requirements.txt")),
        )?;
        std::fs::write(folder.join("requirements.txt.done"), REQUIREMENTS)?;
    }
    Ok(())
}

/// Writes `wanted` as `name`, and tells whether an installation of it is still to be made.
fn outdated(folder: &Path, name: &str, wanted: &str) -> Result<bool> {
    std::fs::write(folder.join(name), wanted)?;
    let done = std::fs::read_to_string(folder.join(format!("{name}.done")));
    Ok(!done.is_ok_and(|done| done == wanted))
}

fn run(name: &str, command: &mut Command) -> Result<()> {
    // Standard output belongs to the results.
    let status = command
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("could not start {name}"))?;
    if !status.success() {
        bail!("{name} failed ({status})");
    }
    Ok(())
}

/// Portkey's gateway: everything it needs to know comes with each request.
pub(super) fn portkey(setting: &Setting) -> Result<(Option<Process>, Target)> {
    let port = free_port()?;
    let process = Process::start(
        "portkey",
        pinned(setting.cores.subject, "node")
            .arg(
                setting
                    .peers
                    .join("node_modules/@portkey-ai/gateway/build/start-server.js"),
            )
            .args([format!("--port={port}"), "--headless".to_owned()])
            .env("NODE_ENV", "production"),
        &setting.folder.join("portkey.log"),
    )?;
    let target = Target {
        address: loopback(port),
        path: "/v1/chat/completions".to_owned(),
        headers: vec![
            ("authorization", format!("Bearer {KEY}")),
            ("x-portkey-provider", "openai".to_owned()),
            (
                "x-portkey-custom-host",
                format!("http://{}/v1", setting.upstream),
            ),
        ],
        sealer: None,
    };
    Ok((Some(process), target))
}

/// `LiteLLM`'s proxy: its key stands in its configuration, where it takes keys from.
pub(super) fn litellm(setting: &Setting) -> Result<(Option<Process>, Target)> {
    let port = free_port()?;
    let file = setting.folder.join("litellm.yaml");
    let configuration = LITELLM
        .replace("{upstream}", &setting.upstream.to_string())
        .replace("{key}", KEY);
    std::fs::write(&file, configuration)?;
    let process = Process::start(
        "litellm",
        pinned(
            setting.cores.subject,
            setting.peers.join("venv/bin/litellm"),
        )
        .arg("--config")
        .arg(&file)
        .args(["--host", "127.0.0.1", "--num_workers", "1", "--port"])
        .arg(port.to_string())
        .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        .env("LITELLM_MODE", "PRODUCTION")
        .env("LITELLM_LOG", "ERROR")
        .env("LITELLM_MASTER_KEY", MASTER_KEY),
        &setting.folder.join("litellm.log"),
    )?;
    let target = Target {
        address: loopback(port),
        path: "/v1/chat/completions".to_owned(),
        headers: vec![("authorization", format!("Bearer {MASTER_KEY}"))],
        sealer: None,
    };
    Ok((Some(process), target))
}
