//! What the build needs beside Cargo: pinned command-line tools, npm packages, Debian packages.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process::{exists, run, run_quiet, step};
use crate::workspace::{cache, root};

/// A tool from crates.io at the one version this tree is built with.
pub(crate) struct Tool {
    package: &'static str,
    binary: &'static str,
    version: &'static str,
    install: &'static [&'static str],
    /// How long its build takes, roughly, on two cores.
    minutes: &'static str,
}

/// Must equal the `wasm-bindgen` crate's version in Cargo.lock.
pub(crate) const WASM_BINDGEN: Tool = Tool {
    package: "wasm-bindgen-cli",
    binary: "wasm-bindgen",
    version: "0.2.130",
    install: &[],
    minutes: "2 minutes",
};
pub(crate) const WASM_PACK: Tool = Tool {
    package: "wasm-pack",
    binary: "wasm-pack",
    version: "0.15.1",
    install: &["--locked"],
    minutes: "2 minutes",
};
/// Without its update check; with its own lock file, since newer CSS crates break its build.
pub(crate) const TRUNK: Tool = Tool {
    package: "trunk",
    binary: "trunk",
    version: "0.21.14",
    install: &["--locked", "--no-default-features", "--features", "rustls"],
    minutes: "5 minutes",
};
pub(crate) const CARGO_DENY: Tool = Tool {
    package: "cargo-deny",
    binary: "cargo-deny",
    version: "0.20.2",
    install: &["--locked"],
    minutes: "3 minutes",
};
pub(crate) const TYPOS: Tool = Tool {
    package: "typos-cli",
    binary: "typos",
    version: "1.52.0",
    install: &["--locked"],
    minutes: "2 minutes",
};

pub(crate) const GECKODRIVER: Tool = Tool {
    package: "geckodriver",
    binary: "geckodriver",
    version: "0.37.1",
    install: &["--locked"],
    minutes: "2 minutes",
};

/// The folder that holds `tool`, installed if need be; `None` when the one on PATH is right.
pub(crate) fn ensure(tool: &Tool) -> Result<Option<PathBuf>> {
    if reports_version(tool.binary.as_ref(), tool.version) {
        return Ok(None);
    }
    let home = cache()?
        .join("tools")
        .join(format!("{}-{}", tool.package, tool.version));
    let bin = home.join("bin");
    if reports_version(bin.join(tool.binary).as_os_str(), tool.version) {
        return Ok(Some(bin));
    }
    step(&format!(
        "installing {} {} (once, about {})",
        tool.package, tool.version, tool.minutes
    ));
    let mut command = Command::new("cargo");
    command
        .args([
            "install",
            "--quiet",
            tool.package,
            "--version",
            tool.version,
            "--root",
        ])
        .arg(&home)
        .args(tool.install)
        // They run for moments here: a short build is worth more than a fast tool.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        // The workspace's own target folder is another build's.
        .env_remove("CARGO_TARGET_DIR")
        .current_dir(std::env::temp_dir());
    run(&mut command).with_context(|| format!("could not install {}", tool.package))?;
    Ok(Some(bin))
}

fn reports_version(binary: &std::ffi::OsStr, version: &str) -> bool {
    let output = Command::new(binary)
        .arg("--version")
        .stderr(Stdio::null())
        .output();
    output.is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout)
            .split_whitespace()
            .any(|word| word == version)
    })
}

/// `PATH` with the folders of `tools` in front, each installed if need be.
pub(crate) fn path_with(tools: &[&Tool]) -> Result<OsString> {
    let mut folders = Vec::new();
    for tool in tools {
        folders.extend(ensure(tool)?);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    Ok(std::env::join_paths(folders)?)
}

/// Node's packages as the root's lock file has them.
pub(crate) fn npm_ci() -> Result<()> {
    npm_ci_in(&root()).map(|_| ())
}

/// Node's packages as the lock file in `folder` has them. True when they had to be installed.
pub(crate) fn npm_ci_in(folder: &Path) -> Result<bool> {
    if !exists("node") || !exists("npm") {
        bail!("npm is missing: install Node.js 20 or newer, which brings npm");
    }
    let lock = std::fs::read(folder.join("package-lock.json"))?;
    let stamp = folder.join("node_modules/.keyferry-lock");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(false);
    }
    let name = folder.strip_prefix(root()).unwrap_or(folder);
    step(format!("installing npm packages {}", name.display()).trim_end());
    let mut command = npm();
    command
        .args(["ci", "--no-progress", "--loglevel=error"])
        .current_dir(folder);
    run_quiet(&mut command).context("could not install the npm packages")?;
    std::fs::write(stamp, lock)?;
    Ok(true)
}

/// npm, under the name it has here.
pub(crate) fn npm() -> Command {
    Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
}

/// The compiler's WebAssembly target, which rustup installs by itself from rust-toolchain.toml.
pub(crate) fn wasm_target() -> Result<()> {
    let libraries = run_quiet(Command::new("rustc").current_dir(root()).args([
        "--print",
        "target-libdir",
        "--target",
        "wasm32-unknown-unknown",
    ]))?;
    if PathBuf::from(libraries.trim()).exists() {
        return Ok(());
    }
    step("installing the wasm32-unknown-unknown target");
    run(Command::new("rustup").current_dir(root()).args([
        "target",
        "add",
        "wasm32-unknown-unknown",
    ]))
    .context("the compiler has no wasm32-unknown-unknown target")
}

/// A program that a suite needs, and the Debian package that brings it.
pub(crate) struct System {
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
}

pub(crate) const CHROMIUM: System = System {
    program: "chromium",
    package: "chromium",
};
pub(crate) const CHROMEDRIVER: System = System {
    program: "chromedriver",
    package: "chromium-driver",
};

pub(crate) const FIREFOX: System = System {
    program: "firefox-esr",
    package: "firefox-esr",
};
pub(crate) const NGINX: System = System {
    program: "nginx",
    package: "nginx-light",
};
pub(crate) const REDIS: System = System {
    program: "redis-server",
    package: "redis-server",
};
pub(crate) const PYTHON: System = System {
    program: "python3",
    package: "python3-venv",
};

/// Installs what is missing through apt-get, when root or sudo allows; else says what to install.
pub(crate) fn ensure_system(needed: &[System]) -> Result<()> {
    let missing: Vec<_> = needed
        .iter()
        .filter(|s| !exists(s.program))
        .map(|s| s.package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    let sudo: &[&str] = if is_root() { &[] } else { &["sudo", "-n"] };
    let may = exists("apt-get") && (sudo.is_empty() || sudo_works());
    if !may {
        bail!("missing: {names}. Install them with your package manager and run this again");
    }
    step(&format!("installing {names}"));
    for arguments in [vec!["update", "-qq"], {
        let mut install = vec!["install", "-y", "-qq", "--no-install-recommends"];
        install.extend(&missing);
        install
    }] {
        let mut words = sudo.iter().copied().chain(["apt-get"]).chain(arguments);
        let mut command = Command::new(words.next().unwrap_or("apt-get"));
        command.args(words).env("DEBIAN_FRONTEND", "noninteractive");
        run_quiet(&mut command).with_context(|| format!("could not install {names}"))?;
    }
    Ok(())
}

fn is_root() -> bool {
    run_quiet(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn sudo_works() -> bool {
    Command::new("sudo")
        .args(["-n", "true"])
        .status()
        .is_ok_and(|status| status.success())
}
