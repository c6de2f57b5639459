ALTER TABLE orders ADD COLUMN tracking_token char(36) NOT NULL DEFAULT uuid();
