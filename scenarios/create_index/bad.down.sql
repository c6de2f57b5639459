DROP INDEX events_kind_path_idx;
