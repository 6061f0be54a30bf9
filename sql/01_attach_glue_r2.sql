-- Purpose: attaches AWS Glue as `glue`, the source, and R2 Data Catalog (Basin Catalog) as `r2`, the target. To be run in the
--   place of 01_attach.sql; all other scripts stay as they are.
-- Needs: GLUE_WAREHOUSE (s3://bucket/folder), AWS_REGION and an AWS identity, as the AWS command line finds it; R2_WAREHOUSE,
--   R2_CATALOG_URI and R2_CATALOG_API_TOKEN. docs/guide/attach-glue.md and attach-r2.md say where they stand and which
--   permissions they take.
-- Leaves behind: nothing; catalogs stay attached until the session ends.

ATTACH '${GLUE_WAREHOUSE}' AS glue (TYPE glue, "client.region" '${AWS_REGION}');

ATTACH '${R2_WAREHOUSE}' AS r2 (
    TYPE r2,
    URI '${R2_CATALOG_URI}',
    TOKEN '${R2_CATALOG_API_TOKEN}'
);
