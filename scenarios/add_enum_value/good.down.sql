ALTER TABLE orders DROP COLUMN hold; -- and its CHECK with it
