//! `cargo xtask demo`: the whole product on this machine, with no API key and no Redis.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::package;
use crate::process::{Background, run_quiet, step};
use crate::workspace::{cache, root, target};

/// Providers that the stand-in imitates.
const IMITATED: [&str; 4] = ["openai", "anthropic", "google", "openrouter"];

/// What the command line chose.
pub(crate) struct Options {
    port: u16,
    open: bool,
    live: bool,
    /// Origins of apps under development, which may use this relay and embed its vault.
    apps: Vec<String>,
}

impl Options {
    pub(crate) fn parse(mut args: lexopt::Parser) -> Result<Self> {
        use lexopt::prelude::*;

        let mut options = Self {
            port: 8787,
            open: true,
            live: false,
            apps: Vec::new(),
        };
        while let Some(arg) = args.next()? {
            match arg {
                Long("port") => options.port = args.value()?.parse()?,
                Long("no-open") => options.open = false,
                Long("live") => options.live = true,
                Long("app") => options.apps.push(args.value()?.string()?),
                other => return Err(other.unexpected().into()),
            }
        }
        if options.port == 0 || options.port > u16::MAX - 1 {
            bail!("--port takes a number from 1 to 65534");
        }
        Ok(options)
    }
}

/// Builds, starts and serves until interrupted; everything it started is stopped on the way out.
pub(crate) fn run(options: Options) -> Result<()> {
    let (stop, stopped) = mpsc::channel();
    ctrlc::set_handler(move || {
        let _ = stop.send(());
    })?;
    for port in [options.port, options.port + 1] {
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
            bail!("port {port} is taken: free it or choose another with --port");
        }
    }

    let started = Instant::now();
    package::site()?;
    let relay = package::relay()?;
    if stopped.try_recv().is_ok() {
        return Ok(());
    }

    let mut running = Vec::new();
    let provider = if options.live {
        None
    } else {
        step("starting the stand-in provider");
        let mut command = Command::new("node");
        command
            .arg(root().join("tests/support/standin.mjs"))
            .stdin(Stdio::piped()) // it ends when this end closes, however this process dies
            .stdout(Stdio::piped());
        let mut standin = Background::start("the stand-in provider", &mut command)?;
        let url = standin.announced("listening ")?;
        running.push(standin);
        Some(url)
    };

    step("starting the relay");
    let folder = target().join("demo");
    std::fs::create_dir_all(&folder)?;
    let config = folder.join("relay.toml");
    let mut text = configuration(options.port, &options.apps, provider.as_deref());
    text.push_str(&secrets(&relay)?);
    std::fs::write(&config, text)?;
    let mut command = Command::new(relay);
    command
        .arg("serve")
        .arg("--config")
        .arg(&config)
        .current_dir(root());
    let log = std::fs::File::create(folder.join("relay.log"))?;
    command.stdout(log.try_clone()?).stderr(log);
    running.push(Background::start("the relay", &mut command)?);
    wait_until_live(options.port, &mut running, &folder)?;

    let page = format!("http://localhost:{}", options.port);
    println!("ready {page}");
    eprintln!(
        "  started in {:.1} s; Ctrl-C stops it",
        started.elapsed().as_secs_f32()
    );
    if provider.is_some() {
        eprintln!("  answers come from a stand-in provider: any key of the right shape works");
    }
    if options.open {
        open(&page);
    }
    loop {
        match stopped.recv_timeout(Duration::from_millis(500)) {
            Err(mpsc::RecvTimeoutError::Timeout) => {
                for program in &mut running {
                    program.check()?;
                }
            }
            Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// The relay's configuration: every provider on the stand-in unless `live`.
fn configuration(port: u16, apps: &[String], standin: Option<&str>) -> String {
    let own = [
        format!("http://localhost:{port}"),
        format!("http://127.0.0.1:{port}"),
    ];
    let embedders: Vec<_> = own.iter().chain(apps).collect();
    let mut text = format!(
        "[server]\n\
         listen = \"127.0.0.1:{port}\"\n\
         public_origins = {own:?}\n\
         allowed_origins = {apps:?}\n\
         static_dir = \"www/dist\"\n\
         [vault]\n\
         listen = \"127.0.0.1:{}\"\n\
         embedders = {embedders:?}\n",
        port + 1
    );
    if let Some(url) = standin {
        for id in IMITATED {
            text.push_str(&format!("[providers.{id}]\nbase_url = \"{url}\"\n"));
        }
    }
    text
}

/// The demo relay's own secrets, so that keys travel sealed. They are made once and kept for this
/// user: a vault remembers the identity of the relay it was made for, and outlives a build.
fn secrets(relay: &Path) -> Result<String> {
    let folder = cache()?;
    std::fs::create_dir_all(&folder)?;
    let kept = folder.join("demo-secrets.toml");
    if let Ok(text) = std::fs::read_to_string(&kept) {
        return Ok(text);
    }
    let keygen = |arguments: &[&str]| {
        run_quiet(Command::new(relay).arg("keygen").args(arguments))
            .map(|out| out.trim().to_owned())
    };
    let text = format!(
        "[secrets]\ncurrent = \"{}\"\nidentity = \"{}\"\n",
        keygen(&[])?,
        keygen(&["--identity"])?
    );
    std::fs::write(&kept, &text)?;
    Ok(text)
}

fn wait_until_live(port: u16, running: &mut [Background], folder: &Path) -> Result<()> {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        if answers(port) {
            return Ok(());
        }
        let state: Result<()> = running.iter_mut().try_for_each(Background::check);
        let late = Instant::now() > patience;
        if state.is_err() || late {
            let log = std::fs::read_to_string(folder.join("relay.log")).unwrap_or_default();
            eprint!("{log}");
            return state.and_then(|()| bail!("the relay did not answer within 20 s"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether `/healthz` answers 200.
fn answers(port: u16) -> bool {
    use std::io::{Read, Write};

    let ask = || -> std::io::Result<bool> {
        let mut stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        write!(
            stream,
            "GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
        )?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(head.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}

/// Opens the page in the person's browser, where there is one to open it in.
fn open(page: &str) {
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else if cfg!(windows) {
        "explorer"
    } else if std::env::var_os("DISPLAY").is_some() || std::env::var_os("WAYLAND_DISPLAY").is_some()
    {
        "xdg-open"
    } else {
        return;
    };
    let opened = Command::new(opener)
        .arg(page)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if opened.with_context(|| opener.to_owned()).is_err() {
        eprintln!("  no browser could be opened: visit the address above");
    }
}

#[cfg(test)]
mod tests {
    use super::configuration;

    #[test]
    fn an_app_may_call_and_embed_the_vault() {
        let app = "http://localhost:5173".to_owned();
        let text = configuration(8787, &[app], None);
        assert!(text.contains("allowed_origins = [\"http://localhost:5173\"]\n"));
        assert!(text.ends_with(
            "embedders = [\"http://localhost:8787\", \"http://127.0.0.1:8787\", \"http://localhost:5173\"]\n"
        ));
    }

    #[test]
    fn without_apps_the_vault_is_the_demo_pages_own() {
        let text = configuration(8787, &[], None);
        assert!(text.contains("allowed_origins = []\n"));
        assert!(
            text.ends_with("embedders = [\"http://localhost:8787\", \"http://127.0.0.1:8787\"]\n")
        );
    }
}
