//! TLS for the relay's own listeners: certificates from files, replaced without a restart.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Why certificates cannot be used. Names the file, never its content.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file cannot be read as PEM.
    #[error("cannot read {what} from {path}: {reason}")]
    Unreadable {
        /// `certificates` or `private key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key do not fit together, or the key is of an unknown kind.
    #[error("certificate and private key cannot be used: {0}")]
    Unusable(rustls::Error),
}

/// The certificate chain and key new connections are served with.
pub struct Certificates {
    chain: PathBuf,
    key: PathBuf,
    current: ArcSwap<CertifiedKey>,
}

impl Certificates {
    /// Reads both files (PEM; the chain with the server's own certificate first).
    ///
    /// # Errors
    /// When a file cannot be read, or the key does not belong to the certificate.
    pub fn load(chain: &Path, key: &Path) -> Result<Arc<Self>, CertificateError> {
        let current = read(chain, key)?;
        Ok(Arc::new(Self {
            chain: chain.to_owned(),
            key: key.to_owned(),
            current: ArcSwap::from_pointee(current),
        }))
    }

    /// Reads both files again without using them yet.
    ///
    /// # Errors
    /// As [`Certificates::load`].
    pub(crate) fn read(&self) -> Result<CertifiedKey, CertificateError> {
        read(&self.chain, &self.key)
    }

    /// Serves new connections with `fresh`; open ones keep what they began with.
    pub(crate) fn replace(&self, fresh: CertifiedKey) {
        self.current.store(Arc::new(fresh));
    }

    /// Settings of a listener: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
    ///
    /// # Errors
    /// When the cryptographic provider lacks the default protocol versions.
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("chain", &self.chain)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

fn read(chain: &Path, key: &Path) -> Result<CertifiedKey, CertificateError> {
    let unreadable =
        |what: &'static str, path: &Path, reason: String| CertificateError::Unreadable {
            what,
            path: path.to_owned(),
            reason,
        };
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable("certificates", chain, error.to_string()))?;
    if certificates.is_empty() {
        return Err(unreadable(
            "certificates",
            chain,
            "it holds none".to_owned(),
        ));
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| unreadable("private key", key, error.to_string()))?;
    CertifiedKey::from_der(certificates, private, &ring::default_provider())
        .map_err(CertificateError::Unusable)
}
