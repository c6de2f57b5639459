-- InnoDB makes this view anew only where nobody has read it for 0.1 s: so do not ask too often.
-- rehearse:repeat pause=500ms
UPDATE change_gate SET id = id
WHERE EXISTS (SELECT 1 FROM information_schema.innodb_trx WHERE trx_started <= now() - INTERVAL 1 SECOND);
ALTER TABLE orders ADD COLUMN tracking int, ALGORITHM=INSTANT;
