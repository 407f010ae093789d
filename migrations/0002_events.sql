-- +goose Up
-- What happened, written in the transaction that made it true. Rows are relayed
-- to NATS in the order of seq; the rows with a message are the history that a
-- customer sees. Kept for 30 days.
CREATE TABLE outbox (
    seq             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id              text        NOT NULL UNIQUE,
    kind            text        NOT NULL,
    organization_id text        NOT NULL REFERENCES organizations (id),
    cluster_id      text,
    subject         text        NOT NULL,
    at              timestamptz NOT NULL DEFAULT now(),
    message         text        NOT NULL DEFAULT '',
    data            jsonb,
    sent_at         timestamptz
);
CREATE INDEX ON outbox (seq) WHERE sent_at IS NULL;
CREATE INDEX ON outbox (cluster_id, id) WHERE message <> '';

-- Who changed what. Never updated, never deleted by the program.
CREATE TABLE audit_log (
    id              text        PRIMARY KEY,
    organization_id text        NOT NULL REFERENCES organizations (id),
    actor           text        NOT NULL, -- usr-…, tok-… or "marina"
    action          text        NOT NULL, -- such as "cluster.create"
    subject         text        NOT NULL,
    address         text        NOT NULL DEFAULT '', -- of the client, where there is one
    detail          jsonb       NOT NULL DEFAULT '{}',
    at              timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON audit_log (organization_id, id);

ALTER TABLE outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON outbox TO marina_app USING (organization_id = current_setting('app.organization', true));
CREATE POLICY worker ON outbox TO marina_worker USING (true);
GRANT SELECT, INSERT ON outbox TO marina_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox TO marina_worker;

ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_log FORCE ROW LEVEL SECURITY;
CREATE POLICY organization ON audit_log TO marina_app USING (organization_id = current_setting('app.organization', true));
CREATE POLICY worker ON audit_log TO marina_worker USING (true);
CREATE POLICY identity ON audit_log FOR INSERT TO marina_identity WITH CHECK (true);
GRANT SELECT, INSERT ON audit_log TO marina_app;
GRANT SELECT, INSERT ON audit_log TO marina_worker;
GRANT INSERT ON audit_log TO marina_identity;

-- +goose Down
DROP TABLE audit_log, outbox;
