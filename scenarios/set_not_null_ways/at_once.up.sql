-- Newsletter becomes a plain yes or no; who was never asked counts as no.
ALTER TABLE customers ALTER COLUMN newsletter SET DEFAULT false;
UPDATE customers SET newsletter = false WHERE newsletter IS NULL;
ALTER TABLE customers ALTER COLUMN newsletter SET NOT NULL;
