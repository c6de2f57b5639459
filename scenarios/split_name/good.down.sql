DROP TRIGGER customers_split_name ON customers;
DROP FUNCTION customers_split_name();
ALTER TABLE customers DROP COLUMN last_name;
ALTER TABLE customers DROP COLUMN first_name;
