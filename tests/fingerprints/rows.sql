-- Rows of every type that SQL can write, with the values that engines spell differently.
CREATE TABLE r2.default.t (
  flag BOOLEAN, i INT, l BIGINT, f FLOAT, x DOUBLE, p DECIMAL(38, 18), q DECIMAL(9, 0), d DATE, ts TIMESTAMP, tz TIMESTAMPTZ,
  s STRING, b BINARY, fx FIXED(2), "o'd `d" INT, place STRUCT<city: STRING, at: STRUCT<x: DOUBLE>>, tags ARRAY<STRING>,
  marks ARRAY<DOUBLE>, counts MAP<BIGINT, STRING>, deep ARRAY<STRUCT<n: BIGINT, t: ARRAY<STRING>>>, u UUID, c TIME);

INSERT INTO r2.default.t SELECT true, -2147483648, -9223372036854775807, CAST(0.1 AS FLOAT), CAST('-Infinity' AS DOUBLE),
  CAST('12345678901234567890.123456789012345678' AS DECIMAL(38, 18)), CAST(-7 AS DECIMAL(9, 0)), DATE '1500-01-01',
  TIMESTAMP '2262-04-11 00:00:00.000001', TIMESTAMPTZ '2020-03-29T02:30:00+02:00', 'a,b', X'00ff', X'beef', 1,
  named_struct('city', 'Oslo', 'at', named_struct('x', -0.0)), make_array('a', NULL, ''), make_array(1.5, NULL),
  MAP {10: 'ten', 1: NULL, -1: ''}, make_array(named_struct('n', 1, 't', make_array('x,y')), NULL),
  arrow_cast(X'a0eebc999c0b4ef8bb6d6bb9bd380a11', 'FixedSizeBinary(16)'), TIME '23:59:59.999999';

INSERT INTO r2.default.t SELECT false, 0, 9223372036854775807, CAST('NaN' AS FLOAT), CAST('NaN' AS DOUBLE),
  CAST('-0.000000000000000001' AS DECIMAL(38, 18)), CAST(0 AS DECIMAL(9, 0)), DATE '1969-12-31',
  TIMESTAMP '1899-12-31 23:59:59.999999', TIMESTAMPTZ '1970-01-01T00:00:00Z', '', X'', X'0000', -1,
  named_struct('city', NULL, 'at', NULL), make_array('🧊', '1:N', 'é'), make_array(CAST('NaN' AS DOUBLE), 5e-324),
  MAP(arrow_cast(make_array(), 'List(Int64)'), arrow_cast(make_array(), 'List(Utf8)')), make_array(),
  arrow_cast(X'00000000000000000000000000000001', 'FixedSizeBinary(16)'), TIME '00:00:00';

INSERT INTO r2.default.t (s) VALUES (E'żółć\n🧊'), (NULL), (NULL);
