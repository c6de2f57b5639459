ALTER TABLE customers ADD COLUMN first_name text;
ALTER TABLE customers ADD COLUMN last_name text;

-- What the script has read, and what it makes of it.
CREATE TABLE customers_read AS
SELECT id, full_name,
       split_part(full_name, ' ', 1) AS first_name,
       substr(full_name, strpos(full_name || ' ', ' ') + 1) AS last_name
FROM customers;
ALTER TABLE customers_read ADD PRIMARY KEY (id);

-- It saves rows whole, a few thousand at a time, and never looks whether they are still as it read them.
-- rehearse:repeat pause=50ms
WITH batch AS (
    DELETE FROM customers_read WHERE id IN (SELECT id FROM customers_read ORDER BY id LIMIT 5000) RETURNING *
)
UPDATE customers
SET full_name = batch.full_name, first_name = batch.first_name, last_name = batch.last_name
FROM batch WHERE customers.id = batch.id;

DROP TABLE customers_read;
