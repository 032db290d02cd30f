//! Laying a commit's submodules out, where its target asks for them.
//!
//! A submodule's address is the repository's word and not an operator's, so it opens no door that the repository itself
//! did not come through: `https` and `git`, which need no credentials here; `ssh` only to the host that the repository
//! came from; this machine's disk only for a repository of this machine's disk.

use crate::{Error, Mirrors, Selection};
use model::repository::LocalRepositories;
use model::{Commit, RepositoryName, RepositoryUrl};
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

/// The most submodules of one commit, those of submodules among them.
const SUBMODULES_MAX: usize = 64;
/// How deep submodules may hold submodules.
const DEPTH_MAX: usize = 4;
/// Where a commit says which submodule comes from where.
const MODULES_FILE: &str = ".gitmodules";
/// The longest such file that is read, in bytes.
const MODULES_FILE_LENGTH_MAX: usize = 256 * 1024;
/// Git's mode of a submodule in a tree.
const SUBMODULE_MODE: &str = "160000";
/// What the names of submodules' mirrors begin with.
const MIRROR_PREFIX: &str = "submodule-";

/// A commit that is laid out and whose submodules are not.
struct LaidOut {
    name: RepositoryName,
    url: RepositoryUrl,
    commit: Commit,
    folder: PathBuf,
    depth: usize,
}

/// A submodule of a commit.
struct Submodule {
    /// From the top of the repository that holds it.
    path: String,
    url: RepositoryUrl,
    commit: Commit,
}

impl Mirrors {
    /// Lays out the submodules of a commit whose own files lie in `into`, and theirs. How many there were.
    pub async fn checkout_submodules(
        &self,
        name: &RepositoryName,
        url: &RepositoryUrl,
        commit: &Commit,
        into: &Path,
    ) -> Result<usize, Error> {
        let mut count = 0;
        let mut waiting = vec![LaidOut {
            name: name.clone(),
            url: url.clone(),
            commit: commit.clone(),
            folder: into.to_owned(),
            depth: 0,
        }];
        while let Some(holder) = waiting.pop() {
            for submodule in self.submodules(&holder).await? {
                count += 1;
                let refused = |reason: String| Error::Submodule {
                    path: submodule.path.clone(),
                    reason,
                };
                if count > SUBMODULES_MAX {
                    return Err(refused(format!("there are more than {SUBMODULES_MAX}")));
                }
                if holder.depth == DEPTH_MAX {
                    return Err(refused(format!("it lies deeper than {DEPTH_MAX} submodules")));
                }
                waiting.push(self.lay_out_submodule(into, &holder, &submodule).await?);
            }
        }
        Ok(count)
    }

    async fn lay_out_submodule(
        &self,
        top: &Path,
        holder: &LaidOut,
        submodule: &Submodule,
    ) -> Result<LaidOut, Error> {
        let refused = |reason: &str| Error::Submodule {
            path: submodule.path.clone(),
            reason: reason.to_owned(),
        };
        let name = mirror_of(&submodule.url)?;
        match self.ensure_commit(&name, &submodule.url, &submodule.commit).await {
            Err(Error::UnknownCommit { commit, .. }) => {
                let url = &submodule.url;
                return Err(refused(&format!("{url} has no commit {commit}")));
            }
            fetched => fetched?,
        }
        let folder =
            folder_in(&holder.folder, &submodule.path).ok_or_else(|| refused("its path is refused"))?;
        // Git made it an empty folder, and nothing of the commit has run yet.
        if !fs_err::tokio::symlink_metadata(&folder).await?.is_dir() {
            return Err(refused("its place is no folder"));
        }
        self.checkout_by(&name, &submodule.commit, &folder, top, Selection::Everything)
            .await?;
        Ok(LaidOut {
            name,
            url: submodule.url.clone(),
            commit: submodule.commit.clone(),
            folder,
            depth: holder.depth + 1,
        })
    }

