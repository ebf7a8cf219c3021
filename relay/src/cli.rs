//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

/// What `--help` prints.
pub const HELP: &str = "\
keyferry-relay <command> [--config FILE]

  serve          run the relay
  worker         work on the jobs that relays put into Redis
  check-config   read the configuration and print what is in effect, secrets redacted
  healthcheck    ask a running relay whether it is ready; exit code 0 or 1
  keygen         print a fresh entry for secrets.current, or with --identity one for
                 secrets.identity and, on standard error, the public key that vaults pin

  --config FILE  configuration in TOML; without it, defaults and environment alone
  --identity     keygen: the long-term key that signs the sealing keys
  --kid ID       keygen: the entry's id (default: the current time)
  --version      print the version
  --help         print this

Every field can be set from the environment: KEYFERRY_SERVER__LISTEN=127.0.0.1:8787, or
KEYFERRY_SECRETS__CURRENT_FILE=/run/secrets/relay to read it from a file.
";

/// A parsed command line.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Run the relay.
    Serve(Option<PathBuf>),
    /// Work on jobs.
    Worker(Option<PathBuf>),
    /// Print the effective configuration.
    CheckConfig(Option<PathBuf>),
    /// Ask a running relay for its readiness.
    Healthcheck(Option<PathBuf>),
    /// Print a fresh secret, under this id if one was given.
    Keygen(Option<String>),
    /// Print a fresh identity.
    KeygenIdentity,
    /// Print the version.
    Version,
    /// Print the help.
    Help,
}

/// The command line makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// A flag or value is wrong.
    #[error(transparent)]
    Argument(#[from] lexopt::Error),
    /// There is no such command.
    #[error("unknown command; see --help")]
    UnknownCommand,
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// See [`UsageError`].
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    use lexopt::Arg::{Long, Short, Value};
    use lexopt::ValueExt as _;

    let mut parser = lexopt::Parser::from_args(arguments);
    let mut command = None;
    let mut config = None;
    let mut kid = None;
    let mut identity = false;
    while let Some(argument) = parser.next()? {
        match argument {
            Long("config") | Short('c') => config = Some(PathBuf::from(parser.value()?)),
            Long("identity") => identity = true,
            Long("kid") => kid = Some(parser.value()?.string()?),
            Long("version") | Short('V') => return Ok(Command::Version),
            Long("help") | Short('h') => return Ok(Command::Help),
            Value(value) if command.is_none() => command = Some(value.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    match command.as_deref() {
        Some("serve") => Ok(Command::Serve(config)),
        Some("worker") => Ok(Command::Worker(config)),
        Some("check-config") => Ok(Command::CheckConfig(config)),
        Some("healthcheck") => Ok(Command::Healthcheck(config)),
        Some("keygen") if identity => Ok(Command::KeygenIdentity),
        Some("keygen") => Ok(Command::Keygen(kid)),
        None => Ok(Command::Help),
        Some(_) => Err(UsageError::UnknownCommand),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &[&str]) -> Result<Command, UsageError> {
        parse(words.iter().map(OsString::from))
    }

    #[test]
    fn commands_and_flags() {
        assert_eq!(
            parse_words(&["serve", "--config", "a.toml"]).unwrap(),
            Command::Serve(Some("a.toml".into()))
        );
        assert_eq!(
            parse_words(&["--config=a.toml", "check-config"]).unwrap(),
            Command::CheckConfig(Some("a.toml".into()))
        );
        assert_eq!(
            parse_words(&["worker", "-c", "a.toml"]).unwrap(),
            Command::Worker(Some("a.toml".into()))
        );
        assert_eq!(parse_words(&[]).unwrap(), Command::Help);
        assert!(parse_words(&["serv"]).is_err());
        assert!(parse_words(&["serve", "--conf", "a"]).is_err());
    }
}
