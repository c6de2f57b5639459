ALTER TABLE orders
    ADD COLUMN tracking_token char(64) AS (sha2(concat(customer_id, ' ', created_at, ' ', total_cents), 256)) STORED;
