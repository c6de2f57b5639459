CREATE INDEX CONCURRENTLY events_kind_path_idx ON events (kind, path);
