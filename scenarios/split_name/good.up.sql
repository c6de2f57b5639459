ALTER TABLE customers ADD COLUMN first_name text;
ALTER TABLE customers ADD COLUMN last_name text;

-- Every name that is written from now on is split as it is written.
CREATE FUNCTION customers_split_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.first_name := split_part(NEW.full_name, ' ', 1);
    NEW.last_name := substr(NEW.full_name, strpos(NEW.full_name || ' ', ' ') + 1);
    RETURN NEW;
END
$$;

CREATE TRIGGER customers_split_name BEFORE INSERT OR UPDATE OF full_name ON customers
FOR EACH ROW EXECUTE FUNCTION customers_split_name();

-- Old rows in batches: computed from the row as it is when it is written, and only the new columns are touched.
-- rehearse:repeat pause=5ms
UPDATE customers
SET first_name = split_part(full_name, ' ', 1),
    last_name = substr(full_name, strpos(full_name || ' ', ' ') + 1)
WHERE id IN (SELECT id FROM customers WHERE first_name IS NULL ORDER BY id LIMIT 5000);
