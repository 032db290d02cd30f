-- The builds database: artifacts and where their copies are, services and their releases, and what every
-- region should run and does run.

CREATE TABLE regions (
    name     text PRIMARY KEY,
    added_at timestamptz NOT NULL DEFAULT now()
);

-- The last word of each region's leader. Apart from `regions`, since it changes every few seconds.
CREATE TABLE region_reports (
    region           text PRIMARY KEY REFERENCES regions (name),
    term             bigint NOT NULL,
    hosts_alive      integer NOT NULL,
    store_bytes_read bigint NOT NULL,
    reported_at      timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

CREATE TABLE artifacts (
    id          text PRIMARY KEY,
    repository  text NOT NULL,
    commit_id   text NOT NULL,
    target      text NOT NULL,
    total_bytes bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);

-- Which build made which artifact. Two builds of one commit may make the same bytes.
CREATE TABLE artifact_builds (
    build       uuid PRIMARY KEY,
    artifact    text NOT NULL REFERENCES artifacts (id),
    recorded_at timestamptz NOT NULL DEFAULT now()
);

-- An artifact's copy in one region's store.
CREATE TABLE replicas (
    artifact     text NOT NULL REFERENCES artifacts (id),
    region       text NOT NULL REFERENCES regions (name),
    state        text NOT NULL DEFAULT 'PENDING' CHECK (state IN ('PENDING', 'COPYING', 'VERIFIED', 'FAILED')),
    copied_bytes bigint NOT NULL DEFAULT 0,
    failures     integer NOT NULL DEFAULT 0,
    reason       text,
    requested_at timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    verified_at  timestamptz,
    -- When the copy was last compared with what it should be.
    checked_at   timestamptz,
    retry_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (artifact, region)
) WITH (fillfactor = 50);
CREATE INDEX replicas_missing ON replicas (region, requested_at) WHERE state <> 'VERIFIED';

CREATE TABLE services (
    name       text PRIMARY KEY,
    spec       jsonb NOT NULL,
    actor      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- The last number given out of each kind. Locking a row here orders every change of the service.
CREATE TABLE service_counters (
    service text PRIMARY KEY REFERENCES services (name),
    release bigint NOT NULL DEFAULT 0,
    epoch   bigint NOT NULL DEFAULT 0
);

CREATE TABLE deployments (
    id         uuid PRIMARY KEY,
    service    text NOT NULL REFERENCES services (name),
    release    bigint NOT NULL,
    build      uuid NOT NULL,
    artifact   text NOT NULL REFERENCES artifacts (id),
    -- The service's spec as it was when the release was made.
    spec       jsonb NOT NULL,
    actor      text NOT NULL,
    state      text NOT NULL DEFAULT 'PENDING' CHECK (
        state IN ('PENDING', 'STAGING', 'ACTIVATING', 'SUCCEEDED', 'FAILED', 'SUPERSEDED', 'CANCELLED')),
    reason     text,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    -- When a deployment that has not converged is given up.
    expires_at timestamptz NOT NULL,
    UNIQUE (service, release)
);
CREATE UNIQUE INDEX deployments_one_in_flight ON deployments (service)
    WHERE state IN ('PENDING', 'STAGING', 'ACTIVATING');

-- What each region should be told of each service, and what it was told. One row a service and region, so a
-- region that was away is told only the newest.
CREATE TABLE outbox (
    service         text NOT NULL REFERENCES services (name),
    region          text NOT NULL REFERENCES regions (name),
    deployment      uuid NOT NULL REFERENCES deployments (id),
    artifact        text NOT NULL,
    epoch           bigint NOT NULL,
    directive       text NOT NULL CHECK (directive IN ('STAGE', 'ACTIVATE')),
    written_at      timestamptz NOT NULL DEFAULT now(),
    delivered_epoch bigint NOT NULL DEFAULT 0,
    failures        integer NOT NULL DEFAULT 0,
    retry_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service, region)
) WITH (fillfactor = 50);
CREATE INDEX outbox_due ON outbox (retry_at) WHERE delivered_epoch < epoch;

-- What each host says of each service, newest word only.
CREATE TABLE instances (
    service         text NOT NULL,
    region          text NOT NULL REFERENCES regions (name),
    host            text NOT NULL,
    zone            text NOT NULL,
    epoch           bigint NOT NULL,
    desired_release bigint NOT NULL,
    running_release bigint,
    state           text NOT NULL,
    port            integer,
    total_bytes     bigint NOT NULL,
    seed_bytes      bigint NOT NULL,
    peer_bytes      bigint NOT NULL,
    store_bytes     bigint NOT NULL,
    local_bytes     bigint NOT NULL,
    wasted_bytes    bigint NOT NULL,
    elapsed_ms      bigint NOT NULL,
    reason          text,
    -- When the desired release was first staged and first healthy on this host.
    staged_at       timestamptz,
    healthy_at      timestamptz,
    changed_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service, region, host)
) WITH (fillfactor = 50);

-- A deployment's way through one region: when each thing happened, and how the hosts stood when the next
-- release of the service took over (until then that is counted from `instances`).
CREATE TABLE deployment_regions (
    deployment       uuid NOT NULL REFERENCES deployments (id),
    region           text NOT NULL REFERENCES regions (name),
    stage_told_at    timestamptz,
    activate_told_at timestamptz,
    first_staged_at  timestamptz,
    last_staged_at   timestamptz,
    first_healthy_at timestamptz,
    last_healthy_at  timestamptz,
    final_counts     jsonb,
    PRIMARY KEY (deployment, region)
) WITH (fillfactor = 50);

-- Every state that a deployment went through.
CREATE TABLE deployment_states (
    deployment uuid NOT NULL REFERENCES deployments (id),
    state      text NOT NULL,
    reason     text,
    entered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (deployment, state)
);
