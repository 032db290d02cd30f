//! Pages of keys.

use std::collections::BTreeMap;
use std::ops::Bound;

/// The longest page (S3's own limit).
pub(super) const PAGE_MAX: usize = 1000;

/// One page: keys with what belongs to them, and the folders that a delimiter makes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<'a, T> {
    pub(super) keys: Vec<(&'a str, &'a T)>,
    pub(super) folders: Vec<String>,
    /// The last key or folder of this page, if there are more behind it.
    pub(super) next: Option<String>,
}

/// The keys behind `after` that begin with `prefix`, at most `limit`. With a delimiter, keys that have
/// it behind the prefix are shown as one folder.
pub(super) fn page<'a, T>(
    all: &'a BTreeMap<String, T>,
    prefix: &str,
    delimiter: Option<&str>,
    after: &str,
    limit: usize,
) -> Page<'a, T> {
    let mut page = Page {
        keys: Vec::new(),
        folders: Vec::new(),
        next: None,
    };
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty());
    let mut last = after.to_owned();
    // Whichever comes later: a prefix may itself be a key, so it is included.
    let from = if after < prefix {
        Bound::Included(prefix)
    } else {
        Bound::Excluded(after)
    };
    for (key, value) in all.range::<str, _>((from, Bound::Unbounded)) {
        let Some(rest) = key.strip_prefix(prefix) else {
            break;
        };
        let folder = delimiter.and_then(|delimiter| {
            let at = rest.find(delimiter)?;
            Some(&key[..prefix.len() + at + delimiter.len()])
        });
        let shown = folder.unwrap_or(key);
        if folder.is_some() && shown <= last.as_str() {
            continue;
        }
        if page.keys.len() + page.folders.len() == limit {
            page.next = (limit > 0).then_some(last);
            return page;
        }
        last = shown.to_owned();
        match folder {
            Some(folder) => page.folders.push(folder.to_owned()),
            None => page.keys.push((key, value)),
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(keys: &[&str], prefix: &str, delimiter: Option<&str>, limit: usize) -> Vec<String> {
        let all: BTreeMap<String, ()> = keys.iter().map(|key| ((*key).to_owned(), ())).collect();
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = page(&all, prefix, delimiter, &after, limit);
            assert!(page.keys.len() + page.folders.len() <= limit);
            seen.extend(page.keys.iter().map(|(key, ())| (*key).to_owned()));
            seen.extend(page.folders.clone());
            match page.next {
                Some(next) => after = next,
                None => return seen,
            }
        }
    }

    #[test]
    fn pages_of_any_length_show_every_key_once() {
        let keys = ["a", "b", "b/", "b/1", "b/2", "b0", "c"];
        for limit in 1..=8 {
            assert_eq!(walk(&keys, "", None, limit), keys);
            assert_eq!(walk(&keys, "b", None, limit), ["b", "b/", "b/1", "b/2", "b0"]);
            assert_eq!(walk(&keys, "b/", None, limit), ["b/", "b/1", "b/2"]);
            assert!(walk(&keys, "x", None, limit).is_empty());
        }
    }

    #[test]
    fn a_delimiter_shows_a_folder_once() {
        let keys = ["a/1", "a/2", "b", "c/d/1", "c/e"];
        for limit in 1..=4 {
            let mut all = walk(&keys, "", Some("/"), limit);
            all.sort();
            assert_eq!(all, ["a/", "b", "c/"]);
            let mut inside = walk(&keys, "c/", Some("/"), limit);
            inside.sort();
            assert_eq!(inside, ["c/d/", "c/e"]);
        }
    }
}
