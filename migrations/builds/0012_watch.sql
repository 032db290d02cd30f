-- A release is watched for a while after its deployment has succeeded.
ALTER TABLE deployments
    -- Until when; it is over sooner once another release of the service begins.
    ADD COLUMN watched_until timestamptz,
    -- What was seen meanwhile that should not be, where nothing was done about it by itself.
    ADD COLUMN alarm         text;
CREATE INDEX deployments_watched ON deployments (watched_until)
    WHERE state = 'SUCCEEDED' AND watched_until IS NOT NULL;
