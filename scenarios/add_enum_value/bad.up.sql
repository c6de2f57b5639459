ALTER TYPE order_status ADD VALUE 'backordered' AFTER 'paid';
