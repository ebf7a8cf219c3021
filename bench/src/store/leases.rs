//! Leases over HTTP: made, looked at and cleared again.

use std::rc::Rc;

use anyhow::Result;

use super::client::{Client, named};
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
    let targets: Rc<[_]> = targets.into();
    drive(connections, span, meter, |number, lane| {
        let targets = Rc::clone(&targets);
        async move {
            let mut client = Client::connect(&targets, number).await?;
            while !lane.is_over() {
                cycle(&mut client, &lane).await?;
            }
            Ok(())
        }
    })
    .await
}

async fn cycle(client: &mut Client, lane: &Lane) -> Result<()> {
    let person = client.person();
    let body = r#"{"provider":"openai","ttlSeconds":60}"#;
    let made = counted(client, lane, "POST", "/v1/leases", &person, body).await?;
    let (id, handle) = named(&made)?;
    let path = format!("/v1/leases/{id}");
    let handle = format!("x-byok-lease: {handle}\r\n");
    counted(client, lane, "GET", &path, &handle, "").await?;
    counted(client, lane, "DELETE", &path, &handle, "").await?;
    Ok(())
}

async fn counted(
    client: &mut Client,
    lane: &Lane,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Result<Vec<u8>> {
    let began = now();
    let answer = client.call(method, path, headers, body).await?;
    lane.record(began, true);
    Ok(answer)
}
