//! A process that plays a part: how it is started, told and heard. See [`crate::parts`] for its own view.

use crate::parts::FLAG;
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A process that plays a part. It is killed when this is dropped.
#[derive(Debug)]
pub struct Player {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl Player {
    /// Starts one; `name` is that of its folder.
    pub fn start(part: &str, stage: &Path, name: &str) -> anyhow::Result<Self> {
        let folder = stage.join(name);
        let mut child = Command::new(std::env::current_exe()?)
            .args([FLAG, part])
            .args([stage, &folder])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let orders = child.stdin.take().context("stdin is a pipe")?;
        let answers = child.stdout.take().context("stdout is a pipe")?;
        Ok(Self {
            child,
            orders,
            answers: BufReader::new(answers),
            folder,
        })
    }

    /// Its process id.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Gives it an order.
    pub async fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        Ok(self.orders.write_all(format!("{line}\n").as_bytes()).await?)
    }

    /// What it says next.
    pub async fn hear(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line).await? == 0 {
            bail!("a process has ended early");
        }
        Ok(line.trim().to_owned())
    }

    /// Waits for a word, which must be what it says next.
    pub async fn expect(&mut self, word: &str) -> anyhow::Result<()> {
        let said = self.hear().await?;
        if said != word {
            bail!("a process said {said:?} where {word:?} was expected");
        }
        Ok(())
    }

    /// Ends it, and throws away what it has written.
    pub async fn end(self) -> anyhow::Result<()> {
        let Self {
            mut child,
            orders,
            answers,
            folder,
        } = self;
        drop((orders, answers));
        child.wait().await?;
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}
