-- Rollouts: waves, a cursor a region, the way back, and what each deployment waits for.

ALTER TABLE deployments DROP CONSTRAINT deployments_state_check;
DROP INDEX deployments_one_in_flight;
UPDATE deployments SET state = 'WAVE' WHERE state = 'ACTIVATING';
ALTER TABLE deployments
    ADD CONSTRAINT deployments_state_check CHECK (state IN (
        'PENDING', 'PRECHECK', 'STAGING', 'WAVE', 'BAKE', 'PAUSED', 'ROLLING_BACK',
        'SUCCEEDED', 'ROLLED_BACK', 'FAILED', 'CANCELLED', 'SUPERSEDED')),
    ADD COLUMN kind          text NOT NULL DEFAULT 'ROLLOUT' CHECK (kind IN ('ROLLOUT', 'ROLLBACK')),
    -- Of a rollback: the deployment whose release it takes off the hosts.
    ADD COLUMN rollback_of   uuid REFERENCES deployments (id),
    ADD COLUMN configuration jsonb NOT NULL DEFAULT '{}',
    -- Which instances it is for.
    ADD COLUMN selector      text NOT NULL DEFAULT '',
    ADD COLUMN policy        jsonb NOT NULL DEFAULT '{}',
    -- Made of the policy and the fleet when the first wave begins.
    ADD COLUMN waves         jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN wave          integer NOT NULL DEFAULT 0,
    -- The service's epoch when this deployment was confirmed; what is said of a smaller one is not about it.
    ADD COLUMN epoch         bigint NOT NULL DEFAULT 0,
    -- What it waits for, in words.
    ADD COLUMN waits_for     text,
    -- The state that a PAUSED one goes on in.
    ADD COLUMN paused_in     text,
    -- Steps that an engineer allowed and that were not taken yet.
    ADD COLUMN steps_allowed integer NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX deployments_one_in_flight ON deployments (service)
    WHERE state IN ('PENDING', 'PRECHECK', 'STAGING', 'WAVE', 'BAKE', 'PAUSED');
CREATE INDEX deployments_of_service ON deployments (service, release DESC);

-- A deployment passes through WAVE and BAKE more than once.
ALTER TABLE deployment_states DROP CONSTRAINT deployment_states_pkey;
ALTER TABLE deployment_states
    ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY,
    ADD COLUMN wave integer NOT NULL DEFAULT 0;
UPDATE deployment_states SET state = 'WAVE' WHERE state = 'ACTIVATING';
ALTER TABLE deployment_states ADD PRIMARY KEY (deployment, number);

-- How many hosts of the region have their turn, NULL for everybody; and the layers below the deployment's.
ALTER TABLE outbox
    ADD COLUMN cursor_hosts bigint,
    ADD COLUMN cursor_order text NOT NULL DEFAULT 'hash' CHECK (cursor_order IN ('hash', 'zones')),
    ADD COLUMN below        jsonb NOT NULL DEFAULT '[]';
UPDATE outbox SET cursor_hosts = 0 WHERE directive = 'STAGE';
ALTER TABLE outbox DROP COLUMN directive;

ALTER TABLE instances
    ADD COLUMN active_release bigint,
    ADD COLUMN health         text NOT NULL DEFAULT 'UNKNOWN',
    ADD COLUMN observations   integer NOT NULL DEFAULT 0,
    -- Whether what ran before was well, or nothing ran, when the active release took over: only then is a failure its.
    ADD COLUMN was_healthy    boolean NOT NULL DEFAULT true,
    -- Since when the active release is not healthy; NULL while it is.
    ADD COLUMN unwell_since   timestamptz,
    -- When it was first in error since it was last healthy.
    ADD COLUMN failed_at      timestamptz;
UPDATE instances SET active_release = running_release,
                     health = CASE WHEN state = 'HEALTHY' THEN 'HEALTHY' ELSE 'UNKNOWN' END,
                     unwell_since = CASE WHEN state = 'HEALTHY' THEN NULL ELSE now() END;

-- The last word of each region's leader on whom it ordered what.
CREATE TABLE service_words (
    service  text NOT NULL REFERENCES services (name),
    region   text NOT NULL REFERENCES regions (name),
    epoch    bigint NOT NULL,
    hosts    jsonb NOT NULL,
    admitted bigint NOT NULL,
    said_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service, region)
) WITH (fillfactor = 50);

-- A version of a configuration means the same variables for ever.
CREATE TABLE configurations (
    service    text NOT NULL REFERENCES services (name),
    version    text NOT NULL,
    variables  jsonb NOT NULL,
    actor      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service, version)
);

-- After a rollback nothing is deployed automatically until somebody lifts the hold.
CREATE TABLE deploy_holds (
    service text PRIMARY KEY REFERENCES services (name),
    reason  text NOT NULL,
    actor   text NOT NULL,
    since   timestamptz NOT NULL DEFAULT now()
);
