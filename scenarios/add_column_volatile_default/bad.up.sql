-- Every order gets a token for its tracking page.
ALTER TABLE orders ADD COLUMN tracking_token uuid DEFAULT gen_random_uuid();
