//! How QUIC is set up: everything that `quinn-proto` lets a caller choose comes from the seed or is
//! fixed, so that a run can be repeated.
//!
//! What it does not let a caller choose: the keys of its handshake, which change no length and no
//! time; and at which of BBR's gains the probing of bandwidth begins, drawn from the system's
//! randomness, which does. With BBR runs of the same seed differ a little.

use std::sync::Arc;

use quinn_proto::congestion::{BbrConfig, ControllerFactory, CubicConfig};
use quinn_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn_proto::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use quinn_proto::rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use quinn_proto::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use quinn_proto::rustls::{self, CertificateError, DigitallySignedStruct, SignatureScheme};
use quinn_proto::{
    ClientConfig, ConnectionId, ConnectionIdGenerator, EndpointConfig, ServerConfig,
    TransportConfig, VarInt,
};

use crate::end::{DATAGRAM_BYTES_MAX, Side};

/// Bytes in flight on one stream and on all: more than any line here holds.
const WINDOW_BYTES: u32 = 32 << 20;
/// Bytes of a connection id; what quinn has by default.
const ID_BYTES: usize = 8;
/// A certificate that its own key has signed, made for this race:
/// `openssl req -x509 -new -key KEY.der -keyform DER -subj /CN=race -outform DER`.
const CERTIFICATE: &[u8] = include_bytes!("race.der");
/// An Ed25519 key in PKCS #8: the head, and the seed, which is no secret. Signatures by it have one
/// length, so that all handshakes have the same.
const KEY_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
const KEY_SEED: &[u8; 32] = b"lamparina link race, no secret!!";

/// Which congestion control QUIC has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Congestion {
    /// CUBIC (RFC 9438), the default.
    Cubic,
    /// BBR, its first version, which quinn calls experimental.
    Bbr,
}

/// The endpoint of one side.
pub(super) fn endpoint(side: Side, seed: u64) -> EndpointConfig {
    let mut config = EndpointConfig::default();
    let mut random = [side as u8; 32];
    random[..8].copy_from_slice(&seed.to_be_bytes());
    config.rng_seed(Some(random));
    let first = (side as u64) << 56;
    config.cid_generator(move || Box::new(Counting { next: first }));
    config
}

/// What the client knows of the server: its certificate.
///
/// # Errors
///
/// [`rustls::Error`], which fixed keys and suites exclude.
pub(super) fn client(seed: u64, congestion: Congestion) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(OnlyOurs(provider.clone()));
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let tls = QuicClientConfig::try_from(tls).map_err(other)?;
    let mut config = ClientConfig::new(Arc::new(tls));
    config.transport_config(transport(congestion));
    config.initial_dst_cid_provider(Arc::new(move || ConnectionId::new(&seed.to_be_bytes())));
    Ok(config)
}

/// The server.
///
/// # Errors
///
/// [`rustls::Error`], which fixed keys and suites exclude.
pub(super) fn server(congestion: Congestion) -> Result<ServerConfig, rustls::Error> {
    let key: Vec<u8> = KEY_HEAD.iter().chain(KEY_SEED).copied().collect();
    let key = PrivateKeyDer::Pkcs8(key.into());
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(CERTIFICATE)], key)?;
    // Nobody comes back.
    tls.send_tls13_tickets = 0;
    let tls = QuicServerConfig::try_from(tls).map_err(other)?;
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    config.transport_config(transport(congestion));
    Ok(config)
}

/// As quinn has it by default, but for windows that do not limit, datagrams of the same length as
/// everybody's, and connections that do not end because the line is bad.
fn transport(congestion: Congestion) -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    config
        .initial_mtu(DATAGRAM_BYTES_MAX as u16)
        .mtu_discovery_config(None)
        .stream_receive_window(VarInt::from_u32(WINDOW_BYTES))
        .receive_window(VarInt::from_u32(WINDOW_BYTES))
        .send_window(u64::from(WINDOW_BYTES))
        .max_idle_timeout(None)
        .congestion_controller_factory(factory(congestion));
    Arc::new(config)
}

fn factory(congestion: Congestion) -> Arc<dyn ControllerFactory + Send + Sync> {
    match congestion {
        Congestion::Cubic => Arc::new(CubicConfig::default()),
        Congestion::Bbr => Arc::new(BbrConfig::default()),
    }
}

fn other(error: impl std::fmt::Display) -> rustls::Error {
    rustls::Error::General(error.to_string())
}

/// Connection ids by counting, in place of random ones.
struct Counting {
    next: u64,
}

impl ConnectionIdGenerator for Counting {
    fn generate_cid(&mut self) -> ConnectionId {
        self.next += 1;
        ConnectionId::new(&self.next.to_be_bytes())
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}

/// Takes the one certificate, whatever the date.
#[derive(Debug)]
struct OnlyOurs(Arc<CryptoProvider>);

impl ServerCertVerifier for OnlyOurs {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if end_entity.as_ref() == CERTIFICATE {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::UnknownIssuer.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("only TLS 1.3 is spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
