//! Where a repository is fetched from.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest address, in bytes.
const URL_LENGTH_MAX: usize = 1024;

/// An address that is safe to hand to git: `https://`, `ssh://` or `git://`, and `file://` where
/// the operator allows it (in `starling dev`). Never `ext::`, `user@host:path` or an option.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RepositoryUrl(String);

/// Whether repositories on this machine's own disk may be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocalRepositories {
    /// As `starling dev` does, where the engineer owns the machine.
    Allowed,
    /// Everywhere else: a local path would show the server's own files.
    Refused,
}

/// Why an address was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRepositoryUrl {
    /// Nothing, or too much.
    #[error("a repository address has 1 to {URL_LENGTH_MAX} characters")]
    Length,
    /// A character that no address needs, which could end a line or hide text.
    #[error("a repository address may hold only printable ASCII without spaces")]
    Character,
    /// The scheme is not one of ours; `ext::` would run a command.
    #[error(
        "a repository address begins with https://, ssh:// or git://; for a local folder, file:// works in `starling dev` only"
    )]
    Scheme,
    /// `ssh://-oProxyCommand=…` and its kin (CVE-2017-1000117).
    #[error("the host of a repository address may not be empty or begin with '-'")]
    Host,
    /// A password in an address would end in logs and tables.
    #[error("a repository address may not hold a password; give the worker a credential helper instead")]
    Password,
}

impl RepositoryUrl {
    /// Checks an address by the operator's policy.
    pub fn parse(text: &str, local: LocalRepositories) -> Result<Self, InvalidRepositoryUrl> {
        if text.is_empty() || text.len() > URL_LENGTH_MAX {
            return Err(InvalidRepositoryUrl::Length);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidRepositoryUrl::Character);
        }
        if let Some(path) = text.strip_prefix("file://") {
            let allowed = local == LocalRepositories::Allowed && path.starts_with('/');
            return if allowed {
                Ok(Self(text.to_owned()))
            } else {
                Err(InvalidRepositoryUrl::Scheme)
            };
        }
        let rest = ["https://", "ssh://", "git://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme))
            .ok_or(InvalidRepositoryUrl::Scheme)?;
        let authority = rest.split('/').next().unwrap_or_default();
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        if user.contains(':') {
            return Err(InvalidRepositoryUrl::Password);
        }
        if host.is_empty() || host.starts_with('-') || user.starts_with('-') {
            return Err(InvalidRepositoryUrl::Host);
        }
        Ok(Self(text.to_owned()))
    }

    /// The address as it was checked.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepositoryUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_could_run_a_command_is_refused() {
        for bad in [
            "ext::sh -c whoami",
            "ext::sh",
            "--upload-pack=x",
            "-x",
            "ssh://-oProxyCommand=x/y",
            "ssh://-l@host/y",
            "git@host:path",
            "https://user:secret@host/x",
            "https:///x",
            "https://h/\u{7}",
            "/etc",
            "file://relative",
        ] {
            assert!(
                RepositoryUrl::parse(bad, LocalRepositories::Allowed).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_local_folder_is_accepted_only_where_the_operator_allows_it() {
        let url = "file:///srv/repository";
        assert!(RepositoryUrl::parse(url, LocalRepositories::Allowed).is_ok());
        assert_eq!(
            RepositoryUrl::parse(url, LocalRepositories::Refused),
            Err(InvalidRepositoryUrl::Scheme)
        );
    }
}
