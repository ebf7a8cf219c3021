//! TLS on the relay's own listener, with certificates made for the test.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::Request;
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::process::{Process, SERVER, run};
use crate::support::{
    CANARY, ChannelBody, StandIn, closes_within_a_second, free_address, providers_at, raw_exchange,
    raw_provider, read_head,
};

const TLS: &str = "[tls]\ncertificate = \"FOLDER/chain.pem\"\nkey = \"FOLDER/key.pem\"\n";

fn certificate() -> CertifiedKey<rcgen::KeyPair> {
    generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap()
}

fn write(folder: &Path, certificate: &CertifiedKey<rcgen::KeyPair>) {
    std::fs::write(folder.join("chain.pem"), certificate.cert.pem()).unwrap();
    std::fs::write(
        folder.join("key.pem"),
        certificate.signing_key.serialize_pem(),
    )
    .unwrap();
}

/// Connects, trusting only `trusted`.
async fn connect(
    process: &Process,
    trusted: &CertificateDer<'static>,
    alpn: &[&[u8]],
) -> Result<TlsStream<TcpStream>, String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(process.address).await.unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from("localhost").unwrap(), stream)
        .await
        .map_err(|error| error.to_string())
}

fn request(process: &Process) -> Request<Body> {
    Request::builder()
        .uri(format!(
            "https://localhost:{}/providers/openai/v1/models",
            process.address.port()
        ))
        .header("x-byok-key", CANARY)
        .body(Body::empty())
        .unwrap()
}

/// The status of one request, and the protocol agreed on.
async fn get(
    process: &Process,
    trusted: &CertificateDer<'static>,
    alpn: &[&[u8]],
) -> Result<(u16, Option<Vec<u8>>), String> {
    let stream = connect(process, trusted, alpn).await?;
    let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    let request = request(process);
    let response = if protocol.as_deref() == Some(b"h2") {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let (mut head, body) = request.into_parts();
        let authority = head.uri.authority().unwrap().to_string();
        head.uri = head.uri.path().parse().unwrap();
        head.headers.insert("host", authority.parse().unwrap());
        sender
            .send_request(Request::from_parts(head, body))
            .await
            .unwrap()
    };
    let status = response.status().as_u16();
    response.into_body().collect().await.unwrap();
    Ok((status, protocol))
}

