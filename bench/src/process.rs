//! A process under test: started on its core, read through /proc, stopped at the end.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A running program and all the processes it started. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
}

/// What the processes of one program have used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// User and system time together, in microseconds, in steps of one clock tick.
    pub(crate) cpu_us: f64,
    /// Memory in RAM, in bytes; pages that processes share are counted in each.
    pub(crate) rss: f64,
}

impl Process {
    /// Starts `command` with its output in `log`.
    pub(crate) fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        // Appending: a second process of the same name must not write into the first one's lines.
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("could not create {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("could not start {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
        })
    }

    /// Fails when the program has ended by itself.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} stopped ({status})", self.name),
            None => Ok(()),
        }
    }

    /// What it and everything it started have used.
    pub(crate) fn usage(&self) -> Result<Usage> {
        let mut usage = Usage::default();
        for pid in family(self.child.id())? {
            // A process may end between being listed and being read.
            if let Some(own) = stat(pid).and_then(|stat| usage_of(pid, &stat)) {
                usage.cpu_us += own.cpu_us;
                usage.rss += own.rss;
            }
        }
        if usage.rss == 0.0 {
            bail!("{} is gone", self.name);
        }
        Ok(usage)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // A polite end first: a program killed outright leaves the processes it started behind.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let patience = Instant::now() + Duration::from_secs(5);
        while Instant::now() < patience {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `root` and all its descendants.
fn family(root: u32) -> Result<Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if let Some(parent) = stat(pid).and_then(|stat| field(&stat, 4)) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut family = vec![root];
    let mut next = 0;
    while let Some(pid) = family.get(next) {
        if let Some(own) = children.get(pid) {
            family.extend(own);
        }
        next += 1;
    }
    Ok(family)
}

fn stat(pid: u32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()
}

/// Field `number` of a stat line, counted from 1 as in proc(5).
fn field<T: std::str::FromStr>(stat: &str, number: usize) -> Option<T> {
    // The second field is the program's name in brackets, which may itself hold spaces.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(number.checked_sub(3)?)?.parse().ok()
}

fn usage_of(pid: u32, stat: &str) -> Option<Usage> {
    let ticks = field::<f64>(stat, 14)? + field::<f64>(stat, 15)?;
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: f64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(Usage {
        cpu_us: ticks * TICK_US,
        rss: pages * page_size(),
    })
}

/// USER_HZ is 100 on every architecture Linux runs on today.
const TICK_US: f64 = 10_000.0;

fn page_size() -> f64 {
    u32::try_from(rustix::param::page_size()).map_or(4096.0, f64::from)
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}

/// Lets this process and what it starts hold thousands of connections.
pub(crate) fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // What the system allows is the most one may ask for; a lower limit shows up as failed streams.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_spaces_and_brackets_does_not_shift_the_fields() {
        let line = "7 (a (b) c) S 3 7 7 0 -1 4194304 1 2 3 4 11 12 13 14 20 0 1 0 5 6 7";
        assert_eq!(field::<u32>(line, 4), Some(3));
        assert_eq!(field::<u32>(line, 14), Some(11));
        assert_eq!(field::<u32>(line, 15), Some(12));
    }

    #[test]
    fn a_family_holds_what_its_processes_started() {
        let log = std::env::temp_dir().join("keyferry-bench-family.log");
        let process = Process::start(
            "sh",
            Command::new("sh").args(["-c", "sleep 30 & wait"]),
            &log,
        )
        .unwrap();
        let patience = Instant::now() + Duration::from_secs(5);
        while family(process.child.id()).unwrap().len() < 2 {
            assert!(Instant::now() < patience, "the child never appeared");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(process.usage().unwrap().rss > 0.0);
        for pid in family(process.child.id()).unwrap() {
            let _ = Command::new("kill").arg(pid.to_string()).status();
        }
    }
}
