//! A service's task: it answers every GET with the number of its release, as cheaply as can be, so that what is measured
//! is what stands before it. `PUT /release/N` makes it another one's, as if a new task had been started on its port.

use crate::processes::{argument, runtime};
use anyhow::Context as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The longest head of a request.
const HEAD_LENGTH_MAX: usize = 4096;

/// Serves on the port in the arguments; without one, as a service of an agent: on the port that it is told, and of the
/// release that it is.
pub fn play(arguments: &[String]) -> anyhow::Result<()> {
    let port: u16 = if arguments.is_empty() {
        told("PORT")?
    } else {
        argument(arguments, 0)?
    };
    let release: u64 = if arguments.is_empty() {
        told("STARLING_RELEASE")?
    } else {
        0
    };
    runtime()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let release = Arc::new(AtomicU64::new(release));
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let release = release.clone();
            tokio::spawn(async move {
                // A client that leaves is no error.
                let _ = serve(stream, &release).await;
            });
        }
    })
}

fn told<T: std::str::FromStr>(name: &str) -> anyhow::Result<T> {
    let text = std::env::var(name).with_context(|| format!("{name} is not set"))?;
    text.parse().ok().with_context(|| format!("{name} is {text:?}"))
}

async fn serve(mut stream: TcpStream, release: &AtomicU64) -> std::io::Result<()> {
    let mut head = Vec::with_capacity(HEAD_LENGTH_MAX);
    loop {
        if stream.read_buf(&mut head).await? == 0 || head.len() > HEAD_LENGTH_MAX {
            return Ok(());
        }
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        if let Some(rest) = head.strip_prefix(b"PUT /release/") {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
            let number = digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
            release.store(number, Ordering::Relaxed);
        }
        head.clear();
        let text = release.load(Ordering::Relaxed).to_string();
        let length = text.len();
        let answer =
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\r\n{text}");
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// Makes the task on a port one of a release.
pub async fn become_release(port: u16, release: i64) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let request = format!("PUT /release/{release} HTTP/1.1\r\nhost: task\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = [0; 12];
    stream
        .read_exact(&mut answer)
        .await
        .context("the task does not answer")?;
    anyhow::ensure!(answer.ends_with(b"200"), "the task refuses");
    Ok(())
}
