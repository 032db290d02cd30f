//! The other side: the least that copies a file from process to process in secret.
//!
//! One blocking thread a connection, rustls on aws-lc-rs with AES-128-GCM as ours, large buffers. It hashes nothing,
//! knows nobody, and flushes nothing to a disk.

use crate::parts::{Part, order, say};
use crate::stage;
use anyhow::Context as _;
use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

/// What is read and written at once, and what may wait encrypted.
const BUFFER: usize = 1 << 20;
/// The sender's certificate, for whoever connects.
const CERTIFICATE: &str = "certificate.der";
const NAME: &str = "sender";

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = vec![cipher_suite::TLS13_AES_128_GCM_SHA256];
    Arc::new(provider)
}

/// Sends the content to whoever connects, and says where it listens.
pub fn send(part: &Part) -> anyhow::Result<()> {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    std::fs::write(part.stage.join(CERTIFICATE), made.cert.der())?;
    let key = PrivateKeyDer::Pkcs8(made.key_pair.serialize_der().into());
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    say(&listener.local_addr()?.to_string())?;
    let content = stage::content(&part.stage);
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let (config, content) = (Arc::clone(&config), content.clone());
            std::thread::spawn(move || {
                if let Err(error) = send_to(connection, config, &content) {
                    eprintln!("error: the bare copy was not sent: {error:#}");
                }
            });
        }
    });
    order()?;
    Ok(())
}

fn send_to(connection: TcpStream, config: Arc<ServerConfig>, content: &Path) -> anyhow::Result<()> {
    connection.set_nodelay(true)?;
    let mut session = ServerConnection::new(config)?;
    session.set_buffer_limit(Some(BUFFER + BUFFER / 16));
    let mut stream = StreamOwned::new(session, connection);
    copy(&mut File::open(content)?, &mut stream)?;
    stream.conn.send_close_notify();
    Ok(stream.flush()?)
}

/// Hears where the sender listens, then receives each time it is told to.
pub fn receive(part: &Part) -> anyhow::Result<()> {
    say("waiting")?;
    let address = order()?.context("nobody says where the sender is")?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(std::fs::read(part.stage.join(CERTIFICATE))?))?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    say("ready")?;
    std::fs::create_dir_all(&part.folder)?;
    while order()?.is_some() {
        // rustls reads 4 KiB at a time; from a buffer that costs no system call.
        let connection = Buffered(BufReader::with_capacity(BUFFER, TcpStream::connect(&address)?));
        let session = ClientConnection::new(Arc::clone(&config), ServerName::try_from(NAME)?)?;
        let mut stream = StreamOwned::new(session, connection);
        copy(&mut stream, &mut File::create(part.folder.join(stage::FILE))?)?;
        say("done")?;
    }
    Ok(())
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> anyhow::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..read])?;
    }
}

/// A socket that is read in large portions and written as it is.
struct Buffered(BufReader<TcpStream>);

impl Read for Buffered {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Buffered {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.get_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.get_mut().flush()
    }
}
