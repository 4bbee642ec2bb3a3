//! TLS for callers: a certificate and its key from files, read again when they change. A pair that cannot be used leaves
//! the old one in place.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::TlsConfig;

/// How often the files are looked at; whoever renews them need not tell.
const LOOK: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path} cannot be read: {1}", path = .0.display())]
    Read(PathBuf, std::io::Error),
    #[error("{path} holds no {1} in PEM", path = .0.display())]
    Pem(PathBuf, &'static str),
    #[error("the certificate and its key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    cert_file: PathBuf,
    key_file: PathBuf,
    current: ArcSwap<Loaded>,
}

struct Loaded {
    config: Arc<ServerConfig>,
    /// What it was made of, to see a change.
    files: [Vec<u8>; 2],
}

impl Tls {
    /// None without files.
    pub fn open(config: &TlsConfig) -> Result<Option<Self>, TlsError> {
        let (Some(cert_file), Some(key_file)) = (config.cert_file.clone(), config.key_file.clone()) else {
            return Ok(None);
        };
        let current = ArcSwap::from_pointee(load([read(&cert_file)?, read(&key_file)?], &cert_file, &key_file)?);
        Ok(Some(Self(Arc::new(Inner { cert_file, key_file, current }))))
    }

    /// Takes over what the files hold now; false if it is what is in use.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let Inner { cert_file, key_file, current } = &*self.0;
        let files = [read(cert_file)?, read(key_file)?];
        if files == current.load().files {
            return Ok(false);
        }
        current.store(Arc::new(load(files, cert_file, key_file)?));
        tracing::info!(cert_file = %cert_file.display(), "The TLS certificate was replaced");
        Ok(true)
    }

    /// Looks at the files for as long as it is polled.
    pub async fn look_after(&self) {
        let mut failed = String::new();
        loop {
            tokio::time::sleep(LOOK).await;
            let words = self.reload().map_or_else(|error| error.to_string(), |_| String::new());
            // Once is enough: it is looked at again and again.
            if !words.is_empty() && words != failed {
                tracing::error!(error = words, "The TLS certificate stays as it was");
            }
            failed = words;
        }
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.current.load().config.clone())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::Read(path.to_owned(), error))
}

fn load(files: [Vec<u8>; 2], cert_file: &Path, key_file: &Path) -> Result<Loaded, TlsError> {
    let [cert, key] = &files;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(cert)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsError::Pem(cert_file.to_owned(), "certificate"))?;
    if chain.is_empty() {
        return Err(TlsError::Pem(cert_file.to_owned(), "certificate"));
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Pem(key_file.to_owned(), "private key"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    // TLS 1.2 and 1.3: rustls knows nothing older.
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Loaded { config: Arc::new(config), files })
}