    /// The submodules of a commit, in the order of their paths.
    async fn submodules(&self, holder: &LaidOut) -> Result<Vec<Submodule>, Error> {
        let files = self.files(&holder.name, &holder.commit, &[String::new()]).await?;
        let links: Vec<_> = files
            .into_iter()
            .filter(|file| file.mode == SUBMODULE_MODE)
            .collect();
        if links.is_empty() {
            return Ok(Vec::new());
        }
        let addresses = self.submodule_addresses(&holder.name, &holder.commit).await?;
        let submodule = |link: crate::TreeFile| {
            let refused = |reason: String| Error::Submodule {
                path: link.path.clone(),
                reason,
            };
            let text = addresses
                .get(&link.path)
                .ok_or_else(|| refused(format!("{MODULES_FILE} has no address for it")))?;
            let url = address(&holder.url, text, self.inner.local).map_err(refused)?;
            let commit = link.object.parse();
            Ok(Submodule {
                url,
                commit: commit.map_err(|_| refused("it names no commit".to_owned()))?,
                path: link.path,
            })
        };
        links.into_iter().map(submodule).collect()
    }

    /// What a commit says of its submodules: the address of each path.
    async fn submodule_addresses(
        &self,
        name: &RepositoryName,
        commit: &Commit,
    ) -> Result<HashMap<String, String>, Error> {
        let read = self.read_file(name, commit, MODULES_FILE, MODULES_FILE_LENGTH_MAX);
        let text = read.await?.unwrap_or_default();
        // Git reads its own form; a file that is named like this includes no other.
        let listed = self
            .git_in(name, "read .gitmodules")
            .input(&text)
            .answer_length_max(2 * MODULES_FILE_LENGTH_MAX)
            .arguments(["config", "--no-includes", "--file", "-", "-z", "--list"])
            .run()
            .await?;
        Ok(addresses(&String::from_utf8_lossy(&listed)))
    }
}

/// By path; of entries `submodule.NAME.path` and `submodule.NAME.url`, a key and a value on lines of their own, each with a
/// NUL behind it.
fn addresses(listed: &str) -> HashMap<String, String> {
    let mut paths = HashMap::new();
    let mut urls = HashMap::new();
    for entry in listed.split('\0') {
        let Some((key, value)) = entry.split_once('\n') else {
            continue;
        };
        let named = key
            .strip_prefix("submodule.")
            .and_then(|rest| rest.rsplit_once('.'));
        match named {
            Some((name, "path")) => drop(paths.insert(name, value)),
            Some((name, "url")) => drop(urls.insert(name, value)),
            _ => {}
        }
    }
    let pairs = paths.into_iter();
    let pairs = pairs.filter_map(|(name, path)| Some((path.to_owned(), (*urls.get(name)?).to_owned())));
    pairs.collect()
}

/// Where a submodule comes from whose holder came from `holder`. The reason, where it may not come from there.
fn address(holder: &RepositoryUrl, text: &str, local: LocalRepositories) -> Result<RepositoryUrl, String> {
    let text = if text.starts_with("./") || text.starts_with("../") {
        beside(holder.as_str(), text).ok_or_else(|| format!("{text:?} leads out of {holder}"))?
    } else {
        text.to_owned()
    };
    let is_local = holder.as_str().starts_with("file://");
    let local = if is_local {
        local
    } else {
        LocalRepositories::Refused
    };
    let url = RepositoryUrl::parse(&text, local).map_err(|error| error.to_string())?;
    if text.starts_with("ssh://") && authority(&text) != authority(holder.as_str()) {
        return Err("by ssh a submodule comes from the host of its repository alone".to_owned());
    }
    Ok(url)
}

/// `ssh://git@host` of `ssh://git@host/path`.
fn authority(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let length = url[host..].find('/').unwrap_or(url.len() - host);
    &url[..host + length]
}

