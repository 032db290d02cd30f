//! Loading an image from its archive.

use super::{Containers, Error, refused, word};
use bollard::Docker;
use bollard::query_parameters::ImportImageOptions;
use futures::{StreamExt as _, TryStreamExt as _};
use std::path::Path;
use tokio_util::io::ReaderStream;

/// How much of an archive is read at once, in bytes.
const READ_BYTES: usize = 256 << 10;
/// How many words of the runtime are listened to.
const WORDS_MAX: usize = 1_000;

/// Loads an archive of one image, and says the image's id. What is there already is not stored twice.
pub(super) async fn load(containers: &Containers, docker: &Docker, archive: &Path) -> Result<String, Error> {
    let file = tokio::fs::File::open(archive)
        .await
        .map_err(|source| Error::Archive {
            path: archive.to_owned(),
            source,
        })?;
    let _alone = containers.loading.lock().await;
    let bytes = ReaderStream::with_capacity(file, READ_BYTES);
    let words = docker.import_image_stream(ImportImageOptions::default(), bytes, None);
    let not_one = |reason: String| Error::Image {
        path: archive.to_owned(),
        reason,
    };
    let words: Vec<_> = words
        .take(WORDS_MAX)
        .try_collect()
        .await
        .map_err(|error| not_one(word(&error)))?;
    let said = words.into_iter().filter_map(|word| word.stream);
    let names: Vec<String> = said.flat_map(|text| loaded(&text)).collect();
    let [name] = names.as_slice() else {
        return Err(not_one(format!("the runtime found {} in it", names.len())));
    };
    let found = docker
        .inspect_image(name)
        .await
        .map_err(refused("find the image"))?;
    found
        .id
        .ok_or_else(|| not_one("the runtime knows no id of it".to_owned()))
}

/// The images that a runtime says to have loaded: Docker one in a line, each with a name, or an id where it has none;
/// Podman all in one, with a comma between.
fn loaded(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| {
        let (_, names) = line.strip_prefix("Loaded image")?.split_once(": ")?;
        Some(names)
    });
    let names = lines.flat_map(|names| names.split(','));
    names.map(|name| name.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_runtime_says_to_have_loaded_is_read_in_each_ones_words() {
        for (text, expected) in [
            ("Loaded image: web:1\n", &["web:1"][..]),
            ("Loaded image ID: sha256:12ab\n", &["sha256:12ab"]),
            ("Loaded image: localhost/web:1", &["localhost/web:1"]),
            ("Loaded image(s): a:1,b:1", &["a:1", "b:1"]),
            ("Loading layer", &[]),
        ] {
            assert_eq!(loaded(text), expected, "{text:?}");
        }
    }
}
