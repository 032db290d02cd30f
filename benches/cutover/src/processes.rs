//! The processes of a run.

use anyhow::Context as _;
use local_services::{Child, ParentDeath};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpStream;

/// The first argument of a process that plays a part; its name comes next.
const FLAG: &str = "--part";
/// How long a start may take.
const START_LIMIT: Duration = Duration::from_secs(20);

/// The part that the command line gives to this process, if it does, and the part's arguments.
pub fn part() -> Option<(String, Vec<String>)> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != FLAG {
        return None;
    }
    Some((arguments.next()?, arguments.collect()))
}

/// Starts this program in a part; it ends with this process.
pub fn start(folder: &Path, part: &str, arguments: &[String]) -> anyhow::Result<Child> {
    let mut all = vec![FLAG.to_owned(), part.to_owned()];
    all.extend_from_slice(arguments);
    let log = folder.join(format!("{part}.log"));
    Ok(Child::start(
        &std::env::current_exe()?,
        all,
        &[],
        ParentDeath::Kill,
        &log,
    )?)
}

/// Starts another program; it ends with this process.
pub fn start_program(program: &str, arguments: &[&str], log: &Path) -> anyhow::Result<Child> {
    Ok(Child::start(
        Path::new(program),
        arguments,
        &[],
        ParentDeath::Kill,
        log,
    )?)
}

/// Waits until somebody listens on a port.
pub async fn listens(child: &mut Child, port: u16) -> anyhow::Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    child
        .wait_until(START_LIMIT, async || TcpStream::connect(address).await.is_ok())
        .await?;
    Ok(())
}

/// Reads an argument of a part.
pub fn argument<T: std::str::FromStr>(arguments: &[String], index: usize) -> anyhow::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text = arguments.get(index).context("an argument is missing")?;
    text.parse().with_context(|| format!("{text:?} is no argument"))
}

/// A runtime for a part: one thread, so that processor time is told apart by process.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}
