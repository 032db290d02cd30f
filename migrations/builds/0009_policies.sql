-- What is forbidden, who may do what, what needs consent, and who has given it; see the crate `policy`. A policy is
-- never changed: it ends, and another begins.
CREATE TABLE policies (
    id         uuid PRIMARY KEY,
    policy     jsonb NOT NULL,
    actor      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- When it ends by itself.
    until      timestamptz,
    ended_at   timestamptz,
    ended_by   text,
    CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
CREATE INDEX policies_that_count ON policies (id) WHERE ended_at IS NULL;

-- Why freezes and missing approvals did not count for a deployment.
ALTER TABLE deployments ADD COLUMN break_glass text;
