//! Lua that runs inside Redis, called by its hash and sent in full only when the server has
//! forgotten it.

use super::super::StoreError;
use super::link::{Cmd, Fault, FromRedisValue, Link, cmd};

/// One script.
pub(super) struct Script {
    code: String,
    hash: String,
}

/// One call of a script.
pub(super) struct Call<'a> {
    script: &'a Script,
    key: &'a str,
    keys: usize,
    arguments: Vec<Argument<'a>>,
}

enum Argument<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
    Number(u64),
}

/// All scripts.
pub(super) struct Scripts {
    pub(super) admit: Script,
    pub(super) settle: Script,
    pub(super) bucket: Script,
    pub(super) lease: Script,
    pub(super) job: Script,
    pub(super) job_versions: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        const ROW: &str = include_str!("scripts/row.lua");
        Self {
            admit: Script::new(&[ROW, include_str!("scripts/admit.lua")]),
            settle: Script::new(&[ROW, include_str!("scripts/settle.lua")]),
            bucket: Script::new(&[include_str!("scripts/bucket.lua")]),
            lease: Script::new(&[include_str!("scripts/lease.lua")]),
            job: Script::new(&[include_str!("scripts/job.lua")]),
            job_versions: Script::new(&[include_str!("scripts/job_versions.lua")]),
        }
    }
}

impl Script {
    fn new(parts: &[&str]) -> Self {
        let code = parts.concat();
        let hash = super::link::script_hash(&code);
        Self { code, hash }
    }

    /// A call whose first key, the one that decides its slot, is `key`.
    pub(super) fn call<'a>(&'a self, key: &'a str) -> Call<'a> {
        Call {
            script: self,
            key,
            keys: 1,
            arguments: Vec::with_capacity(24),
        }
    }
}

impl<'a> Call<'a> {
    /// Another key; all keys come before all arguments.
    pub(super) fn key(&mut self, key: &'a str) -> &mut Self {
        self.keys += 1;
        self.text(key)
    }

    pub(super) fn text(&mut self, text: &'a str) -> &mut Self {
        self.arguments.push(Argument::Text(text));
        self
    }

    pub(super) fn bytes(&mut self, bytes: &'a [u8]) -> &mut Self {
        self.arguments.push(Argument::Bytes(bytes));
        self
    }

    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        self.arguments.push(Argument::Number(number));
        self
    }

    /// A number, or nothing as the empty text.
    pub(super) fn optional(&mut self, number: Option<u64>) -> &mut Self {
        match number {
            Some(number) => self.number(number),
            None => self.text(""),
        }
    }

    pub(super) fn flag(&mut self, flag: bool) -> &mut Self {
        self.text(if flag { "1" } else { "0" })
    }

    pub(super) async fn run<T: FromRedisValue>(&self, link: &Link) -> Result<T, StoreError> {
        let called = link
            .run(self.key, &self.command("EVALSHA", &self.script.hash))
            .await;
        let result = match called {
            // A restarted or newly promoted server; sent in full, it is also remembered.
            Err(Fault::NoScript) => {
                link.run(self.key, &self.command("EVAL", &self.script.code))
                    .await
            }
            other => other,
        };
        result.map_err(|fault| match fault {
            Fault::NoScript => StoreError::not_done("refused"),
            Fault::Store(error) => error,
        })
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = cmd(name);
        command.arg(script).arg(self.keys).arg(self.key);
        for argument in &self.arguments {
            match argument {
                Argument::Text(text) => command.arg(*text),
                Argument::Bytes(bytes) => command.arg(*bytes),
                Argument::Number(number) => command.arg(*number),
            };
        }
        command
    }
}
