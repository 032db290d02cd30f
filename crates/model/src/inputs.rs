//! Which files of a commit a target is made of, where it says so.

use crate::Target;
use crate::macros::checked_string;
use serde::{Deserialize, Serialize};

/// Names what a target is made of: a hash over its spec and the content of every input file. Equal names mean
/// equal builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InputKey(pub [u8; 32]);

/// The longest pattern, in bytes.
const PATTERN_LENGTH_MAX: usize = 1024;

/// A path or pattern of input files: `src`, `*.rs`, `src/**/*.proto`, relative to the target's folder, or from
/// the top of the repository where it begins with `//`.
///
/// `*` stands for any part of one name, `?` for one character of it, `**` for any number of folders. A pattern
/// that matches a folder takes all that is in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InputPattern(String);

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("input {text:?} is no path: write names parted by '/', none of them '.', '..' or empty")]
pub struct InvalidInputPattern {
    text: String,
}

impl InputPattern {
    fn check(text: &str) -> Result<(), InvalidInputPattern> {
        let path = text.strip_prefix("//").unwrap_or(text);
        let named = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
        if text.len() <= PATTERN_LENGTH_MAX && path.split('/').all(named) {
            return Ok(());
        }
        let text = text.chars().take(80).collect();
        Err(InvalidInputPattern { text })
    }

    /// The pattern from the top of the repository, for a target of this name.
    pub fn of(&self, target: &Target) -> PathPattern {
        let path = match self.0.strip_prefix("//") {
            Some(path) => path.to_owned(),
            None if target.folder().is_empty() => self.0.clone(),
            None => format!("{}/{}", target.folder(), self.0),
        };
        PathPattern {
            parts: path.split('/').map(str::to_owned).collect(),
        }
    }
}

checked_string!(InputPattern, InvalidInputPattern);

/// A pattern of paths from the top of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    parts: Vec<String>,
}

impl PathPattern {
    /// The folder or file that everything it matches is in or is: its parts before the first that stands for
    /// several. Empty for the whole repository.
    pub fn root(&self) -> String {
        let plain = |part: &&String| !part.contains(['*', '?']);
        let plain: Vec<&str> = self.parts.iter().take_while(plain).map(String::as_str).collect();
        plain.join("/")
    }

    /// Whether it matches a file's path, or a folder that the file is in.
    pub fn matches(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        let parts: Vec<&str> = self.parts.iter().map(String::as_str).collect();
        // A prefix of the path is enough. The first `done` parts match the first so many names where `reach`
        // says so; a row for each part, so that no pattern takes longer than its length times the path's.
        let mut reach = vec![false; names.len() + 1];
        reach[0] = true;
        for part in parts {
            let mut next = vec![false; names.len() + 1];
            for at in 0..=names.len() {
                next[at] = if part == "**" {
                    reach[at] || (at > 0 && next[at - 1])
                } else {
                    at > 0 && reach[at - 1] && matches_name(part.as_bytes(), names[at - 1].as_bytes())
                };
            }
            reach = next;
        }
        reach.contains(&true)
    }
}

/// Whether `*` and `?` of a pattern can stand for what a name has more. Goes back to the last `*` only, which
/// is enough (an earlier one would only match less), so that it takes no more than the product of the lengths.
fn matches_name(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                last_star = Some((p, n));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match &mut last_star {
                Some((star, from)) => {
                    *from += 1;
                    (p, n) = (*star + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str, target: &str) -> PathPattern {
        let pattern: InputPattern = text.parse().unwrap();
        pattern.of(&target.parse().unwrap())
    }

    #[test]
    fn a_pattern_is_relative_to_the_targets_folder_or_from_the_top() {
        for (text, target, root) in [
            ("src", "//a/b:c", "a/b/src"),
            ("src", "//:c", "src"),
            ("//Cargo.lock", "//a/b:c", "Cargo.lock"),
            ("src/*.rs", "//a:c", "a/src"),
            ("*", "//a:c", "a"),
            ("//**/*.rs", "//a:c", ""),
        ] {
            assert_eq!(pattern(text, target).root(), root, "{text} of {target}");
        }
    }

    #[test]
    fn a_pattern_matches_files_and_what_is_in_folders() {
        for (text, path, expected) in [
            ("src", "src", true),
            ("src", "src/a/b.rs", true),
            ("src", "source", false),
            ("src/lib.rs", "src/lib.rs", true),
            ("src/lib.rs", "src", false),
            ("*.rs", "main.rs", true),
            ("*.rs", "src/main.rs", false),
            ("**/*.rs", "main.rs", true),
            ("**/*.rs", "a/b/main.rs", true),
            ("**/*.rs", "a/b/main.c", false),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b/c", true),
            ("a/**/b", "b", false),
            ("**", "any/thing", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b", "xaxxb", true),
            ("*a*b", "xbxxa", false),
            ("[a]", "a", false),
        ] {
            assert_eq!(pattern(text, "//:t").matches(path), expected, "{text} on {path}");
        }
    }

    #[test]
    fn a_pattern_that_is_made_to_be_slow_is_not() {
        let stars = format!("{}b", "*a".repeat(100));
        assert!(!pattern(&stars, "//:t").matches(&"a".repeat(1000)));
        let folders = format!("{}b", "**/".repeat(100));
        assert!(!pattern(&folders, "//:t").matches(&"a/".repeat(300)));
    }

    #[test]
    fn a_pattern_never_leaves_the_repository() {
        for bad in [
            "", "/", "//", "../a", "a/../b", "./a", "a//b", "a/", "/etc", "a\0b",
        ] {
            assert!(bad.parse::<InputPattern>().is_err(), "{bad:?}");
        }
    }
}
