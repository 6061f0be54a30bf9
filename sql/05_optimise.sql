-- Purpose: puts small files together and lists the files of each partition together, as the article does at its end.
-- Needs: 01_attach.sql in the same session, and the tables of 03_migrate.sql.
-- Leaves behind: the same rows; the snapshots from before stay until they expire, and with them their files. Run again, it has
--   nothing to do: a migration writes files near their target size, so that there is little to do the first time, too.

CALL r2.system.rewrite_data_files(table => 'default.drive_stats_r2');

CALL r2.system.rewrite_manifests(table => 'default.drive_stats_r2');
