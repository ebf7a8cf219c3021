//! Leases over HTTP: made, looked at and cleared again.

use std::rc::Rc;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::load::{Lane, Load, Meter, Span, drive};
use crate::payload::now;
use crate::target::Target;
use crate::wire::Wire;

/// Whether the relay behind `target` has leases.
pub(super) async fn are_offered(target: &Target) -> Result<bool> {
    let mut wire = Wire::connect(target.address).await?;
    let request = format!(
        "POST /v1/leases HTTP/1.1\r\nhost: {}\r\ncontent-length: 0\r\n\r\n",
        target.address
    );
    wire.send(request.as_bytes()).await?;
    Ok(wire.response().await?.status != 404)
}

/// Each of `connections` makes a lease, peeks at it and clears it, over and over.
pub(super) async fn load(
    targets: &[Rc<Target>],
    connections: usize,
    span: Span,
    meter: Meter<'_>,
) -> Result<Load> {
    drive(connections, span, meter, |number, lane| {
        let target = targets.iter().cycle().nth(number).cloned();
        async move {
            let target = target.context("nothing to send to")?;
            let mut client = Client {
                wire: Wire::connect(target.address).await?,
                target,
                lane,
            };
            while !client.lane.is_over() {
                client.cycle().await?;
            }
            Ok(())
        }
    })
    .await
}

struct Client {
    wire: Wire,
    target: Rc<Target>,
    lane: Lane,
}

impl Client {
    async fn cycle(&mut self) -> Result<()> {
        let mut headers = String::new();
        for (name, value) in &self.target.headers {
            headers.push_str(&format!("{name}: {value}\r\n"));
        }
        let body = r#"{"provider":"openai","ttlSeconds":60}"#;
        let made = self.call("POST", "/v1/leases", &headers, body).await?;
        let lease: Value = serde_json::from_slice(&made)?;
        let text = |name: &str| {
            let value = lease.get(name).and_then(Value::as_str);
            value.with_context(|| format!("the lease has no {name}"))
        };
        let path = format!("/v1/leases/{}", text("id")?);
        let handle = format!("x-byok-lease: {}\r\n", text("handle")?);
        self.call("GET", &path, &handle, "").await?;
        self.call("DELETE", &path, &handle, "").await?;
        Ok(())
    }

    async fn call(
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
        let began = now();
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
            bail!("{method} of a lease answered {}: {text}", head.status);
        }
        self.lane.record(began, true);
        if !head.keep_alive && head.status != 204 {
            self.wire = Wire::connect(self.target.address).await?;
        }
        Ok(answer)
    }
}
