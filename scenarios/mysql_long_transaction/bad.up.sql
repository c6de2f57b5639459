ALTER TABLE orders ADD COLUMN tracking int;