/// An address that is written from another one, which counts as a folder.
fn beside(holder: &str, mut relative: &str) -> Option<String> {
    let (authority, holder) = holder.split_at(authority(holder).len());
    let mut parts: Vec<&str> = holder.split('/').filter(|part| !part.is_empty()).collect();
    loop {
        if let Some(rest) = relative.strip_prefix("./") {
            relative = rest;
        } else if let Some(rest) = relative.strip_prefix("../") {
            parts.pop()?;
            relative = rest;
        } else {
            break;
        }
    }
    parts.push(relative);
    Some(format!("{authority}/{}", parts.join("/")))
}

/// A submodule's place in the folder of its holder.
fn folder_in(holder: &Path, path: &str) -> Option<PathBuf> {
    let plain = Path::new(path)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    plain.then(|| holder.join(path))
}

/// The mirror of an address, whichever repositories name it.
fn mirror_of(url: &RepositoryUrl) -> Result<RepositoryName, Error> {
    let digest = blake3::hash(url.as_str().as_bytes()).to_hex();
    let name = format!("{MIRROR_PREFIX}{}", &digest[..32]);
    name.parse().map_err(|_| Error::AnswerUnclear {
        operation: "name a submodule's mirror",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(holder: &str, text: &str) -> Result<String, String> {
        let holder = RepositoryUrl::parse(holder, LocalRepositories::Allowed).unwrap();
        address(&holder, text, LocalRepositories::Allowed).map(|url| url.to_string())
    }

    #[test]
    fn a_relative_address_is_beside_the_holders_and_never_beyond_its_host() {
        let holder = "https://example.org/team/app.git";
        for (text, expected) in [
            ("../lib.git", "https://example.org/team/lib.git"),
            ("../../other/lib", "https://example.org/other/lib"),
            ("./lib", "https://example.org/team/app.git/lib"),
        ] {
            assert_eq!(resolved(holder, text), Ok(expected.to_owned()));
        }
        assert!(
            resolved(holder, "../../../evil")
                .unwrap_err()
                .contains("leads out")
        );
    }

    #[test]
    fn no_address_opens_a_door_that_the_holder_did_not_come_through() {
        for (holder, text) in [
            ("https://example.org/a", "file:///etc"),
            ("https://example.org/a", "ssh://git@example.org/a"),
            ("ssh://git@one.example/a", "ssh://git@two.example/a"),
            ("ssh://git@one.example/a", "ssh://root@one.example/a"),
            ("https://example.org/a", "https://user:secret@example.org/b"),
            ("https://example.org/a", "ext::sh -c id"),
            ("https://example.org/a", "git@example.org:b"),
            ("https://example.org/a", "--upload-pack=id"),
            ("https://example.org/a", "/srv/b"),
        ] {
            assert!(resolved(holder, text).is_err(), "{holder} {text}");
        }
        for (holder, text) in [
            ("https://one.example/a", "https://two.example/b"),
            ("ssh://git@one.example/a", "ssh://git@one.example/b"),
            ("ssh://git@one.example/a", "https://two.example/b"),
            ("file:///srv/a", "file:///srv/b"),
        ] {
            assert_eq!(resolved(holder, text), Ok(text.to_owned()));
        }
    }

    #[test]
    fn addresses_are_found_by_path_whatever_the_names_look_like() {
        let listed = "submodule.a.b.path\nlib/one\0submodule.a.b.url\n../one\0submodule.x.path\nlib/two\0core.bare\ntrue\0";
        let found = addresses(listed);
        assert_eq!(
            found,
            HashMap::from([("lib/one".to_owned(), "../one".to_owned())])
        );
    }

    #[test]
    fn a_submodule_lies_below_its_holder() {
        let holder = Path::new("/checkout");
        assert_eq!(folder_in(holder, "a/b"), Some(PathBuf::from("/checkout/a/b")));
        for path in ["../a", "/a", "a/../../b", "."] {
            assert_eq!(folder_in(holder, path), None, "{path}");
        }
    }
}
