//! The parts that this program plays when it is started again, and how it is told what to do.
//!
//! A part gets ready, says so on stdout, and then obeys one word at a time on stdin; the end of stdin ends it.

use crate::{bare, swarm_node};
use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// The first argument of a process that plays a part.
pub const FLAG: &str = "--part";

/// What a process is.
#[derive(Debug, Clone)]
pub struct Part {
    /// Which part: `seed`, `host`, `tls-send` or `tls-receive`.
    pub name: String,
    /// The folder of [`crate::stage::Stage`].
    pub stage: PathBuf,
    /// A folder of its own to write to, for those who receive.
    pub folder: PathBuf,
}

impl Part {
    /// The part that the command line gives us, if it does.
    pub fn of_arguments() -> Option<Self> {
        let mut arguments = std::env::args().skip(1);
        if arguments.next()? != FLAG {
            return None;
        }
        Some(Self {
            name: arguments.next()?,
            stage: arguments.next()?.into(),
            folder: arguments.next()?.into(),
        })
    }
}

/// Plays a part until stdin ends.
pub fn play(part: Part) -> ExitCode {
    let played = match part.name.as_str() {
        "seed" => swarm_node::seed(&part),
        "host" => swarm_node::host(&part),
        "tls-send" => bare::send(&part),
        "tls-receive" => bare::receive(&part),
        other => Err(anyhow::anyhow!("there is no part {other}")),
    };
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}: {error:#}", part.name);
            ExitCode::FAILURE
        }
    }
}

/// Says one line to whoever gives the orders.
pub fn say(line: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

/// Waits for the next order; none when there is no more to do.
pub fn order() -> anyhow::Result<Option<String>> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line)?;
    Ok((read > 0).then(|| line.trim().to_owned()))
}
