-- Purpose: attaches both catalogs: `glue`, the source, and `r2`, the target. The only script that knows where they are.
-- Needs: the folders of two local catalogs in GLUE_WAREHOUSE and R2_WAREHOUSE; missing folders are created.
-- Leaves behind: nothing but the folders; catalogs stay attached until the session ends.

ATTACH '${GLUE_WAREHOUSE}' AS glue (TYPE local);

ATTACH '${R2_WAREHOUSE}' AS r2 (TYPE local);
