//! The protocol's verbs, translated to the backend's.

mod listings;

use super::backend::{Backend, blocking};
use super::checksums::Asserted;
use super::copy::parse_range;
use super::download;
use super::objects::Precondition;
use super::receive::receive;
use super::record::Attributes;
use super::uploads::UploadPlace;
use crate::Crc64;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, ChecksumType,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CopyPartResult, CopySource,
    CreateBucketInput, CreateBucketOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput,
    DeleteObjectInput, DeleteObjectOutput, ETag, ETagCondition, GetObjectInput, GetObjectOutput,
    HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListMultipartUploadsInput,
    ListMultipartUploadsOutput, ListObjectsV2Input, ListObjectsV2Output, ListPartsInput, ListPartsOutput,
    PutObjectInput, PutObjectOutput, StreamingBlob, Timestamp, UploadPartCopyInput, UploadPartCopyOutput,
    UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use std::time::SystemTime;

fn tag(etag: &str) -> Option<ETag> {
    Some(ETag::Strong(etag.to_owned()))
}

fn timestamp(at: jiff::Timestamp) -> Option<Timestamp> {
    Some(SystemTime::from(at).into())
}

fn full_object() -> Option<ChecksumType> {
    Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT))
}

fn crc64nvme() -> Option<ChecksumAlgorithm> {
    Some(ChecksumAlgorithm::from_static(ChecksumAlgorithm::CRC64NVME))
}

fn length(bytes: u64) -> Option<i64> {
    i64::try_from(bytes).ok()
}

