//! The way to the server below HTTP: the name, the connection, TLS and the certificate.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion,
};
use ureq::tls::{PemItem, RootCerts, parse_pem};

use crate::{Failure, display_path, regular};

use super::check::Check;
use super::kind::Kind;
use super::target::Target;

/// The largest file with certificates, in bytes.
const MAX_PEM_BYTES: u64 = 1 << 20;

/// The authorities whose certificates are trusted.
pub struct Trust {
    /// For requests.
    pub certs: RootCerts,
    store: Arc<RootCertStore>,
}

impl Trust {
    /// The authorities of a PEM file, else the public ones.
    ///
    /// # Errors
    /// The file cannot be read, or has no certificate.
    pub fn load(file: Option<&Path>) -> Result<Self, Failure> {
        let Some(file) = file else {
            let roots = webpki_roots::TLS_SERVER_ROOTS.to_vec();
            return Ok(Self {
                certs: RootCerts::WebPki,
                store: Arc::new(RootCertStore { roots }),
            });
        };
        let invalid = |problem: &str| Failure::new(format!("{} {problem}", display_path(file)));
        let bytes = regular::input(file, MAX_PEM_BYTES)?;
        let mut certs = Vec::new();
        for item in parse_pem(&bytes) {
            match item {
                Ok(PemItem::Certificate(certificate)) => certs.push(certificate),
                Ok(_) => {}
                Err(error) => return Err(invalid(&format!("is not valid PEM: {error}"))),
            }
        }
        let mut store = RootCertStore::empty();
        let parsed = certs.iter().map(|cert| CertificateDer::from(cert.der()));
        let (added, _) = store.add_parsable_certificates(parsed);
        if added == 0 {
            return Err(invalid("has no certificate of an authority"));
        }
        Ok(Self {
            certs: RootCerts::new_with_certs(&certs),
            store: Arc::new(store),
        })
    }
}

/// The addresses of the host.
pub fn resolve(target: &Target) -> (Check, Vec<SocketAddr>) {
    let (host, name) = (&target.host, "dns");
    let found = (host.as_str(), target.port).to_socket_addrs();
    let addresses: Vec<SocketAddr> = match found {
        Ok(addresses) => addresses.collect(),
        Err(error) => {
            let message = format!("{host} has no address: {error}");
            return (Check::found(name, Kind::NoDns, message), Vec::new());
        }
    };
    if addresses.is_empty() {
        let message = format!("{host} has no address");
        return (Check::found(name, Kind::NoDns, message), addresses);
    }
    let shown: Vec<_> = addresses
        .iter()
        .map(|address| address.ip().to_string())
        .collect();
    let shown = shown.join(", ");
    let check = match target.is_local() || addresses.iter().any(SocketAddr::is_ipv4) {
        true => Check::fine(name, format!("{host} has the address {shown}")),
        false => Check::found(
            name,
            Kind::NoIpv4,
            format!("{host} has only the address {shown}"),
        ),
    };
    (check, addresses)
}

/// A connection to the first address that accepts one.
pub fn connect(addresses: &[SocketAddr], timeout: Duration) -> (Check, Option<SocketAddr>) {
    let name = "connection";
    let mut last = None;
    for address in addresses {
        match TcpStream::connect_timeout(address, timeout) {
            Ok(_) => {
                let message = format!("{address} accepts connections");
                return (Check::fine(name, message), Some(*address));
            }
            Err(error) => last = Some((address, error)),
        }
    }
    let Some((address, error)) = last else {
        return (Check::skipped(name, "there is no address"), None);
    };
    let message = match is_timeout(&error) {
        true => format!(
            "{address} does not answer within {} seconds",
            timeout.as_secs_f64()
        ),
        false => format!("{address} does not accept the connection: {error}"),
    };
    (Check::found(name, kind_of(&error), message), None)
}

/// TLS as a switch opens it: with the newest version, and with TLS 1.2, which is the newest of older EOS.
pub fn handshakes(target: &Target, address: SocketAddr, trust: &Trust, timeout: Duration) -> Check {
    let name = "tls";
    let open = |versions: &[_]| handshake(target, address, trust, timeout, versions);
    if let Err(error) = open(&[&TLS13, &TLS12]) {
        let (kind, problem) = tls_problem(&error, &target.host);
        return Check::found(name, kind, problem);
    }
    match open(&[&TLS12]) {
        Ok(()) => Check::fine(
            name,
            format!(
                "the certificate is valid for {}, and TLS 1.2 is accepted",
                target.host
            ),
        ),
        Err(error) => Check::found(
            name,
            Kind::Tls13Only,
            format!("the server refuses TLS 1.2: {error}"),
        ),
    }
}

