//! The relay's binary: parse, build, run, drain.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use keyferry_relay::{Command, Config, ConfigError, telemetry};

/// Measured against the system's: less time per request, and less memory per open stream.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let outcome = match keyferry_relay::parse_arguments(std::env::args_os().skip(1)) {
        Ok(command) => run(command),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "keyferry-relay: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Box<dyn std::error::Error>> {
    // Before anything secret is read.
    keyferry_relay::forbid_core_dumps()?;
    let mut out = std::io::stdout();
    match command {
        Command::Help => out.write_all(keyferry_relay::HELP.as_bytes())?,
        Command::Version => writeln!(out, "keyferry-relay {}", env!("CARGO_PKG_VERSION"))?,
        Command::Keygen(kid) => writeln!(out, "{}", keyferry_relay::keygen(kid.as_deref())?)?,
        Command::KeygenIdentity => {
            let identity = keyferry_relay::keygen_identity()?;
            writeln!(
                std::io::stderr(),
                "public key, for openVault({{ relayKey }}):\n{}",
                identity.public
            )?;
            writeln!(out, "{}", identity.seed)?;
        }
        Command::CheckConfig(path) => {
            let config = load(path.as_deref())?;
            let text = config.to_redacted_toml()?;
            keyferry_relay::check(config)?;
            writeln!(out, "{text}")?;
        }
        Command::Healthcheck(path) => {
            let config = load(path.as_deref())?;
            let ready = runtime()?.block_on(keyferry_relay::healthcheck(&config))?;
            return Ok(if ready {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        Command::Serve(path) => serve(path)?,
        Command::Worker(path) => work(path)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn serve(path: Option<PathBuf>) -> Result<(), Box<dyn std::error::Error>> {
    let config = load(path.as_deref())?;
    // Until the end: what was logged last is written when it goes.
    let _logs = telemetry::init(std::env::var("RUST_LOG").ok().as_deref())?;
    let reread = move || load(path.as_deref());
    runtime()?.block_on(keyferry_relay::serve(config, reread))?;
    Ok(())
}

fn work(path: Option<PathBuf>) -> Result<(), Box<dyn std::error::Error>> {
    let config = load(path.as_deref())?;
    let _logs = telemetry::init(std::env::var("RUST_LOG").ok().as_deref())?;
    let reread = move || load(path.as_deref());
    runtime()?.block_on(keyferry_relay::work(config, reread))?;
    Ok(())
}

fn load(path: Option<&Path>) -> Result<Config, ConfigError> {
    Config::load(
        path,
        std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }),
    )
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}
