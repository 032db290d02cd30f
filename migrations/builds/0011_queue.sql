-- A deployment may wait for the one of its service that is in flight.

-- When its turn came; NULL while it waits, and of one that never had its turn.
ALTER TABLE deployments ADD COLUMN started_at timestamptz DEFAULT clock_timestamp();
UPDATE deployments SET started_at = created_at;
DROP INDEX deployments_one_in_flight;
CREATE UNIQUE INDEX deployments_one_in_flight ON deployments (service)
    WHERE state IN ('PENDING', 'PRECHECK', 'STAGING', 'WAVE', 'BAKE', 'PAUSED') AND started_at IS NOT NULL;
CREATE UNIQUE INDEX deployments_one_queued ON deployments (service)
    WHERE state = 'PENDING' AND started_at IS NULL;

-- In which environment the rollback was that holds automatic deployments; NULL for all.
ALTER TABLE deploy_holds ADD COLUMN environment text;