fn handshake(
    target: &Target,
    address: SocketAddr,
    trust: &Trust,
    timeout: Duration,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<(), Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .map_err(Error::other)?
        .with_root_certificates(Arc::clone(&trust.store))
        .with_no_client_auth();
    let server = ServerName::try_from(target.host.clone()).map_err(Error::other)?;
    let mut connection = ClientConnection::new(Arc::new(config), server).map_err(Error::other)?;
    let stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_write_timeout(Some(timeout))?;
    let mut stream = Until {
        stream,
        deadline: Instant::now() + timeout,
    };
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(())
}

/// A connection whose reads end at a time, also if the server sends a byte now and then.
struct Until {
    stream: TcpStream,
    deadline: Instant,
}

impl Read for Until {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(buffer)
    }
}

impl Write for Until {
    fn write(&mut self, buffer: &[u8]) -> Result<usize, Error> {
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.stream.flush()
    }
}

/// The reason of an error of TLS, which each retry meets again; `None` for another error.
fn tls_cause(error: &Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// A sentence for an error of TLS; `None` for another error.
pub fn tls_sentence(error: &Error, host: &str) -> Option<String> {
    tls_cause(error).map(|_| tls_problem(error, host).1)
}

/// The kind of a failed handshake, and a sentence.
fn tls_problem(error: &Error, host: &str) -> (Kind, String) {
    match tls_cause(error) {
        Some(rustls::Error::InvalidCertificate(problem)) => (
            certificate_kind(problem),
            format!("the certificate of {host} is not valid: {problem}"),
        ),
        Some(problem) => (Kind::NoTls, format!("TLS with {host} failed: {problem}")),
        None if is_timeout(error) => (
            Kind::Timeout,
            format!("{host} does not answer the beginning of TLS"),
        ),
        None => (Kind::NoTls, format!("TLS with {host} failed: {error}")),
    }
}

fn certificate_kind(problem: &CertificateError) -> Kind {
    match problem {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Kind::CertificateName
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Kind::CertificateExpired,
        CertificateError::UnknownIssuer => Kind::CertificateIssuer,
        // As `openssl req -x509` makes it: the certificate of an authority, signed with its own key.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            Kind::CertificateIssuer
        }
        _ => Kind::CertificateInvalid,
    }
}

/// The kind of a failed connection.
pub fn kind_of(error: &Error) -> Kind {
    match error.kind() {
        ErrorKind::ConnectionRefused => Kind::ConnectionRefused,
        _ if is_timeout(error) => Kind::Timeout,
        _ => Kind::Unreachable,
    }
}

/// Whether an error is an expired timeout: sockets report one as either kind, which depends on the operating system.
pub fn is_timeout(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_of_an_invalid_certificate_has_its_kind() {
        for (problem, kind) in [
            (CertificateError::NotValidForName, Kind::CertificateName),
            (CertificateError::Expired, Kind::CertificateExpired),
            (CertificateError::NotValidYet, Kind::CertificateExpired),
            (CertificateError::UnknownIssuer, Kind::CertificateIssuer),
            (CertificateError::BadSignature, Kind::CertificateInvalid),
            (CertificateError::Revoked, Kind::CertificateInvalid),
        ] {
            let error = Error::new(
                ErrorKind::InvalidData,
                rustls::Error::InvalidCertificate(problem.clone()),
            );
            let (found, message) = tls_problem(&error, "z.example");
            assert_eq!(found, kind, "{problem:?}");
            assert!(
                message.starts_with("the certificate of z.example"),
                "{message}"
            );
        }
    }

    #[test]
    fn a_connection_fails_in_three_ways() {
        for (error, kind) in [
            (ErrorKind::ConnectionRefused, Kind::ConnectionRefused),
            (ErrorKind::TimedOut, Kind::Timeout),
            (ErrorKind::WouldBlock, Kind::Timeout),
            (ErrorKind::HostUnreachable, Kind::Unreachable),
            (ErrorKind::ConnectionReset, Kind::Unreachable),
        ] {
            assert_eq!(kind_of(&error.into()), kind, "{error:?}");
        }
        let broken = |kind: ErrorKind| tls_problem(&kind.into(), "z.example").0;
        assert_eq!(broken(ErrorKind::WouldBlock), Kind::Timeout);
        assert_eq!(broken(ErrorKind::UnexpectedEof), Kind::NoTls);
    }
}
