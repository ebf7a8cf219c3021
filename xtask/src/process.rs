//! Running other programs: quietly, with their output shown, or in the background.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Says what is being done now, so that long steps show where they are.
pub(crate) fn step(what: &str) {
    eprintln!("▸ {what}");
}

/// Runs to the end with the terminal's input and output; an error names the program.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let name = name_of(command);
    let status = command
        .status()
        .with_context(|| format!("could not start {name}"))?;
    if !status.success() {
        bail!("{name} failed ({status})");
    }
    Ok(())
}

/// Runs to the end, keeping its output to itself unless it fails.
pub(crate) fn run_quiet(command: &mut Command) -> Result<String> {
    let name = name_of(command);
    let output = command
        .output()
        .with_context(|| format!("could not start {name}"))?;
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stdout));
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        bail!("{name} failed ({})", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs to the end, showing each line of its standard output and giving it to `look` as well.
/// True when the program succeeded.
pub(crate) fn run_watched(command: &mut Command, mut look: impl FnMut(&str)) -> Result<bool> {
    let name = name_of(command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start {name}"))?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            println!("{line}");
            look(&line);
        }
    }
    Ok(child.wait()?.success())
}

/// A program in the background; it is stopped when this is dropped.
pub(crate) struct Background {
    name: &'static str,
    child: Child,
}

impl Background {
    /// Starts `command`.
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("could not start {name}"))?;
        Ok(Self { name, child })
    }

    /// The first line it prints that begins with `prefix`, without the prefix.
    pub(crate) fn announced(&mut self, prefix: &str) -> Result<String> {
        let stdout = self
            .child
            .stdout
            .take()
            .context("its output is not captured")?;
        for line in BufReader::new(stdout).lines() {
            if let Some(rest) = line?.strip_prefix(prefix) {
                return Ok(rest.trim().to_owned());
            }
        }
        bail!("{} stopped before it was ready", self.name)
    }

    /// Fails when the program has ended, which none in the background should by itself.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} stopped ({status})", self.name),
            None => Ok(()),
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // A polite end first, so that streams drain and nothing is left half-written.
        #[cfg(unix)]
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let patience = Instant::now() + Duration::from_secs(3);
        while Instant::now() < patience {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether `program` is on PATH and starts.
pub(crate) fn exists(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

fn name_of(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut name = program
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned();
    if let Some(first) = command.get_args().next() {
        name.push(' ');
        name.push_str(&first.to_string_lossy());
    }
    name
}