fn precondition(
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<Precondition> {
    match (if_match, if_none_match) {
        (None, None) => Ok(Precondition::None),
        (None, Some(condition)) if condition.is_any() => Ok(Precondition::Absent),
        _ => Err(s3_error!(NotImplemented, "only `If-None-Match: *` is known here")),
    }
}

fn attributes(
    content_type: Option<String>,
    metadata: Option<impl IntoIterator<Item = (String, String)>>,
) -> Attributes {
    Attributes {
        content_type,
        metadata: metadata.into_iter().flatten().collect(),
    }
}

#[async_trait::async_trait]
impl S3 for Backend {
    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let (backend, bucket) = (self.clone(), request.input.bucket);
        blocking(move || backend.create_bucket(&bucket)).await?;
        Ok(S3Response::new(CreateBucketOutput::default()))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.with_bucket(&request.input.bucket, |_| Ok(()))?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let asserted = Asserted::new(&request.headers, request.trailing_headers);
        let input = request.input;
        let precondition = precondition(input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let attributes = attributes(input.content_type, input.metadata);
        self.with_bucket(&input.bucket, |_| Ok(()))?;
        let draft = receive(self.bucket_folder(&input.bucket), input.body, asserted).await?;
        let backend = self.clone();
        let record =
            blocking(move || backend.put(&input.bucket, input.key, draft, attributes, precondition)).await?;
        Ok(S3Response::new(PutObjectOutput {
            e_tag: tag(&record.etag),
            checksum_crc64nvme: Some(record.crc64nvme.to_base64()),
            checksum_type: full_object(),
            ..Default::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let (backend, input) = (self.clone(), request.input);
        let wants_checksum = input.checksum_mode.is_some();
        let record = blocking(move || backend.find(&input.bucket, &input.key)).await?;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: length(record.length),
            content_type: record.attributes.content_type.clone(),
            metadata: Some(record.attributes.metadata.clone().into_iter().collect()),
            e_tag: tag(&record.etag),
            last_modified: timestamp(record.modified_at),
            checksum_crc64nvme: wants_checksum.then(|| record.crc64nvme.to_base64()),
            checksum_type: full_object().filter(|_| wants_checksum),
            ..Default::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let (backend, input) = (self.clone(), request.input);
        if input.part_number.is_some() {
            return Err(s3_error!(NotImplemented, "read a range instead of a part"));
        }
        let place = self.bucket_folder(&input.bucket);
        let record = blocking(move || backend.find(&input.bucket, &input.key)).await?;
        let range = match input.range {
            Some(range) => range.check(record.length)?,
            None => 0..record.length,
        };
        let partial = input.range.is_some();
        let content_range =
            partial.then(|| format!("bytes {}-{}/{}", range.start, range.end - 1, record.length));
        // The checksum is that of the whole, so it doesn't go with a part of it.
        let whole = input.checksum_mode.is_some() && !partial;
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: length(range.end - range.start),
            content_range,
            content_type: record.attributes.content_type.clone(),
            metadata: Some(record.attributes.metadata.clone().into_iter().collect()),
            e_tag: tag(&record.etag),
            last_modified: timestamp(record.modified_at),
            checksum_crc64nvme: whole.then(|| record.crc64nvme.to_base64()),
            checksum_type: full_object().filter(|_| whole),
            body: Some(StreamingBlob::wrap(download::stream(&place, &record, range))),
            ..Default::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let (backend, input) = (self.clone(), request.input);
        blocking(move || backend.delete(&input.bucket, &input.key)).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let (backend, input) = (self.clone(), request.input);
        let attributes = attributes(input.content_type, input.metadata);
        let (bucket, key) = (input.bucket.clone(), input.key.clone());
        let id = blocking(move || backend.create_upload(&input.bucket, input.key, attributes)).await?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(bucket),
            key: Some(key),
            upload_id: Some(id.to_string()),
            checksum_algorithm: crc64nvme(),
            checksum_type: full_object(),
            ..Default::default()
        }))
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let asserted = Asserted::new(&request.headers, request.trailing_headers);
        let (backend, input) = (self.clone(), request.input);
        let number = input.part_number;
        let place = UploadPlace::new(input.bucket, input.key, &input.upload_id)?;
        self.check_part(&place, number)?;
        let draft = receive(self.bucket_folder(&place.bucket), input.body, asserted).await?;
        let part = blocking(move || backend.put_part(&place, number, draft)).await?;
        Ok(S3Response::new(UploadPartOutput {
            e_tag: tag(&part.etag),
            checksum_crc64nvme: Some(part.crc64nvme.to_base64()),
            ..Default::default()
        }))
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let (backend, input) = (self.clone(), request.input);
        let CopySource::Bucket { bucket, key, .. } = input.copy_source else {
            return Err(s3_error!(NotImplemented, "a copy's source is a bucket and a key"));
        };
        let number = input.part_number;
        let place = UploadPlace::new(input.bucket, input.key, &input.upload_id)?;
        self.check_part(&place, number)?;
        let part = blocking(move || {
            let source = backend.find(&bucket, &key)?;
            let range = parse_range(input.copy_source_range.as_deref(), source.length)?;
            let draft = backend.copy((&bucket, &source), range, &place.bucket)?;
            backend.put_part(&place, number, draft)
        })
        .await?;
        Ok(S3Response::new(UploadPartCopyOutput {
            copy_part_result: Some(CopyPartResult {
                e_tag: tag(&part.etag),
                checksum_crc64nvme: Some(part.crc64nvme.to_base64()),
                last_modified: timestamp(part.modified_at),
                ..Default::default()
            }),
            ..Default::default()
        }))
    }

    async fn list_parts(&self, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        self.parts_page(request.input).map(S3Response::new)
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let (backend, input) = (self.clone(), request.input);
        let others = [
            input.checksum_crc32,
            input.checksum_crc32c,
            input.checksum_sha1,
            input.checksum_sha256,
        ];
        if others.iter().any(Option::is_some) {
            return Err(s3_error!(
                NotImplemented,
                "only CRC64NVME is kept of whole objects"
            ));
        }
        let asserted = input.checksum_crc64nvme.as_deref().map(Crc64::from_base64);
        if asserted == Some(None) {
            return Err(s3_error!(
                InvalidArgument,
                "x-amz-checksum-crc64nvme is not a checksum"
            ));
        }
        let precondition = precondition(input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let place = UploadPlace::new(input.bucket, input.key, &input.upload_id)?;
        let parts = input
            .multipart_upload
            .and_then(|list| list.parts)
            .unwrap_or_default();
        let bucket = place.bucket.clone();
        let record =
            blocking(move || backend.complete(&place, &parts, asserted.flatten(), precondition)).await?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(bucket),
            key: Some(record.key.clone()),
            e_tag: tag(&record.etag),
            checksum_crc64nvme: Some(record.crc64nvme.to_base64()),
            checksum_type: full_object(),
            ..Default::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let (backend, input) = (self.clone(), request.input);
        let place = UploadPlace::new(input.bucket, input.key, &input.upload_id)?;
        blocking(move || backend.abort(&place)).await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        self.uploads_page(request.input).map(S3Response::new)
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.objects_page(request.input).map(S3Response::new)
    }
}
