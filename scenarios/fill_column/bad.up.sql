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

-- One statement is one transaction: each row that it has come to is held until it has come to all of them.
UPDATE customers SET greeting = split_part(full_name, ' ', 1) WHERE greeting IS NULL;
