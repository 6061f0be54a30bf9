-- cfp1:5:33058312574911102845:65565866322543160284
SET spark.sql.ansi.enabled = true;
SET TIME ZONE 'UTC';
SELECT concat('cfp1:', count(*), ':',
    coalesce(sum(CAST(conv(substr(hash, 1, 16), 16, 10) AS DECIMAL(20, 0))), 0), ':',
    coalesce(sum(CAST(conv(substr(hash, 17, 16), 16, 10) AS DECIMAL(20, 0))), 0)) AS fingerprint
FROM (
  SELECT sha2(concat_ws(',',
    coalesce(CAST(`flag` AS STRING), 'N'),
    coalesce(CAST(`i` AS STRING), 'N'),
    coalesce(CAST(`l` AS STRING), 'N'),
    coalesce(CASE WHEN `f` IS NOT NULL THEN java_method('java.lang.Double', 'doubleToLongBits', CAST(`f` AS DOUBLE)) END, 'N'),
    coalesce(CASE WHEN `x` IS NOT NULL THEN java_method('java.lang.Double', 'doubleToLongBits', CAST(`x` AS DOUBLE)) END, 'N'),
    coalesce(CAST(`p` AS STRING), 'N'),
    coalesce(CAST(`q` AS STRING), 'N'),
    coalesce(CAST(unix_date(`d`) AS STRING), 'N'),
    coalesce(CAST(unix_micros(CAST(`ts` AS TIMESTAMP)) AS STRING), 'N'),
    coalesce(CAST(unix_micros(CAST(`tz` AS TIMESTAMP)) AS STRING), 'N'),
    coalesce(concat(char_length(`s`), ':', `s`), 'N'),
    coalesce(lower(hex(`b`)), 'N'),
    coalesce(lower(hex(`fx`)), 'N'),
    coalesce(CAST(`o'd ``d` AS STRING), 'N'),
    CASE WHEN `place` IS NULL THEN 'N' ELSE concat('{', concat_ws(',', coalesce(concat(char_length(`place`.`city`), ':', `place`.`city`), 'N'), CASE WHEN `place`.`at` IS NULL THEN 'N' ELSE concat('{', concat_ws(',', coalesce(CASE WHEN `place`.`at`.`x` IS NOT NULL THEN java_method('java.lang.Double', 'doubleToLongBits', CAST(`place`.`at`.`x` AS DOUBLE)) END, 'N')), '}') END), '}') END,
    CASE WHEN `tags` IS NULL THEN 'N' ELSE concat('[', size(`tags`), ';', array_join(transform(`tags`, e1 -> coalesce(concat(char_length(e1), ':', e1), 'N')), ','), ']') END,
    CASE WHEN `marks` IS NULL THEN 'N' ELSE concat('[', size(`marks`), ';', array_join(transform(`marks`, e1 -> coalesce(CASE WHEN e1 IS NOT NULL THEN java_method('java.lang.Double', 'doubleToLongBits', CAST(e1 AS DOUBLE)) END, 'N')), ','), ']') END,
    CASE WHEN `counts` IS NULL THEN 'N' ELSE concat('<', size(`counts`), ';', array_join(transform(array_sort(transform(map_entries(`counts`), e1 -> named_struct('key', coalesce(CAST(e1.`key` AS STRING), 'N'), 'text', concat(coalesce(CAST(e1.`key` AS STRING), 'N'), '=', coalesce(concat(char_length(e1.`value`), ':', e1.`value`), 'N'))))), e1 -> e1.`text`), ','), '>') END,
    CASE WHEN `deep` IS NULL THEN 'N' ELSE concat('[', size(`deep`), ';', array_join(transform(`deep`, e1 -> CASE WHEN e1 IS NULL THEN 'N' ELSE concat('{', concat_ws(',', coalesce(CAST(e1.`n` AS STRING), 'N'), CASE WHEN e1.`t` IS NULL THEN 'N' ELSE concat('[', size(e1.`t`), ';', array_join(transform(e1.`t`, e2 -> coalesce(concat(char_length(e2), ':', e2), 'N')), ','), ']') END), '}') END), ','), ']') END,
    coalesce(lower(`u`), 'N')), 256) AS hash
  FROM t
)
