//! One connection to a relay's own endpoints, which answer with small documents.

use std::rc::Rc;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::target::Target;
use crate::wire::Wire;

/// A client of the relay behind `target`.
#[derive(Debug)]
pub(super) struct Client {
    wire: Wire,
    target: Rc<Target>,
}

impl Client {
    /// The connection of number `number` out of those dealt out to `targets` in turn.
    pub(super) async fn connect(targets: &[Rc<Target>], number: usize) -> Result<Self> {
        let target = targets.iter().cycle().nth(number).cloned();
        let target = target.context("nothing to send to")?;
        Ok(Self {
            wire: Wire::connect(target.address).await?,
            target,
        })
    }

    /// The header fields that a person's request carries, the key among them.
    pub(super) fn person(&self) -> String {
        let fields = self.target.headers.iter();
        fields
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect()
    }

    /// Sends a request with `headers`, whole lines, and reads its answer; anything but success is
    /// an error.
    pub(super) async fn call(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> Result<Vec<u8>> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            self.target.address,
            body.len()
        );
        self.wire.send(request.as_bytes()).await?;
        let head = self.wire.response().await?;
        let mut answer = Vec::new();
        if head.status != 204 {
            self.wire
                .body(head.framing, |piece| answer.extend_from_slice(piece))
                .await?;
        }
        if !(200..300).contains(&head.status) {
            let text = String::from_utf8_lossy(&answer);
            bail!("{method} {path} answered {}: {text}", head.status);
        }
        if !head.keep_alive && head.status != 204 {
            self.wire = Wire::connect(self.target.address).await?;
        }
        Ok(answer)
    }
}

/// What a lease or a job is asked about with: `(id, handle)`.
pub(super) fn named(answer: &[u8]) -> Result<(String, String)> {
    let made: Value = serde_json::from_slice(answer)?;
    let text = |name: &str| {
        let value = made.get(name).and_then(Value::as_str);
        let value = value.with_context(|| format!("what was made has no {name}"));
        value.map(str::to_owned)
    };
    Ok((text("id")?, text("handle")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_named_by_id_and_handle() {
        let named_by = named(br#"{"id":"a","handle":"kfj_a.b","status":"queued"}"#).unwrap();
        assert_eq!(named_by, ("a".to_owned(), "kfj_a.b".to_owned()));
        for answer in [&br#"{"id":"a"}"#[..], br#"{"id":1,"handle":"h"}"#, b"ok"] {
            assert!(named(answer).is_err());
        }
    }
}
