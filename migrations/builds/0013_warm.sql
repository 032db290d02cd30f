-- A release may wait for its turn beside what a host runs: ready, and without a request.
ALTER TABLE outbox
    -- Whether hosts whose turn has not come are to do that.
    ADD COLUMN warm boolean NOT NULL DEFAULT false;

ALTER TABLE instances
    -- The release that the host was told to keep so.
    ADD COLUMN warm_release bigint,
    -- When the desired release was first ready there.
    ADD COLUMN warm_at      timestamptz;
