//! A worker's secrets, as its operator writes them down.

use anyhow::Context as _;
use builder::{Secret, SecretSource};
use model::{RepositoryName, SecretName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Where a secret is, and who may have it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSettings {
    /// A file that holds it, read anew for each build.
    pub file: Option<PathBuf>,
    /// A variable of the worker that holds it.
    pub environment: Option<String>,
    /// The repositories whose targets may name it; nobody else's may.
    pub repositories: BTreeSet<RepositoryName>,
}

impl SecretSettings {
    /// Reads a variable now; a file is read when a build needs it.
    pub(super) fn secret(self, name: &SecretName) -> anyhow::Result<Secret> {
        let source = match (self.file, self.environment) {
            (Some(file), None) => SecretSource::File(file),
            (None, Some(variable)) => {
                let value = std::env::var(&variable);
                let value = value.with_context(|| format!("secret {name}: no variable {variable}"))?;
                SecretSource::Value(value.into())
            }
            _ => anyhow::bail!("secret {name}: give either `file` or `environment`"),
        };
        Ok(Secret {
            source,
            repositories: self.repositories,
        })
    }
}
