-- Who alone may write what. Each leader begins a term, and whatever it writes says in which: once another has begun a
-- later one, its writes are refused, however late they arrive.
CREATE TABLE terms (
    what text PRIMARY KEY,
    term bigint NOT NULL
);

-- How long replicas took is asked of the newest ones.
CREATE INDEX replicas_verified ON replicas (verified_at) WHERE state = 'VERIFIED';
