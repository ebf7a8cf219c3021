//! The shipped nginx site in front of the relay, with the real nginx: streams are passed on as
//! they arrive, in both directions, and nothing of a key is written down.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use http::Request;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rcgen::generate_simple_self_signed;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::process::{Process, SERVER};
use crate::support::seal::{FIRST, Vault, secrets};
use crate::support::{
    CANARY, ChannelBody, Reply, StandIn, closes_within_a_second, free_address, providers_at,
    raw_provider, read_head,
};

const SITE: &str = include_str!("../../deploy/nginx/keyferry.conf");

/// A running nginx; killed when dropped.
struct Nginx {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
    trusted: CertificateDer<'static>,
}

impl Nginx {
    async fn start(relay: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certified = generate_simple_self_signed(vec!["relay.example".to_owned()]).unwrap();
        let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(file("fullchain.pem"), certified.cert.pem()).unwrap();
        std::fs::write(file("privkey.pem"), certified.signing_key.serialize_pem()).unwrap();
        let (plain, address) = (free_address(), free_address());
        let mut site = SITE.to_owned();
        for (shipped, here) in [
            ("listen 80;", format!("listen {plain};")),
            (
                "listen 443 ssl http2;",
                format!("listen {address} ssl http2;"),
            ),
            ("server 127.0.0.1:8787;", format!("server {relay};")),
            ("/etc/ssl/keyferry/fullchain.pem", file("fullchain.pem")),
            ("/etc/ssl/keyferry/privkey.pem", file("privkey.pem")),
            ("/var/log/nginx/keyferry.access.log", file("access.log")),
            ("/var/log/nginx/keyferry.error.log", file("error.log")),
        ] {
            assert_eq!(site.matches(shipped).count(), 1, "{shipped}");
            site = site.replace(shipped, &here);
        }
        std::fs::write(file("site.conf"), site).unwrap();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path {};\n", file(kind)))
            .collect();
        // What a distribution's nginx.conf has around conf.d, its own error log included.
        let main = format!(
            "{}worker_processes 1;\npid {};\nerror_log {} crit;\nevents {{ worker_connections 256; }}\nhttp {{\n{temporary}access_log off;\ninclude {};\n}}\n",
            if is_root() { "user root;\n" } else { "" },
            file("pid"),
            file("main-error.log"),
            file("site.conf"),
        );
        std::fs::write(file("nginx.conf"), main).unwrap();
        let child = Command::new("nginx")
            .args([
                "-p",
                folder.path().to_str().unwrap(),
                "-c",
                &file("nginx.conf"),
            ])
            .args(["-g", "daemon off;"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(file("stderr.log")).unwrap())
            .spawn()
            .expect("nginx is installed");
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).await.is_err() {
            let said = std::fs::read_to_string(file("stderr.log")).unwrap();
            assert!(Instant::now() < deadline, "nginx did not start: {said}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self {
            child,
            address,
            folder,
            trusted: certified.cert.der().clone(),
        }
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.trusted.clone()).unwrap();
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
            .connect(
                ServerName::try_from("relay.example").unwrap(),
                TcpStream::connect(self.address).await.unwrap(),
            )
            .await
            .unwrap()
    }

    async fn send(&self, request: Request<Body>) -> http::Response<Incoming> {
        let io = TokioIo::new(self.connect().await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        tokio::spawn(async move {
            let _ = sender.ready().await;
        });
        response
    }

    /// Writes raw bytes and returns what comes back within a second.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(1), stream.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master takes its workers along on SIGQUIT; on SIGKILL they would stay.
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let _ = self.child.wait();
    }
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0
}

fn config(provider: SocketAddr) -> String {
    providers_at(
        provider,
        &format!(
            "{SERVER}public_origins = [\"https://relay.example\"]\n{}",
            secrets(FIRST, &[], "")
        ),
    )
}

fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "relay.example")
        .header("x-byok-key", CANARY)
}

fn sealed_request(path: &str, header: &str) -> Request<Body> {
    Request::builder()
        .uri(path)
        .header("host", "relay.example")
        .header("x-byok-key", header)
        .body(Body::empty())
        .unwrap()
}

