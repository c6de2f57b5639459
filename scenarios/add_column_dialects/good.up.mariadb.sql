-- A column without a value of its own for each row is a note in the dictionary.
ALTER TABLE orders ADD COLUMN tracking_token char(36), ALGORITHM=INSTANT;
ALTER TABLE orders ALTER COLUMN tracking_token SET DEFAULT uuid(), ALGORITHM=INSTANT;
-- Each batch finds its rows by this index, and locks no others.
ALTER TABLE orders ADD INDEX orders_without_token (tracking_token), ALGORITHM=INPLACE, LOCK=NONE;
-- rehearse:repeat pause=10ms
UPDATE orders SET tracking_token = uuid() WHERE tracking_token IS NULL LIMIT 1000;
ALTER TABLE orders DROP INDEX orders_without_token, ALGORITHM=INPLACE, LOCK=NONE;
