//! The repository that the demo builds from: this one as it is, or with one commit on top that asks
//! for a payload of a given size.

use super::repository_name;
use anyhow::Context as _;
use model::{Commit, RepositoryName};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// The file, read by the target `//crates/beacon:large`, that holds the payload's length in bytes.
const PAYLOAD_SIZE_FILE: &str = "crates/beacon/payload-size";

/// What to build from.
#[derive(Debug)]
pub struct Source {
    /// How it is registered.
    pub name: RepositoryName,
    /// Where it lies.
    pub folder: PathBuf,
    /// What is built: its HEAD.
    pub commit: Commit,
}

/// Finds the repository's HEAD; with a size, clones it below `data` and commits the size on top.
pub async fn prepare(repository: &Path, size: Option<u64>, data: &Path) -> anyhow::Result<Source> {
    let top = git(repository, &["rev-parse", "--show-toplevel"])
        .await
        .with_context(|| format!("{} is no git repository", repository.display()))?;
    let mut folder = PathBuf::from(top);
    let name = repository_name(&folder)?;
    if let Some(size) = size {
        folder = with_payload(&folder, size, data).await?;
    }
    let commit = git(&folder, &["rev-parse", "--verify", "HEAD"])
        .await
        .context("the repository has no commit yet")?;
    Ok(Source {
        name,
        folder,
        commit: commit.parse()?,
    })
}

async fn with_payload(source: &Path, size: u64, data: &Path) -> anyhow::Result<PathBuf> {
    let clone = data.join("demo-repository");
    if clone.exists() {
        fs_err::remove_dir_all(&clone)?;
    }
    let (from, to) = (source.display().to_string(), clone.display().to_string());
    git(data, &["clone", "--quiet", "--", &from, &to]).await?;
    fs_err::write(clone.join(PAYLOAD_SIZE_FILE), size.to_string())?;
    git(&clone, &["add", "--", PAYLOAD_SIZE_FILE]).await?;
    let author = ["-c", "user.name=Starling demo", "-c", "user.email=demo@localhost"];
    let commit = ["commit", "--quiet", "--message", "Ask for a payload"];
    git(&clone, &[&author[..], &commit[..]].concat()).await?;
    Ok(clone)
}

async fn git(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("failed to run git")?;
    anyhow::ensure!(
        output.status.success(),
        "git: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Reads `2GiB`, `500MB`, `64 MiB` or a plain number of bytes.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number
        .parse()
        .map_err(|_| "a size begins with a whole number, as in 2GiB".to_owned())?;
    let factor = match unit.trim() {
        "" | "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        other => {
            return Err(format!(
                "unknown unit {other:?}: use B, kB, MB, GB, KiB, MiB or GiB"
            ));
        }
    };
    number.checked_mul(factor).ok_or_else(|| "too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        assert_eq!(parse_size("500 MB"), Ok(500_000_000));
        assert_eq!(parse_size("17"), Ok(17));
        for bad in ["", "GiB", "2 gigs", "99999999999GiB", "-1"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
