//! Opens an exported backup without a browser and lists the keys in it:
//!
//! ```text
//! cargo run -p vault-wasm --example open_backup -- backup.keyferry
//! ```
//!
//! The password is read from standard input. With `--reveal` the keys themselves are printed.

#[cfg(target_arch = "wasm32")]
fn main() {}

#[cfg(not(target_arch = "wasm32"))]
#[allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program"
)]
fn main() -> std::process::ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let reveal = arguments.iter().any(|argument| argument == "--reveal");
    arguments.retain(|argument| argument != "--reveal");
    let [path] = arguments.as_slice() else {
        eprintln!("usage: open_backup <file> [--reveal]");
        return std::process::ExitCode::from(2);
    };
    let file = match std::fs::read(path) {
        Ok(file) => file,
        Err(error) => {
            eprintln!("{path}: {error}");
            return std::process::ExitCode::FAILURE;
        }
    };
    eprintln!("password:");
    let mut password = String::new();
    if std::io::stdin().read_line(&mut password).is_err() {
        eprintln!("no password given");
        return std::process::ExitCode::FAILURE;
    }
    let password = vault_wasm::Secret::new(password.trim_end_matches(['\r', '\n']).into());
    match vault_wasm::offline::open_backup(&file, &password) {
        Ok(keys) => {
            for entry in &keys {
                let record = &entry.record;
                let mut line = [record.provider.as_str(), "\t", &record.name].concat();
                line.push('\t');
                if reveal {
                    // Showing them is what --reveal asks for.
                    line.push_str(&String::from_utf8_lossy(entry.key.expose()));
                } else {
                    line.push_str(&record.preview);
                }
                println!("{line}");
            }
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {error}", error.code());
            std::process::ExitCode::FAILURE
        }
    }
}
