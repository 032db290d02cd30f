//! Where a process of a bench runs.

use local_services::{Child, ParentDeath};
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::Path;

/// A place for processes, with an address at which the other nodes reach them.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is called in names of files and hosts; letters, digits and `-`.
    pub name: String,
    /// Where others reach it.
    pub address: Ipv4Addr,
    /// A process in its network namespace; `None` where that is this process's own.
    pub(crate) keeper: Option<u32>,
}

impl Node {
    /// A node on this machine's loopback. Whoever starts several must give each a port of its own.
    pub fn loopback(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            address: Ipv4Addr::LOCALHOST,
            keeper: None,
        }
    }

    /// Starts a program here, which ends with this process. What it says goes to `log`.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start<I, S>(&self, program: &Path, arguments: I, log: &Path) -> anyhow::Result<Child>
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        let arguments = arguments.into_iter().map(Into::into);
        let child = match self.keeper {
            None => Child::start(program, arguments, &[], ParentDeath::Kill, log),
            Some(keeper) => {
                // nsenter becomes the program, so the child's id is the program's.
                let enter = [
                    format!("--net=/proc/{keeper}/ns/net").into(),
                    "--".into(),
                    program.into(),
                ];
                let all: Vec<OsString> = enter.into_iter().chain(arguments).collect();
                Child::start(Path::new("nsenter"), all, &[], ParentDeath::Kill, log)
            }
        };
        Ok(child?)
    }
}
