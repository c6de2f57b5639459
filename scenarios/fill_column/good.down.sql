DROP TRIGGER customers_greeting ON customers;
DROP FUNCTION customers_greeting();
ALTER TABLE customers DROP COLUMN greeting;
