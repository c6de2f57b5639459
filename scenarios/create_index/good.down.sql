-- IF EXISTS, so that it also clears up after a build that failed.
DROP INDEX CONCURRENTLY IF EXISTS events_kind_path_idx;
