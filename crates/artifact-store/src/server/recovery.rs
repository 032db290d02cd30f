//! Reading the folder at the start, and removing what a crash left.

use super::Error;
use super::backend::{Bucket, Upload};
use super::folder::{BucketFolder, Folder, UPLOAD_RECORD, is_bucket_name, remove_file};
use super::record::{ObjectRecord, UploadRecord};
use fs_err as fs;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

pub(super) fn recover(folder: &Folder) -> Result<BTreeMap<String, Bucket>, Error> {
    for path in entries(&folder.temporary())? {
        remove_file(&path);
    }
    let mut buckets = BTreeMap::new();
    for path in entries(&folder.buckets())? {
        let name = name_of(&path);
        if is_bucket_name(name) {
            let place = folder.bucket(name);
            // A crash may have come between the folders of a new bucket.
            place.create()?;
            buckets.insert(name.to_owned(), recover_bucket(&place)?);
        }
    }
    Ok(buckets)
}

fn recover_bucket(place: &BucketFolder) -> Result<Bucket, Error> {
    let mut bucket = Bucket::default();
    for path in entries(&place.objects())? {
        let record: ObjectRecord = read_record(&path)?;
        bucket.objects.insert(record.key.clone(), Arc::new(record));
    }
    for path in entries(&place.uploads())? {
        let upload = name_of(&path).parse::<Uuid>().ok();
        let recovered = upload
            .map(|id| recover_upload(&path, id, &bucket))
            .transpose()?
            .flatten();
        match (upload, recovered) {
            (Some(id), Some(upload)) => drop(bucket.uploads.insert(id, upload)),
            _ => fs::remove_dir_all(&path)?,
        }
    }
    remove_unnamed(place, &bucket)?;
    Ok(bucket)
}

/// An unfinished upload, or `None` if it was never answered for, or completed.
fn recover_upload(path: &Path, id: Uuid, bucket: &Bucket) -> Result<Option<Upload>, Error> {
    let record_path = path.join(UPLOAD_RECORD);
    if !record_path.exists() {
        return Ok(None);
    }
    let record: UploadRecord = read_record(&record_path)?;
    if bucket
        .objects
        .get(&record.key)
        .is_some_and(|object| object.upload_id == Some(id))
    {
        return Ok(None);
    }
    let mut parts = BTreeMap::new();
    for path in entries(path)? {
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if let Some(number) = number {
            parts.insert(number, read_record(&path)?);
        }
    }
    Ok(Some(Upload { record, parts }))
}

fn remove_unnamed(place: &BucketFolder, bucket: &Bucket) -> Result<(), Error> {
    let of_objects = bucket
        .objects
        .values()
        .flat_map(|object| object.blobs.iter().copied());
    let parts = bucket.uploads.values().flat_map(|upload| upload.parts.values());
    let named: BTreeSet<Uuid> = of_objects
        .chain(parts.map(|part| part.blob))
        .map(|blob| blob.file)
        .collect();
    let mut removed = 0;
    for path in entries(&place.data())? {
        let is_named = name_of(&path)
            .parse()
            .is_ok_and(|file: Uuid| named.contains(&file));
        if !is_named {
            remove_file(&path);
            removed += 1;
        }
    }
    if removed > 0 {
        tracing::info!(
            files = removed,
            "removed files that no object and no upload names"
        );
    }
    Ok(())
}

fn read_record<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    serde_json::from_slice(&fs::read(path)?).map_err(|source| Error::Record {
        path: path.to_owned(),
        source,
    })
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

fn name_of(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}
