-- +goose Up
-- What things cost. A book holds from its time on until the next one in its currency,
-- and is never changed, only followed: what was charged stays explained.
CREATE TABLE price_books (
    id         text        PRIMARY KEY CHECK (id LIKE 'pb-%'),
    currency   text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'), -- ISO 4217
    valid_from timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (currency, valid_from)
);
CREATE TABLE prices (
    book_id  text           NOT NULL REFERENCES price_books (id),
    meter    text           NOT NULL CHECK (meter IN ('controlplane', 'node')),
    item     text           NOT NULL, -- a control plane's state, or a node's size
    per_hour numeric(38, 9) NOT NULL CHECK (per_hour >= 0), -- before tax
    PRIMARY KEY (book_id, meter, item)
);
GRANT SELECT, INSERT ON price_books, prices TO marina_worker;

INSERT INTO price_books (id, currency, valid_from) VALUES ('pb-first', 'EUR', '2026-01-01T00:00:00Z');
INSERT INTO prices (book_id, meter, item, per_hour) VALUES
    ('pb-first', 'controlplane', 'running', 0.015),
    ('pb-first', 'node', 'small', 0.012),
    ('pb-first', 'node', 'medium', 0.024),
    ('pb-first', 'node', 'large', 0.048);

-- +goose Down
DROP TABLE prices, price_books;
