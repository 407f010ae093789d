-- +goose Up
-- Mails of an installation without a mail server: delivered to the operator, who
-- passes them on. They hold secrets, so they are sealed under the data key "mails".
CREATE TABLE mailbox (
    mail_id text  PRIMARY KEY REFERENCES mails (id) ON DELETE CASCADE,
    sealed  bytea NOT NULL
);
ALTER TABLE mailbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE mailbox FORCE ROW LEVEL SECURITY;
CREATE POLICY worker ON mailbox TO marina_worker USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON mailbox TO marina_worker;

-- +goose Down
DROP TABLE mailbox;
