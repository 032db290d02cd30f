-- What people see of a distribution (one artifact on its way to one region's hosts), and what they said about it.

-- The last summary of each distribution, and how it went. Both are bounded by the model's types; rows too, a region.
CREATE TABLE distributions (
    region      text NOT NULL REFERENCES regions (name),
    artifact    text NOT NULL,
    summary     jsonb NOT NULL,
    curve       jsonb NOT NULL,
    began_at    timestamptz NOT NULL,
    reported_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (region, artifact)
) WITH (fillfactor = 50);

-- A region's limits, and whether its etcd knows them and what stands in `distribution_controls`. The epoch grows with
-- every change of either; locking a row here orders them.
CREATE TABLE region_controls (
    region               text PRIMARY KEY REFERENCES regions (name),
    epoch                bigint NOT NULL DEFAULT 1,
    upload_bytes_per_s   bigint,
    download_bytes_per_s bigint,
    -- Who last changed the limits, and when.
    actor                text,
    limited_at           timestamptz,
    delivered_epoch      bigint NOT NULL DEFAULT 0,
    failures             integer NOT NULL DEFAULT 0,
    retry_at             timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- One distribution that somebody said something about; only artifacts that the region's services are ordered to have.
CREATE TABLE distribution_controls (
    region     text NOT NULL REFERENCES region_controls (region),
    artifact   text NOT NULL,
    hold       text NOT NULL DEFAULT 'NONE' CHECK (hold IN ('NONE', 'PAUSED', 'ABORTED')),
    -- Above 0 if it is preferred; the largest is preferred most.
    preference bigint NOT NULL DEFAULT 0,
    actor      text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (region, artifact)
);
