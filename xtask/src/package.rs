//! From sources to `target/npm/keyferry` (the npm package) and `www/dist` (the site).

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{run, run_quiet, step};
use crate::tools::{self, TRUNK, WASM_BINDGEN};
use crate::workspace::{root, target, up_to_date};

/// What the compiler's baseline for this target uses; every browser since 2022 has them.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// Cargo configuration, added to that of `.cargo/config.toml`: panics name the files of
/// dependencies, and of the standard library where its sources are installed, and the module must
/// tell nothing of the machine that built it, nor differ for it.
fn without_local_paths() -> Result<String> {
    let cargo = match std::env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => std::env::home_dir()
            .context("no home folder: set CARGO_HOME")?
            .join(".cargo"),
    };
    let sysroot = run_quiet(
        Command::new("rustc")
            .current_dir(root())
            .args(["--print", "sysroot"]),
    )?;
    let from = |path: PathBuf, to: &str| format!("'--remap-path-prefix={}={to}'", path.display());
    Ok(format!(
        "target.wasm32-unknown-unknown.rustflags=[{}, {}, {}]",
        from(root(), "."),
        from(cargo.join("registry/src"), "crates"),
        from(
            PathBuf::from(sysroot.trim()).join("lib/rustlib/src/rust"),
            "rust"
        ),
    ))
}

/// The vault's module, compiled, bound and optimised: what ships, or with one more export for the
/// official vectors.
struct Module {
    /// Cargo's. The two do not share one, so that neither makes the other stale.
    target: PathBuf,
    features: &'static str,
    bindings: PathBuf,
}

impl Module {
    fn shipped() -> Self {
        Self {
            target: target(),
            features: "",
            bindings: root().join("target/wasm-bindgen"),
        }
    }

    fn with_vectors() -> Self {
        Self {
            target: target().join("vectors"),
            features: "vectors",
            bindings: root().join("target/wasm-vectors"),
        }
    }

    /// Builds it, with wasm-bindgen's glue beside it. Steps whose output is newer than their input
    /// are left out.
    fn build(&self) -> Result<PathBuf> {
        tools::wasm_target()?;
        tools::npm_ci()?;
        step("compiling the vault to WebAssembly");
        run(Command::new("cargo")
            .current_dir(root())
            .args([
                "build",
                "--quiet",
                "--package",
                "vault-wasm",
                "--lib",
                "--profile",
                "wasm",
                "--target",
                "wasm32-unknown-unknown",
                "--features",
                self.features,
                "--target-dir",
            ])
            .arg(&self.target)
            .arg("--config")
            .arg(without_local_paths()?))?;

        let compiled = self
            .target
            .join("wasm32-unknown-unknown/wasm/vault_wasm.wasm");
        let module = self.bindings.join("vault_bg.wasm");
        let mute = root().join("vault-wasm/js/build/mute.mjs");
        if up_to_date(&module, &[compiled.clone(), mute.clone()]) {
            return Ok(module);
        }
        step("generating its bindings");
        let path = tools::path_with(&[&WASM_BINDGEN])?;
        run_quiet(
            Command::new("wasm-bindgen")
                .env("PATH", &path)
                .args(["--target", "no-modules", "--out-name", "vault", "--out-dir"])
                .arg(&self.bindings)
                .arg(compiled),
        )?;
        run(Command::new("node").arg(mute).arg(&module))?;
        let optimised = self.bindings.join("vault_bg.opt.wasm");
        run_quiet(
            Command::new("node")
                .arg(root().join("node_modules/binaryen/bin/wasm-opt"))
                .arg("-Oz")
                // Inlining whatever has one caller makes fewer bytes, and more of them compressed.
                .arg("--one-caller-inline-max-function-size=20")
                .args(FEATURES)
                .arg("-o")
                .arg(&optimised)
                .arg(&module),
        )?;
        std::fs::rename(&optimised, &module).context("could not keep the optimised module")?;
        Ok(module)
    }
}

/// The module for the official vectors, and the folder it is in with its glue.
pub(crate) fn vectors() -> Result<PathBuf> {
    let module = Module::with_vectors();
    module.build()?;
    Ok(module.bindings)
}

/// Builds the npm package. Steps whose output is newer than their input are left out.
pub(crate) fn npm() -> Result<()> {
    let module = Module::shipped().build()?;
    let package = root().join("target/npm/keyferry");
    let inputs = [
        module,
        root().join("vault-wasm/js"),
        root().join("package-lock.json"),
    ];
    if !up_to_date(&package.join("package.json"), &inputs) {
        step("building the npm package");
        run(Command::new("node")
            .current_dir(root())
            .arg("vault-wasm/js/build.mjs"))?;
    }
    Ok(())
}

/// Builds the npm package and the site that carries it under `/keyferry/`.
pub(crate) fn site() -> Result<()> {
    npm()?;
    let inputs = [
        root().join("target/npm/keyferry/package.json"),
        root().join("www/build.mjs"),
        root().join("www/icon.svg"),
        root().join("www/index.html"),
        root().join("www/src"),
        root().join("www/styles"),
        root().join("Trunk.toml"),
    ];
    if up_to_date(&root().join("www/dist/index.html"), &inputs) {
        return Ok(());
    }
    let path = tools::path_with(&[&TRUNK])?;
    step("building the page");
    run_quiet(
        Command::new("trunk")
            .current_dir(root())
            .env("PATH", path)
            .env_remove("NO_COLOR") // Trunk reads it as a boolean of its own and refuses "1"
            .args(["build", "--offline", "--log", "error"]),
    )?;
    Ok(())
}

/// Prints what the npm package weighs, against its budgets.
pub(crate) fn sizes() -> Result<()> {
    run(Command::new("node")
        .current_dir(root())
        .arg("vault-wasm/js/sizes.mjs"))
}

/// Compiles the relay and gives the path of its binary.
pub(crate) fn relay() -> Result<PathBuf> {
    step("compiling the relay");
    run(Command::new("cargo").current_dir(root()).args([
        "build",
        "--quiet",
        "--package",
        "keyferry-relay",
    ]))?;
    Ok(target().join("debug").join(if cfg!(windows) {
        "keyferry-relay.exe"
    } else {
        "keyferry-relay"
    }))
}
