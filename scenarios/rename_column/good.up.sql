ALTER TABLE orders ADD COLUMN customer_note text;

-- Whoever writes one name writes both.
CREATE FUNCTION orders_keep_notes_in_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.note := coalesce(NEW.note, NEW.customer_note);
        NEW.customer_note := NEW.note;
    ELSIF NEW.customer_note IS DISTINCT FROM OLD.customer_note THEN
        NEW.note := NEW.customer_note;
    ELSE
        NEW.customer_note := NEW.note;
    END IF;
    RETURN NEW;
END
$$;

-- Only when a note is written: a backfill or a change of status needs no trigger.
CREATE TRIGGER orders_keep_notes_in_step BEFORE INSERT OR UPDATE OF note, customer_note ON orders
FOR EACH ROW EXECUTE FUNCTION orders_keep_notes_in_step();

-- rehearse:repeat pause=5ms
UPDATE orders SET customer_note = note
WHERE id IN (SELECT id FROM orders WHERE customer_note IS DISTINCT FROM note ORDER BY id LIMIT 5000);
