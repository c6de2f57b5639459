ALTER TABLE orders RENAME COLUMN note_parked TO note;
