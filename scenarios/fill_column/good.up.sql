ALTER TABLE customers ADD COLUMN greeting text;

-- Every name that is written from now on brings its greeting.
CREATE FUNCTION customers_greeting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.greeting := split_part(NEW.full_name, ' ', 1);
    RETURN NEW;
END
$$;

CREATE TRIGGER customers_greeting BEFORE INSERT OR UPDATE OF full_name ON customers
FOR EACH ROW EXECUTE FUNCTION customers_greeting();

-- The same statement, as `rehearse backfill` runs it in production: in batches by key of about 50 ms, each committed by
-- itself, and all keys looked at once more at the end.
-- rehearse:backfill batch_time=50ms
UPDATE customers SET greeting = split_part(full_name, ' ', 1) WHERE greeting IS NULL;
