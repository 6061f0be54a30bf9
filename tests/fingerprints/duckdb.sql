-- cfp1:5:46549299437210445330:71327038652458014140
SELECT concat('cfp1:', count(*), ':',
    coalesce(sum(CAST('0x' || hash[1:16] AS UBIGINT)), 0), ':',
    coalesce(sum(CAST('0x' || hash[17:32] AS UBIGINT)), 0)) AS fingerprint
FROM (
  SELECT sha256(concat_ws(',',
    coalesce(CAST("flag" AS VARCHAR), 'N'),
    coalesce(CAST("i" AS VARCHAR), 'N'),
    coalesce(CAST("l" AS VARCHAR), 'N'),
    coalesce(CASE WHEN isnan(CAST("f" AS DOUBLE)) THEN '9221120237041090560' ELSE CAST(CAST(CAST(CAST("f" AS DOUBLE) AS BIT) AS BIGINT) AS VARCHAR) END, 'N'),
    coalesce(CASE WHEN isnan(CAST("x" AS DOUBLE)) THEN '9221120237041090560' ELSE CAST(CAST(CAST(CAST("x" AS DOUBLE) AS BIT) AS BIGINT) AS VARCHAR) END, 'N'),
    coalesce(CAST("p" AS VARCHAR), 'N'),
    coalesce(CAST("q" AS VARCHAR), 'N'),
    coalesce(CAST("d" - DATE '1970-01-01' AS VARCHAR), 'N'),
    coalesce(CAST(epoch_us("ts") AS VARCHAR), 'N'),
    coalesce(CAST(epoch_us("tz") AS VARCHAR), 'N'),
    coalesce(length("s") || ':' || "s", 'N'),
    coalesce(lower(hex("b")), 'N'),
    coalesce(lower(hex("fx")), 'N'),
    coalesce(CAST("o'd `d" AS VARCHAR), 'N'),
    CASE WHEN "place" IS NULL THEN 'N' ELSE concat('{', concat_ws(',', coalesce(length(struct_extract("place", 'city')) || ':' || struct_extract("place", 'city'), 'N'), CASE WHEN struct_extract("place", 'at') IS NULL THEN 'N' ELSE concat('{', concat_ws(',', coalesce(CASE WHEN isnan(CAST(struct_extract(struct_extract("place", 'at'), 'x') AS DOUBLE)) THEN '9221120237041090560' ELSE CAST(CAST(CAST(CAST(struct_extract(struct_extract("place", 'at'), 'x') AS DOUBLE) AS BIT) AS BIGINT) AS VARCHAR) END, 'N')), '}') END), '}') END,
    CASE WHEN "tags" IS NULL THEN 'N' ELSE concat('[', len("tags"), ';', array_to_string(list_transform("tags", lambda e1: coalesce(length(e1) || ':' || e1, 'N')), ','), ']') END,
    CASE WHEN "marks" IS NULL THEN 'N' ELSE concat('[', len("marks"), ';', array_to_string(list_transform("marks", lambda e1: coalesce(CASE WHEN isnan(CAST(e1 AS DOUBLE)) THEN '9221120237041090560' ELSE CAST(CAST(CAST(CAST(e1 AS DOUBLE) AS BIT) AS BIGINT) AS VARCHAR) END, 'N')), ','), ']') END,
    CASE WHEN "counts" IS NULL THEN 'N' ELSE concat('<', cardinality("counts"), ';', array_to_string(list_transform(list_sort(list_transform(map_entries("counts"), lambda e1: {'key': coalesce(CAST(struct_extract(e1, 'key') AS VARCHAR), 'N'), 'text': concat(coalesce(CAST(struct_extract(e1, 'key') AS VARCHAR), 'N'), '=', coalesce(length(struct_extract(e1, 'value')) || ':' || struct_extract(e1, 'value'), 'N'))})), lambda e1: struct_extract(e1, 'text')), ','), '>') END,
    CASE WHEN "deep" IS NULL THEN 'N' ELSE concat('[', len("deep"), ';', array_to_string(list_transform("deep", lambda e1: CASE WHEN e1 IS NULL THEN 'N' ELSE concat('{', concat_ws(',', coalesce(CAST(struct_extract(e1, 'n') AS VARCHAR), 'N'), CASE WHEN struct_extract(e1, 't') IS NULL THEN 'N' ELSE concat('[', len(struct_extract(e1, 't')), ';', array_to_string(list_transform(struct_extract(e1, 't'), lambda e2: coalesce(length(e2) || ':' || e2, 'N')), ','), ']') END), '}') END), ','), ']') END,
    coalesce(lower(CAST("u" AS VARCHAR)), 'N'),
    coalesce(CAST(epoch_us("c") AS VARCHAR), 'N'))) AS hash
  FROM t
)
