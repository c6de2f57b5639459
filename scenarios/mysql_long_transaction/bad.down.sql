ALTER TABLE orders DROP COLUMN tracking;
