ALTER TABLE orders ADD COLUMN hold text;
-- A third reason is one exchange of this CHECK away, and so is a second one less.
ALTER TABLE orders ADD CONSTRAINT orders_hold_known CHECK (hold IN ('backordered', 'address unclear')) NOT VALID;
ALTER TABLE orders VALIDATE CONSTRAINT orders_hold_known;
