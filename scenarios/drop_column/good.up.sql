-- Out of the code's way, and still there. `ALTER TABLE orders DROP COLUMN note_parked` is a later release's work.
ALTER TABLE orders RENAME COLUMN note TO note_parked;
