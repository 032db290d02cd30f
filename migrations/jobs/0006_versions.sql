-- What a build is called, such as `release-v1.4.2`; see `model::version`. Builds of before have no version.
ALTER TABLE builds ADD COLUMN version text;
