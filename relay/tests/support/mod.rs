//! A relay and stand-in providers on loopback, over real TCP; below, what some of the tests share.

pub(crate) mod authority;
pub(crate) mod jobs;
pub(crate) mod leases;
pub(crate) mod log;
pub(crate) mod process;
pub(crate) mod redis;
pub(crate) mod seal;
pub(crate) mod secrecy;
pub(crate) mod tokens;
pub(crate) mod worker;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, Uri};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use keyferry_relay::{Bound, Config, Relay, Server, app};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A key no log, header or body may show beyond the provider's auth header.
pub(crate) const CANARY: &str = "sk-proj-CANARYcanaryCANARY0123456789abcdefGHIJKLMN";

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

pub(crate) fn parse_config(text: &str) -> Config {
    Config::parse(text, Path::new("test"), std::iter::empty()).unwrap()
}

/// A loopback port nobody listens on: below those that the system gives to connections, of which
/// other tests make some at the same time, and low enough that the second port of a node in a
/// Redis cluster (10,000 above) exists.
pub(crate) fn free_port() -> u16 {
    loop {
        let given = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = 10_000 + given.local_addr().unwrap().port() % 20_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A loopback address nobody listens on: one to give to a program, or of a provider that is gone.
pub(crate) fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// A running relay.
pub(crate) struct TestRelay {
    pub(crate) address: SocketAddr,
    pub(crate) vault: Option<SocketAddr>,
    pub(crate) relay: Arc<Relay>,
    pub(crate) server: Arc<Server>,
}

impl TestRelay {
    /// Starts on a free port with the configuration `text`; `server.listen` is replaced.
    pub(crate) async fn start(text: &str) -> Self {
        let config = parse_config(text);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let vault = match config.vault.listen {
            Some(_) => Some(TcpListener::bind("127.0.0.1:0").await.unwrap()),
            None => None,
        };
        let vault_address = vault
            .as_ref()
            .map(|listener| listener.local_addr().unwrap());
        let server = Arc::new(Server::new(&config));
        let relay = Relay::new(
            config,
            Bound {
                page: address,
                vault: vault_address,
            },
        )
        .unwrap();
        for listener in std::iter::once(listener).chain(vault) {
            let (server, app) = (Arc::clone(&server), app(Arc::clone(&relay)));
            tokio::spawn(async move { server.run(listener, app).await });
        }
        Self {
            address,
            vault: vault_address,
            relay,
            server,
        }
    }

    /// A relay whose providers are all at `provider`.
    pub(crate) async fn with_provider(provider: SocketAddr, more: &str) -> Self {
        Self::start(&providers_at(provider, more)).await
    }

    /// A request builder with the relay's host.
    pub(crate) fn request(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header("host", format!("localhost:{}", self.address.port()))
    }

    /// Sends over a connection of its own.
    pub(crate) async fn send(&self, request: Request<Body>) -> http::Response<Incoming> {
        send(self.address, request).await
    }

    /// `GET` with the canary key.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        let request = self
            .request("GET", path)
            .header("x-byok-key", CANARY)
            .body(Body::empty())
            .unwrap();
        Reply::read(self.send(request).await).await
    }

    /// `POST` of JSON with the canary key.
    pub(crate) async fn post(&self, path: &str, json: &str) -> Reply {
        let request = self
            .request("POST", path)
            .header("x-byok-key", CANARY)
            .header("content-type", "application/json")
            .body(Body::from(json.to_owned()))
            .unwrap();
        Reply::read(self.send(request).await).await
    }

    /// Sends a request built with [`Self::request`] and reads the whole answer.
    pub(crate) async fn reply(&self, request: Request<Body>) -> Reply {
        Reply::read(self.send(request).await).await
    }
}

/// Configuration with every built-in provider at `provider`, and `more` in front.
pub(crate) fn providers_at(provider: SocketAddr, more: &str) -> String {
    let mut text = more.to_owned();
    for id in [
        "openai",
        "anthropic",
        "google",
        "openrouter",
        "meta",
        "groq",
        "xai",
        "deepseek",
        "mistral",
    ] {
        if !more.contains(&format!("[providers.{id}]")) {
            text.push_str(&format!(
                "\n[providers.{id}]\nbase_url = \"http://{provider}\"\n"
            ));
        }
    }
    text.replace("BASE_URL", &format!("http://{provider}"))
}

pub(crate) async fn send(address: SocketAddr, request: Request<Body>) -> http::Response<Incoming> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(request).await.unwrap();
    // The connection lives as long as the answer's body.
    tokio::spawn(async move {
        let _ = sender.ready().await;
    });
    response
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) async fn read(response: http::Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Self {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The relay's code, checked to be the same in all three places.
    pub(crate) fn code(&self) -> String {
        let code = self.header("x-byok-error").unwrap_or_default().to_owned();
        if !code.is_empty() {
            let document = self.json();
            assert_eq!(document["code"], code.as_str());
            assert_eq!(document["error"]["code"], code.as_str());
            assert_eq!(
                self.header("content-type"),
                Some("application/problem+json")
            );
        }
        code
    }
}

/// Asserts that the relay refused, and how.
#[track_caller]
pub(crate) fn refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (status, code),
        "{}",
        reply.text()
    );
}

