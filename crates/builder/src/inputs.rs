//! What a target is made of, where it says so: the files, and a name for them.
//!
//! Two builds with the same key would run the same command on the same files with the same variables, so the
//! second is not run. What the key can't see is what the machine brings along: a worker whose toolchain is
//! replaced in place yields earlier artifacts until something else changes, or the build is forced.

use model::project::TargetSpec;
use model::{InputKey, RepositoryName, Target};
use repository_mirror::TreeFile;
use std::collections::BTreeMap;

/// Changes whenever a key means something else than before.
const DOMAIN: &str = "starling target inputs 1";

/// The folders and files that hold all that the target's patterns can match.
pub(crate) fn roots(target: &Target, spec: &TargetSpec) -> Vec<String> {
    spec.inputs
        .iter()
        .map(|pattern| pattern.of(target).root())
        .collect()
}

/// Those of `files` that the target names. Says which pattern names none: a typing error, most likely, that
/// would make a build blind to a change.
pub(crate) fn select(
    target: &Target,
    spec: &TargetSpec,
    files: Vec<TreeFile>,
) -> Result<Vec<TreeFile>, String> {
    let patterns: Vec<_> = spec.inputs.iter().map(|pattern| pattern.of(target)).collect();
    for (pattern, text) in patterns.iter().zip(&spec.inputs) {
        if !files.iter().any(|file| pattern.matches(&file.path)) {
            return Err(format!("input {:?} names no file of the commit", text.as_str()));
        }
    }
    let named = |file: &TreeFile| patterns.iter().any(|pattern| pattern.matches(&file.path));
    Ok(files.into_iter().filter(named).collect())
}

/// Names what is built from what. Every part is preceded by its length, so that no two lists of parts read
/// the same.
pub(crate) fn key(
    repository: &RepositoryName,
    target: &Target,
    spec: &TargetSpec,
    environment: &BTreeMap<String, String>,
    files: &[TreeFile],
) -> Result<InputKey, serde_json::Error> {
    let spec = serde_json::to_string(spec)?;
    let environment = serde_json::to_string(environment)?;
    let head = [repository.as_str(), target.as_str(), &spec, &environment];
    let files = files
        .iter()
        .flat_map(|file| [&file.mode, &file.object, &file.path]);
    let mut hasher = blake3::Hasher::new_derive_key(DOMAIN);
    for part in head.into_iter().chain(files.map(String::as_str)) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    Ok(InputKey(*hasher.finalize().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::project::ProjectFile;

    fn spec(extra: &str) -> TargetSpec {
        let text = format!("[targets.\"//a:b\"]\ncommand = [\"x\"]\noutputs = [\"y\"]\n{extra}");
        let mut project = ProjectFile::parse(&text).unwrap();
        project.targets.remove(&target()).unwrap()
    }

    fn target() -> Target {
        "//a:b".parse().unwrap()
    }

    fn file(path: &str, object: &str) -> TreeFile {
        TreeFile {
            mode: "100644".to_owned(),
            object: object.to_owned(),
            path: path.to_owned(),
        }
    }

    fn key_of(spec: &TargetSpec, files: &[TreeFile]) -> [u8; 32] {
        let repository = "r".parse().unwrap();
        key(&repository, &target(), spec, &BTreeMap::new(), files)
            .unwrap()
            .0
    }

    #[test]
    fn only_named_files_are_inputs_and_a_pattern_without_any_is_told() {
        let spec = spec("inputs = [\"src/**/*.rs\", \"//Cargo.lock\"]");
        assert_eq!(roots(&target(), &spec), ["a/src", "Cargo.lock"]);
        let files = ["Cargo.lock", "a/src/x/main.rs", "a/src/README", "b/other.rs"];
        let files: Vec<_> = files.iter().map(|path| file(path, "1")).collect();
        let named = select(&target(), &spec, files.clone()).unwrap();
        assert_eq!(named, [files[0].clone(), files[1].clone()]);
        let reason = select(&target(), &spec, files[1..].to_vec()).unwrap_err();
        assert!(reason.contains("\"//Cargo.lock\" names no file"), "{reason}");
    }

    #[test]
    fn the_key_changes_with_everything_that_a_build_sees() {
        let files = [file("a", "1"), file("b", "2")];
        let same = key_of(&spec(""), &files);
        assert_eq!(same, key_of(&spec(""), &files));
        let mut executable = files.clone();
        executable[0].mode = "100755".to_owned();
        let renamed = [file("a", "1"), file("c", "2")];
        let changed = [file("a", "1"), file("b", "3")];
        let others = [
            key_of(&spec(""), &executable),
            key_of(&spec(""), &renamed),
            key_of(&spec(""), &changed),
            key_of(&spec(""), &files[..1]),
            key_of(&spec("environment = { A = \"1\" }"), &files),
        ];
        for other in others {
            assert_ne!(other, same);
        }
    }
}
