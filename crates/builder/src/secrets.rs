//! The secrets that a worker may hand to builds.
//!
//! Nothing is handed out by default: a target names what it needs, and the operator names the repositories
//! that may have it. A secret is read anew for each build, so that one that was replaced is used at once, and
//! reaches nothing but that build's variables.

use crate::fault::Fault;
use crate::log::PATTERN_LENGTH_MIN;
use model::{RepositoryName, SecretName};
use secrecy::SecretString;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The longest secret, in bytes.
const SECRET_LENGTH_MAX: usize = 64 * 1024;

/// One secret, and who may have it.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Where it is.
    pub source: SecretSource,
    /// The repositories whose builds may name it.
    pub repositories: BTreeSet<RepositoryName>,
}

/// Where a secret is.
#[derive(Debug, Clone)]
pub enum SecretSource {
    /// In a file, without the last line's end.
    File(PathBuf),
    /// Here.
    Value(SecretString),
}

/// Reads the secrets that a target of `repository` names.
pub(crate) async fn read(
    known: &BTreeMap<SecretName, Secret>,
    named: &BTreeSet<SecretName>,
    repository: &RepositoryName,
) -> Result<BTreeMap<SecretName, SecretString>, Fault> {
    let mut values = BTreeMap::new();
    for name in named {
        // The same words whether it is not there or not for them: a repository may not learn which.
        let secret = known
            .get(name)
            .filter(|secret| secret.repositories.contains(repository))
            .ok_or_else(|| {
                Fault::Build(format!(
                    "this worker has no secret {name} for repository {repository}; its operator can add one"
                ))
            })?;
        values.insert(name.clone(), secret.source.value(name).await?);
    }
    Ok(values)
}

impl SecretSource {
    async fn value(&self, name: &SecretName) -> Result<SecretString, Fault> {
        let value = match self {
            Self::Value(value) => value.clone(),
            Self::File(path) => {
                let read = fs_err::tokio::read_to_string(path).await;
                let text = read.map_err(Fault::infrastructure("read a secret's file"))?;
                SecretString::from(text.trim_end_matches(['\r', '\n']))
            }
        };
        check(name, &value)?;
        Ok(value)
    }
}

/// Refuses what no variable can hold, and what cannot be hidden in a log.
fn check(name: &SecretName, value: &SecretString) -> Result<(), Fault> {
    use secrecy::ExposeSecret;
    let text = value.expose_secret();
    let wrong = if text.len() < PATTERN_LENGTH_MIN {
        format!("is shorter than {PATTERN_LENGTH_MIN} bytes, too short to be hidden in logs")
    } else if text.len() > SECRET_LENGTH_MAX {
        format!("is longer than {SECRET_LENGTH_MAX} bytes")
    } else if text.contains('\0') {
        "holds a NUL, which no variable can".to_owned()
    } else {
        return Ok(());
    };
    Err(Fault::Build(format!("this worker's secret {name} {wrong}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn known(source: SecretSource) -> BTreeMap<SecretName, Secret> {
        let secret = Secret {
            source,
            repositories: BTreeSet::from(["web".parse().unwrap()]),
        };
        BTreeMap::from([("TOKEN".parse().unwrap(), secret)])
    }

    async fn ask(
        known: &BTreeMap<SecretName, Secret>,
        name: &str,
        repository: &str,
    ) -> Result<String, Fault> {
        let named = BTreeSet::from([name.parse().unwrap()]);
        let values = read(known, &named, &repository.parse().unwrap()).await?;
        let value = values.into_values().next().unwrap();
        Ok(value.expose_secret().to_owned())
    }

    #[tokio::test]
    async fn a_secret_is_for_the_repositories_that_the_operator_names() {
        let known = known(SecretSource::Value("correct horse".into()));
        assert_eq!(ask(&known, "TOKEN", "web").await.unwrap(), "correct horse");
        for (name, repository) in [("TOKEN", "other"), ("OTHER", "web")] {
            let refused = ask(&known, name, repository).await.unwrap_err();
            let Fault::Build(reason) = refused else {
                panic!("{refused:?}")
            };
            assert!(
                reason.contains(name) && reason.contains(repository) && !reason.contains("horse"),
                "{reason}"
            );
        }
    }

    #[tokio::test]
    async fn a_file_is_read_anew_for_each_build() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let known = known(SecretSource::File(file.clone()));
        assert!(matches!(
            ask(&known, "TOKEN", "web").await,
            Err(Fault::Infrastructure { .. })
        ));
        for text in ["first secret", "second secret"] {
            std::fs::write(&file, format!("{text}\n")).unwrap();
            assert_eq!(ask(&known, "TOKEN", "web").await.unwrap(), text);
        }
        std::fs::write(&file, "short\n").unwrap();
        let refused = ask(&known, "TOKEN", "web").await.unwrap_err();
        assert!(matches!(refused, Fault::Build(reason) if reason.contains("too short")));
    }
}
