//! What a commit says about a target.

use crate::fault::Fault;
use model::project::{PROJECT_FILE, PROJECT_FILE_LENGTH_MAX, ProjectFile, TargetSpec};
use model::{Commit, RepositoryName, Target};
use repository_mirror::{Error, Mirrors};

/// How many targets an answer names when the one that was asked for is not there.
const SUGGESTIONS_MAX: usize = 20;

/// Reads the target's spec from the commit itself, before anything is laid out on the disk.
pub(crate) async fn target(
    mirrors: &Mirrors,
    repository: &RepositoryName,
    commit: &Commit,
    target: &Target,
) -> Result<TargetSpec, Fault> {
    let read = mirrors.read_file(repository, commit, PROJECT_FILE, PROJECT_FILE_LENGTH_MAX);
    let bytes = match read.await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            let commit = commit.short();
            return Err(Fault::Build(format!(
                "commit {commit} has no {PROJECT_FILE} at its top"
            )));
        }
        Err(error @ (Error::NotAFile(_) | Error::TooLarge { .. })) => {
            return Err(Fault::Build(error.to_string()));
        }
        Err(error) => return Err(Fault::infrastructure("read starling.toml")(error)),
    };
    find(&bytes, target).map_err(Fault::Build)
}

fn find(bytes: &[u8], target: &Target) -> Result<TargetSpec, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()]
            .iter()
            .filter(|&&byte| byte == b'\n')
            .count();
        format!("{PROJECT_FILE}, line {line}: not UTF-8 text")
    })?;
    let mut project = ProjectFile::parse(text).map_err(|error| error.to_string())?;
    project.targets.remove(target).ok_or_else(|| {
        let known: Vec<&str> = project
            .targets
            .keys()
            .map(Target::as_str)
            .take(SUGGESTIONS_MAX)
            .collect();
        match known.as_slice() {
            [] => format!("{PROJECT_FILE} has no target {target}, nor any other"),
            known => format!(
                "{PROJECT_FILE} has no target {target}; it has {}",
                known.join(", ")
            ),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let target: Target = "//a:b".parse().unwrap();
        let cases: [(&[u8], &str); 4] = [
            (b"[targets]\n\nx = = 1\n", "line 3"),
            (b"# fine\n\xff\xfe", "line 2: not UTF-8"),
            (b"", "no target //a:b, nor any other"),
            (
                b"[targets.\"//c:d\"]\ncommand = [\"x\"]\noutputs = [\"y\"]\n",
                "it has //c:d",
            ),
        ];
        for (text, expected) in cases {
            let reason = find(text, &target).unwrap_err();
            assert!(reason.contains(expected), "{reason}");
        }
    }
}