#[tokio::test(flavor = "multi_thread")]
async fn both_protocols_over_tls_and_none_without() {
    let provider = StandIn::ok().await;
    let folder = tempfile::tempdir().unwrap();
    let certified = certificate();
    write(folder.path(), &certified);
    let process = Process::start_in(
        folder,
        &providers_at(provider.address, &format!("{SERVER}{TLS}")),
    )
    .await;
    let trusted = certified.cert.der();
    assert_eq!(
        get(&process, trusted, &[b"h2", b"http/1.1"]).await,
        Ok((200, Some(b"h2".to_vec())))
    );
    assert_eq!(
        get(&process, trusted, &[b"http/1.1"]).await,
        Ok((200, Some(b"http/1.1".to_vec())))
    );
    assert_eq!(get(&process, trusted, &[]).await, Ok((200, None)));
    let plain = raw_exchange(
        process.address,
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n",
        Duration::from_secs(2),
    )
    .await;
    assert!(!plain.contains("HTTP/1.1 200"), "{plain}");
    assert_eq!(provider.count(), 3);
    assert!(!process.log().contains("CANARY"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_serves_the_new_certificate_and_keeps_a_good_one() {
    let provider = StandIn::ok().await;
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (certificate(), certificate());
    write(folder.path(), &first);
    let process = Process::start_in(
        folder,
        &providers_at(provider.address, &format!("{SERVER}{TLS}")),
    )
    .await;
    assert!(get(&process, first.cert.der(), &[]).await.is_ok());

    write(process.folder.path(), &second);
    process.reload().await;
    assert!(get(&process, second.cert.der(), &[]).await.is_ok());
    assert!(get(&process, first.cert.der(), &[]).await.is_err());

    // The key of another certificate: half a renewal must not end the service.
    std::fs::write(
        process.folder.path().join("key.pem"),
        first.signing_key.serialize_pem(),
    )
    .unwrap();
    process.reload().await;
    assert!(process.log().contains("not reloaded"));
    assert!(get(&process, second.cert.der(), &[]).await.is_ok());
}

#[test]
fn unusable_certificates_are_named_before_anything_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    write(folder.path(), &certificate());
    std::fs::write(path("empty.pem"), "").unwrap();
    std::fs::write(path("other.pem"), certificate().signing_key.serialize_pem()).unwrap();
    let address = free_address().to_string();
    for (chain, key, expected) in [
        ("missing.pem", "key.pem", "missing.pem"),
        ("empty.pem", "key.pem", "empty.pem"),
        ("chain.pem", "chain.pem", "private key"),
        ("chain.pem", "other.pem", "cannot be used"),
    ] {
        let (code, _, error) = run(
            &["serve"],
            &[
                ("KEYFERRY_SERVER__LISTEN", &address),
                ("KEYFERRY_TLS__CERTIFICATE", &path(chain)),
                ("KEYFERRY_TLS__KEY", &path(key)),
            ],
        );
        assert_eq!(code, 2, "{chain} {key}");
        assert!(error.contains(expected), "{chain} {key}: {error}");
        assert!(!error.contains("BEGIN"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_over_http2_outlives_the_order_to_stop() {
    let provider = StandIn::start(|_| {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            for number in 0..5 {
                let _ = sender
                    .send(format!("data: {number}\n\n").into_bytes())
                    .await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        Response::builder()
            .header("content-type", "text/event-stream")
            .body(Body::new(ChannelBody(receiver)))
            .unwrap()
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let certified = certificate();
    write(folder.path(), &certified);
    let text = providers_at(provider.address, &format!("{SERVER}{TLS}"));
    let mut process = Process::start_in(folder, &text).await;
    let stream = connect(&process, certified.cert.der(), &[b"h2"])
        .await
        .unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let mut body = sender
        .send_request(request(&process))
        .await
        .unwrap()
        .into_body();
    body.frame().await.unwrap().unwrap();
    process.signal("TERM");
    let rest = body
        .collect()
        .await
        .expect("the stream ends whole")
        .to_bytes();
    assert!(rest.ends_with(b"data: 4\n\n"), "{rest:?}");
    drop(sender);
    assert_eq!(process.exit_code(Duration::from_secs(5)).await, Some(0));
    assert!(
        process.log().contains("\"whole\":true"),
        "{}",
        process.log()
    );
}

/// A provider that reports whether its connection was closed within a second of having been asked
/// (or of having sent the beginning of a stream).
async fn watched_provider(
    streams: bool,
) -> (
    std::net::SocketAddr,
    tokio::sync::mpsc::UnboundedReceiver<bool>,
) {
    let (told, tell) = tokio::sync::mpsc::unbounded_channel();
    let address = raw_provider(move |mut stream| {
        let told = told.clone();
        async move {
            read_head(&mut stream).await;
            if streams {
                let _ = stream.write_all(STREAM_BEGINS).await;
            }
            let _ = told.send(closes_within_a_second(&mut stream).await);
        }
    })
    .await;
    (address, tell)
}

const STREAM_BEGINS: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_cancels_the_provider_over_tls_too() {
    for (alpn, streams) in [
        (&b"http/1.1"[..], false),
        (b"http/1.1", true),
        (b"h2", false),
        (b"h2", true),
    ] {
        let (address, mut tell) = watched_provider(streams).await;
        let folder = tempfile::tempdir().unwrap();
        let certified = certificate();
        write(folder.path(), &certified);
        let text = providers_at(address, &format!("{SERVER}{TLS}"));
        let process = Process::start_in(folder, &text).await;
        let stream = connect(&process, certified.cert.der(), &[alpn])
            .await
            .unwrap();
        let mut request = request(&process);
        let case = format!("{} streams: {streams}", String::from_utf8_lossy(alpn));
        if alpn == b"h2" {
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .unwrap();
            tokio::spawn(connection);
            // Only the stream is given up; the connection goes on.
            let waiting = tokio::time::timeout(Duration::from_millis(200), async {
                let mut body = sender.send_request(request).await.unwrap().into_body();
                while body.frame().await.is_some() {}
            });
            assert!(waiting.await.is_err(), "{case}");
            assert_eq!(tell.recv().await, Some(true), "{case}");
            drop(sender);
        } else {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream))
                    .await
                    .unwrap();
            let connection = tokio::spawn(connection);
            let authority = request.uri().authority().unwrap().to_string();
            request
                .headers_mut()
                .insert("host", authority.parse().unwrap());
            *request.uri_mut() = request.uri().path().parse().unwrap();
            let waiting = tokio::time::timeout(Duration::from_millis(200), async {
                let mut body = sender.send_request(request).await.unwrap().into_body();
                while body.frame().await.is_some() {}
            });
            assert!(waiting.await.is_err(), "{case}");
            connection.abort();
            assert_eq!(tell.recv().await, Some(true), "{case}");
        }
    }
}
