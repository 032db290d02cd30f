-- Publishing an artifact and removing it from the main store, which is named by its content, keep out of each other's
-- way here; see `jobs/removal.rs`.

-- Which attempts have set out to publish which artifact, or to take it over from an earlier build. While an attempt
-- holds its lease, nobody begins to remove the artifact.
CREATE TABLE artifact_attempts (
    artifact text NOT NULL,
    lease    bigint NOT NULL,
    build    uuid NOT NULL,
    PRIMARY KEY (artifact, lease)
);
INSERT INTO artifact_attempts (artifact, lease, build)
SELECT artifact, lease, build FROM results WHERE artifact IS NOT NULL AND lease IS NOT NULL;

-- Artifacts that are being removed. While one stands here, no attempt publishes it.
CREATE TABLE removals (
    artifact text PRIMARY KEY,
    begun_at timestamptz NOT NULL DEFAULT now()
);