/// Every run of 8 characters behind the canary's public prefix.
fn secret_windows() -> impl Iterator<Item = &'static str> {
    let secret = CANARY.strip_prefix("sk-proj-").unwrap();
    (0..=secret.len() - 8).map(move |at| &secret[at..at + 8])
}

fn assert_clean(name: &str, text: &str) {
    for window in secret_windows() {
        assert!(!text.contains(window), "{name} holds {window}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_passed_on_one_by_one() {
    let provider = StandIn::start(|_| {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            for number in 0..5 {
                let _ = sender
                    .send(format!("data: {number}\n\n").into_bytes())
                    .await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        Response::builder()
            .header("content-type", "text/event-stream")
            .body(Body::new(ChannelBody(receiver)))
            .unwrap()
    })
    .await;
    let relay = Process::start(&config(provider.address)).await;
    let nginx = Nginx::start(relay.address).await;
    let path = "/providers/openai/v1/chat/completions";
    let request = request("POST", path)
        .header("content-type", "application/json")
        .body(Body::from(r#"{"model":"gpt-4o","stream":true}"#))
        .unwrap();
    let begun = Instant::now();
    let mut body = nginx.send(request).await.into_body();
    let mut arrivals = Vec::new();
    while let Some(frame) = body.frame().await {
        if frame
            .unwrap()
            .data_ref()
            .is_some_and(|data| !data.is_empty())
        {
            arrivals.push(begun.elapsed());
        }
    }
    assert_eq!(arrivals.len(), 5, "{arrivals:?}");
    assert!(arrivals[0] < Duration::from_millis(190), "{arrivals:?}");
    for pair in arrivals.windows(2) {
        let gap = pair[1] - pair[0];
        assert!(
            gap > Duration::from_millis(100),
            "collected somewhere: {arrivals:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_reach_the_provider_while_they_are_sent() {
    let (told, mut tell) = tokio::sync::mpsc::unbounded_channel();
    let address = raw_provider(move |mut stream| {
        let told = told.clone();
        async move {
            read_head(&mut stream).await;
            let mut first = [0; 1];
            let _ = stream.read_exact(&mut first).await;
            let _ = told.send(());
            let mut rest = vec![0; 64 * 1024];
            let _ = tokio::time::timeout(Duration::from_secs(2), stream.read(&mut rest)).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                .await;
        }
    })
    .await;
    let relay = Process::start(&config(address)).await;
    let nginx = Nginx::start(relay.address).await;
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let request = request("POST", "/providers/openai/v1/files")
        .header("content-type", "multipart/form-data; boundary=x")
        .body(Body::new(ChannelBody(receiver)))
        .unwrap();
    let answer = tokio::spawn({
        let connection = nginx.connect().await;
        async move {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(connection))
                    .await
                    .unwrap();
            tokio::spawn(connection);
            sender
                .send_request(request)
                .await
                .map(|response| response.status().as_u16())
        }
    });
    sender.send(b"--x\r\nfirst part".to_vec()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(2), tell.recv())
        .await
        .expect("the provider has the first bytes before the upload ends");
    sender.send(b"\r\n--x--\r\n".to_vec()).await.unwrap();
    drop(sender);
    assert_eq!(answer.await.unwrap().unwrap(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_cancels_the_provider() {
    let (told, mut tell) = tokio::sync::mpsc::unbounded_channel();
    let address = raw_provider(move |mut stream| {
        let told = told.clone();
        async move {
            read_head(&mut stream).await;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = told.send(closes_within_a_second(&mut stream).await);
        }
    })
    .await;
    let relay = Process::start(&config(address)).await;
    let nginx = Nginx::start(relay.address).await;
    let request = request("GET", "/providers/openai/v1/models")
        .body(Body::empty())
        .unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(nginx.connect().await))
            .await
            .unwrap();
    let connection = tokio::spawn(connection);
    let mut body = sender.send_request(request).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    connection.abort();
    drop((body, sender));
    assert_eq!(
        tell.recv().await,
        Some(true),
        "the provider saw the close within a second"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_key_is_written_down() {
    let provider = StandIn::ok().await;
    let mut relay = Process::start(&config(provider.address)).await;
    let nginx = Nginx::start(relay.address).await;

    let ordinary = request("GET", "/providers/openai/v1/models")
        .body(Body::empty())
        .unwrap();
    assert_eq!(nginx.send(ordinary).await.status(), 200);
    // Sealed: opened once behind nginx, refused the second time, and known to neither log.
    let document = request("GET", "/.well-known/keyferry");
    let document = nginx.send(document.body(Body::empty()).unwrap()).await;
    let document = Reply::read(document).await.json();
    let mut vault = Vault::new(&document, "https://relay.example".to_owned(), 1);
    let path = "/providers/openai/v1/models";
    let header = vault.seal("GET", path, "");
    for status in [200, 400] {
        let sealed = sealed_request(path, &header);
        assert_eq!(nginx.send(sealed).await.status(), status);
    }
    let seen = provider.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1].headers["authorization"], format!("Bearer {CANARY}"));
    let host = "host: relay.example\r\n";
    let key = format!("x-byok-key: {CANARY}\r\n");
    for head in [
        // Where keys do not belong, and are refused.
        format!("GET /providers/google/v1beta/models?key={CANARY} HTTP/1.1\r\n{host}\r\n"),
        format!("GET /providers/openai/v1/models/{CANARY} HTTP/1.1\r\n{host}\r\n"),
        format!("GET /{CANARY} HTTP/1.1\r\n{host}{key}referer: https://x/{CANARY}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{host}user-agent: {CANARY}\r\ncookie: a={CANARY}\r\n\r\n"),
        // Heads that nginx itself objects to.
        format!("GET / HTTP/1.1\r\n{host}x-byok key: {CANARY}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{host}x-byok-key: {CANARY}\0\r\n\r\n"),
        format!(
            "GET / HTTP/1.1\r\n{host}x-byok-key: {}\r\n\r\n",
            CANARY.repeat(1000)
        ),
        format!("GET /?key={} HTTP/1.1\r\n{host}\r\n", CANARY.repeat(1000)),
        format!("{CANARY}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {CANARY}\r\n\r\n"),
    ] {
        nginx.raw(head.as_bytes()).await;
    }
    // And with the relay gone: nginx answers 502 and has something to say in its error log.
    relay.signal("TERM");
    relay.exit_code(Duration::from_secs(10)).await;
    let orphan = request(
        "GET",
        &format!("/providers/google/v1beta/models?key={CANARY}"),
    );
    let status = nginx
        .send(orphan.body(Body::empty()).unwrap())
        .await
        .status();
    assert_eq!(status, 502);
    let sealed = sealed_request(path, &vault.seal("GET", path, ""));
    assert_eq!(nginx.send(sealed).await.status(), 502);

    // nginx writes a line once the request has ended on its side.
    let deadline = Instant::now() + Duration::from_secs(5);
    while nginx.file("access.log").matches("\"status\":502").count() < 2 {
        assert!(Instant::now() < deadline, "{}", nginx.file("access.log"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let access = nginx.file("access.log");
    let lines: Vec<serde_json::Value> = access
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert!(lines.len() >= 8, "{access}");
    assert_eq!(lines[0]["status"], 200);
    assert!(
        lines[0]["request_id"]
            .as_str()
            .is_some_and(|id| relay.log().contains(id)),
        "{access}"
    );
    let ciphertext = header.rsplit('.').next().unwrap();
    for name in ["access.log", "error.log", "main-error.log", "stderr.log"] {
        assert_clean(name, &nginx.file(name));
        assert!(!nginx.file(name).contains(&ciphertext[..8]), "{name}");
    }
    assert!(!relay.log().contains(&ciphertext[..8]));
    assert_clean("the relay's log", &relay.log());
    for folder in ["client_body", "proxy"] {
        let left = files_below(&nginx.folder.path().join(folder));
        assert_eq!(left, 0, "bodies on disk in {folder}");
    }
}

fn files_below(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, |entries| {
        entries
            .filter_map(Result::ok)
            .map(|entry| {
                if entry.path().is_dir() {
                    files_below(&entry.path())
                } else {
                    1
                }
            })
            .sum()
    })
}
