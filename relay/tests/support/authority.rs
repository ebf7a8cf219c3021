//! Both ends of connections behind TLS, which speak HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use keyferry_relay::app;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::TestRelay;

/// A certificate for `localhost` and what both ends of a connection make of it.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
    server: Arc<rustls::ServerConfig>,
    client: Arc<rustls::ClientConfig>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), made.cert.pem()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let mut server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        server.alpn_protocols = vec![b"h2".to_vec()];
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let mut client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![b"h2".to_vec()];
        Self {
            folder,
            server: Arc::new(server),
            client: Arc::new(client),
        }
    }

    /// Takes a provider's connections.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.server))
    }

    /// The configuration of a relay that trusts it.
    pub(crate) fn trusted(&self) -> String {
        let file = self.folder.path().join("ca.pem");
        format!("[upstream]\nextra_ca = \"{}\"\n", file.display())
    }

    /// A relay whose OpenAI is at `provider`.
    pub(crate) async fn relay(&self, provider: SocketAddr, more: &str) -> TestRelay {
        let base = format!("https://localhost:{}", provider.port());
        TestRelay::start(&format!(
            "{}[providers.openai]\nbase_url = \"{base}\"\n{more}",
            self.trusted()
        ))
        .await
    }

    /// Has `relay` listen with TLS too, and connects to it.
    pub(crate) async fn client(&self, relay: &TestRelay) -> SendRequest<Body> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (server, app) = (Arc::clone(&relay.server), app(Arc::clone(&relay.relay)));
        let tls = Arc::clone(&self.server);
        tokio::spawn(async move { server.run_tls(listener, app, tls).await });
        let stream = TcpStream::connect(address).await.unwrap();
        let stream = TlsConnector::from(Arc::clone(&self.client))
            .connect("localhost".try_into().unwrap(), stream)
            .await
            .unwrap();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        sender
    }
}