/// What a stand-in saw.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A stand-in provider that answers by a function and remembers what it was asked.
pub(crate) struct StandIn {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl StandIn {
    /// Answers every request, once it has been read whole, with what `answer` makes of it.
    pub(crate) async fn start<F>(answer: F) -> Self
    where
        F: Fn(&Seen) -> Response + Clone + Send + Sync + 'static,
    {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let router = Router::new().fallback(move |request: Request| {
            let (log, answer) = (Arc::clone(&log), answer.clone());
            async move {
                let (head, body) = request.into_parts();
                let Ok(body) = body.collect().await else {
                    return ().into_response();
                };
                let one = Seen {
                    method: head.method,
                    uri: head.uri,
                    headers: head.headers,
                    body: body.to_bytes(),
                };
                let response = answer(&one);
                log.lock().unwrap().push(one);
                response
            }
        });
        let (address, task) = serve_router(router).await;
        Self {
            address,
            seen,
            task,
        }
    }

    /// Answers everything with 200 and `{}`.
    pub(crate) async fn ok() -> Self {
        Self::start(|_| json_response(200, "{}")).await
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub(crate) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "expected one provider request");
        seen[0].clone()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn json_response(status: u16, body: &str) -> Response {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap()
}

async fn serve_router(router: Router) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = hyper_util::service::TowerToHyperService::new(router.clone());
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (address, task)
}

/// A provider by hand: one function per accepted connection.
pub(crate) async fn raw_provider<F, R>(connection: F) -> SocketAddr
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(connection(stream));
        }
    });
    address
}

/// Reads a request head.
pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await.unwrap_or(0) == 0 {
            break;
        }
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Waits for the other end to close; true when it does within a second.
pub(crate) async fn closes_within_a_second(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 4096];
    tokio::time::timeout(Duration::from_secs(1), async {
        while let Ok(read) = stream.read(&mut buffer).await {
            if read == 0 {
                break;
            }
        }
    })
    .await
    .is_ok()
}

/// Writes `bytes` on a fresh connection and returns everything that comes back within `wait`.
pub(crate) async fn raw_exchange(address: SocketAddr, bytes: &[u8], wait: Duration) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(wait, stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// A body that arrives in chunks, its length unknown beforehand.
pub(crate) struct ChannelBody(pub tokio::sync::mpsc::Receiver<Vec<u8>>);

impl http_body::Body for ChannelBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        self.0
            .poll_recv(cx)
            .map(|chunk| chunk.map(|chunk| Ok(http_body::Frame::data(chunk.into()))))
    }
}
