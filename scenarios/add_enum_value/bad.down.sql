-- There is no ALTER TYPE … DROP VALUE; all that can be done is to use it no longer.
UPDATE orders SET status = 'paid' WHERE status = 'backordered';
