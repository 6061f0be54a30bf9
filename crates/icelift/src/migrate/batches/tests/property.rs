//! No row is in no batch or in two, whatever files there are: against a calendar of another library, row by row.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Field, Schema as ArrowSchema};
use chrono::{DateTime, NaiveDate, TimeDelta};
use datafusion::common::DFSchema;
use datafusion::execution::SessionState;
use datafusion::prelude::SessionContext;
use iceberg::spec::PrimitiveLiteral;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::*;
use crate::pipeline::select::transforms;
use crate::pipeline::values::{literal_at, scalar};

const TRANSFORMS: [Transform; 5] =
    [Transform::Identity, Transform::Year, Transform::Month, Transform::Day, Transform::Hour];

/// Types, and how many of their ticks are an hour: values are drawn by the hour.
fn types() -> Vec<(PrimitiveType, i64)> {
    const MICROS: i64 = 3_600_000_000;
    vec![
        (PrimitiveType::Int, 1),
        (PrimitiveType::Long, 1 << 40),
        (PrimitiveType::String, 1),
        (PrimitiveType::Boolean, 1),
        (PrimitiveType::Decimal { precision: 20, scale: 3 }, 7),
        (PrimitiveType::Date, 1),
        (PrimitiveType::Timestamp, MICROS),
        (PrimitiveType::Timestamptz, MICROS),
        (PrimitiveType::TimestampNs, 1_000 * MICROS),
        (PrimitiveType::TimestamptzNs, 1_000 * MICROS),
    ]
}

fn literal(of: &PrimitiveType, ticks: i64) -> PrimitiveLiteral {
    match of {
        PrimitiveType::Int | PrimitiveType::Date => PrimitiveLiteral::Int(ticks as i32),
        PrimitiveType::String => PrimitiveLiteral::String(format!("s{:07}", ticks + 1_000_000)),
        PrimitiveType::Boolean => PrimitiveLiteral::Boolean(ticks.rem_euclid(2) == 1),
        PrimitiveType::Decimal { .. } => PrimitiveLiteral::Int128(ticks.into()),
        _ => PrimitiveLiteral::Long(ticks),
    }
}

fn datum(of: &PrimitiveType, ticks: i64) -> Datum {
    match literal(of, ticks) {
        PrimitiveLiteral::Boolean(value) => Datum::bool(value),
        PrimitiveLiteral::String(value) => Datum::string(value),
        PrimitiveLiteral::Int(value) if *of == PrimitiveType::Int => Datum::int(value),
        PrimitiveLiteral::Int(value) => Datum::date(value),
        PrimitiveLiteral::Int128(value) => Datum::try_from_bytes(&value.to_be_bytes(), of.clone()).unwrap(),
        PrimitiveLiteral::Long(value) => Datum::try_from_bytes(&value.to_le_bytes(), of.clone()).unwrap(),
        other => panic!("no bound is {other:?}"),
    }
}

/// How a file comes about.
#[derive(Debug, Clone)]
struct Written {
    /// NULL, or hours since 1970 and ticks after them.
    rows: Vec<Option<(i64, i64)>>,
    /// What the file is partitioned by, if by anything.
    partition: Option<usize>,
    /// Whether the manifest has bounds and a null count, and how much wider than needed the bounds are.
    has_bounds: bool,
    has_nulls: bool,
    slack: i64,
}

/// Files whose rows lie at most `reach` hours around a moment.
fn written(reach: i64) -> impl Strategy<Value = Written> {
    let around = prop_oneof![Just(0), Just(-30_000), Just(500_000)];
    let spread = prop_oneof![Just(1_i64), Just(reach / 8 + 1), Just(reach)];
    let rows = (around, spread).prop_flat_map(|(around, spread)| {
        let value = (around - spread..=around + spread, -1..=1_i64);
        prop::collection::vec(prop::option::weighted(0.9, value), 0..8)
    });
    let partition = prop::option::weighted(0.7, 0..8_usize);
    let slack = prop_oneof![3 => Just(0_i64), 1 => 1..5_i64];
    (rows, partition, prop::bool::weighted(0.9), prop::bool::weighted(0.8), slack).prop_map(
        |(rows, partition, has_bounds, has_nulls, slack)| Written { rows, partition, has_bounds, has_nulls, slack },
    )
}

/// The file as a manifest would describe it, and the values of its rows.
fn planned(name: &str, of: &PrimitiveType, hour: i64, written: &Written) -> (Arc<PlannedFile>, Vec<Option<i64>>) {
    let mut rows: Vec<Option<i64>> =
        written.rows.iter().map(|row| row.map(|(hours, ticks)| hours * hour + ticks)).collect();
    let by = [
        Transform::Identity,
        Transform::Year,
        Transform::Month,
        Transform::Day,
        Transform::Hour,
        Transform::Truncate(9),
        Transform::Bucket(3),
        Transform::Void,
    ];
    let by = written.partition.map(|index| by[index]);
    let by = by.filter(|by| by.result_type(&Type::Primitive(of.clone())).is_ok());
    let partition = by.map(|by| {
        let value_of = |row: &Option<i64>| {
            let value = row.map(|ticks| scalar(&literal(of, ticks), of).unwrap())?;
            let result = transforms::apply(&by, &value.to_array().unwrap()).unwrap();
            literal_at(&result, 0, &by.result_type(&Type::Primitive(of.clone())).unwrap()).unwrap()
        };
        // A partition's rows have its value in common.
        let first = rows.first().map(value_of).unwrap_or_default();
        rows.retain(|row| value_of(row) == first);
        (spec(of.clone(), "p", by), first)
    });
    let some = || rows.iter().flatten().copied();
    let slack = if *of == PrimitiveType::Boolean { 0 } else { written.slack };
    // Booleans are ordered by what they are, not by their ticks.
    let key = |ticks: &i64| if *of == PrimitiveType::Boolean { ticks.rem_euclid(2) } else { *ticks };
    let ends = some().min_by_key(key).zip(some().max_by_key(key));
    let datum = |ticks| datum(of, ticks);
    let described = Described {
        rows: rows.len() as u64,
        bounds: ends.filter(|_| written.has_bounds).map(|(least, most)| (datum(least - slack), datum(most + slack))),
        nulls: written.has_nulls.then(|| rows.iter().filter(|row| row.is_none()).count() as u64),
        partition,
    };
    (file(name, described), rows)
}

/// The key of a row's batch, by the calendar of `chrono`.
fn naive_key(column: &BatchColumn, of: &PrimitiveType, ticks: Option<i64>) -> String {
    let name = match column.transform {
        Transform::Identity => "x".to_string(),
        transform => format!("x_{transform}"),
    };
    let Some(ticks) = ticks else { return format!("{name}=null") };
    let moment = match of {
        PrimitiveType::Date => {
            let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
            (epoch + TimeDelta::days(ticks)).and_hms_opt(0, 0, 0).unwrap()
        }
        PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs => DateTime::from_timestamp_nanos(ticks).naive_utc(),
        _ => DateTime::from_timestamp_micros(ticks).unwrap_or_default().naive_utc(),
    };
    let text = match column.transform {
        Transform::Year => moment.format("%Y").to_string(),
        Transform::Month => moment.format("%Y-%m").to_string(),
        Transform::Day => moment.format("%Y-%m-%d").to_string(),
        Transform::Hour => moment.format("%Y-%m-%d-%H").to_string(),
        _ => return column.key(&scalar(&literal(of, ticks), of).unwrap()),
    };
    format!("{name}={text}")
}

/// For each batch the rows that its predicate selects, by the query engine.
fn selected_rows(batches: &[Batch], of: &PrimitiveType, rows: &[Option<i64>], state: &SessionState) -> Vec<Vec<bool>> {
    let null = scalar(&literal(of, 0), of).unwrap().data_type();
    let values = rows.iter().map(|row| match row {
        Some(ticks) => scalar(&literal(of, *ticks), of).unwrap(),
        None => ScalarValue::try_from(&null).unwrap(),
    });
    let values = ScalarValue::iter_to_array(values).unwrap();
    let schema = Arc::new(ArrowSchema::new(vec![Field::new("x", null.clone(), true)]));
    let table = arrow::array::RecordBatch::try_new(Arc::clone(&schema), vec![values]).unwrap();
    let df_schema = DFSchema::try_from(schema).unwrap();
    let evaluate = |batch: &Batch| {
        let predicate = state.create_physical_expr(batch.predicate.clone().unwrap(), &df_schema).unwrap();
        let kept = predicate.evaluate(&table).unwrap().into_array(rows.len()).unwrap();
        let kept = kept.as_boolean();
        (0..rows.len()).map(|row| kept.is_valid(row) && kept.value(row)).collect()
    };
    batches.iter().map(evaluate).collect()
}

/// Whether metadata tells the batches of the file: only then may it be refused.
fn is_told(column: &BatchColumn, planned: &PlannedFile, rows: &[Option<i64>]) -> bool {
    let by = planned.spec.fields().first().map(|field| field.transform);
    let is_partitioned = match column.transform {
        Transform::Identity => by == Some(Transform::Identity),
        _ => matches!(
            by,
            Some(Transform::Identity | Transform::Year | Transform::Month | Transform::Day | Transform::Hour)
        ),
    };
    let file = &planned.file;
    let ends = file.lower_bounds().get(&ID).zip(file.upper_bounds().get(&ID));
    let is_bounded = ends.is_some_and(|(lower, upper)| column.transform != Transform::Identity || lower == upper);
    let is_null = file.null_value_counts().get(&ID) == Some(&file.record_count());
    rows.is_empty() || is_partitioned || is_bounded || is_null
}

fn check(
    of: &PrimitiveType,
    hour: i64,
    transform: Transform,
    files: &[Written],
    state: &SessionState,
) -> Result<(), TestCaseError> {
    let column = column(of.clone(), transform);
    let made: Vec<_> =
        files.iter().enumerate().map(|(index, it)| planned(&format!("f{index}"), of, hour, it)).collect();
    let all: Vec<Option<i64>> = made.iter().flat_map(|(_, rows)| rows.iter().copied()).collect();
    let found = all.iter().map(|ticks| match ticks {
        Some(ticks) => column.unit_of(scalar(&literal(of, *ticks), of).unwrap()).unwrap(),
        None => column.null().unwrap(),
    });
    let files: Vec<_> = made.iter().map(|(file, _)| Arc::clone(file)).collect();
    let by_values = deal(&column, files.clone(), Some(found.collect())).unwrap();
    check_dealt(&column, of, &made, &by_values, state)?;
    match deal(&column, files, None) {
        Ok(batches) => check_dealt(&column, of, &made, &batches, state),
        Err(error) => {
            prop_assert_eq!(error.kind(), ErrorKind::Unsupported);
            let is_told = made.iter().all(|(file, rows)| is_told(&column, file, rows));
            prop_assert!(!is_told, "{}", error);
            Ok(())
        }
    }
}

fn check_dealt(
    column: &BatchColumn,
    of: &PrimitiveType,
    made: &[(Arc<PlannedFile>, Vec<Option<i64>>)],
    batches: &[Batch],
    state: &SessionState,
) -> Result<(), TestCaseError> {
    let mut counts = vec![0_u64; batches.len()];
    for (planned, rows) in made.iter().filter(|(_, rows)| !rows.is_empty()) {
        let selected = selected_rows(batches, of, rows, state);
        for (row, ticks) in rows.iter().enumerate() {
            let of_row: Vec<_> = (0..batches.len()).filter(|batch| selected[*batch][row]).collect();
            prop_assert_eq!(of_row.len(), 1, "row {:?} is in the batches {:?}", ticks, of_row);
            let batch = &batches[of_row[0]];
            prop_assert_eq!(&batch.key, &naive_key(column, of, *ticks));
            prop_assert!(batch.files.iter().any(|file| file.file.file_path() == planned.file.file_path()));
            counts[of_row[0]] += 1;
        }
    }
    for (batch, count) in batches.iter().zip(&counts) {
        prop_assert!(!batch.rows.exact || batch.rows.count == *count, "{} {:?} {}", batch.key, batch.rows, count);
        prop_assert!(!batch.files.is_empty());
    }
    let keys: std::collections::HashSet<_> = batches.iter().map(|batch| &batch.key).collect();
    prop_assert_eq!(keys.len(), batches.len());
    let ordered =
        |pair: &[Batch]| units::order(pair[0].value.as_ref().unwrap(), pair[1].value.as_ref().unwrap()).is_lt();
    prop_assert!(batches.windows(2).all(ordered));
    let dealt: u64 = batches.iter().map(|batch| batch.rows.count).sum();
    prop_assert_eq!(dealt, counts.iter().sum::<u64>());
    Ok(())
}

/// How far rows may lie apart, so that a file has some dozen units and not thousands.
fn reach(of: &PrimitiveType, transform: Transform) -> i64 {
    match (of, transform) {
        (_, Transform::Year) => 20_000,
        // Its ticks are days.
        (PrimitiveType::Date, Transform::Month) => 800,
        (PrimitiveType::Date, _) => 30,
        (_, Transform::Month) => 20_000,
        (_, Transform::Day) => 800,
        _ => 30,
    }
}

#[test]
fn every_row_is_in_one_batch() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let state = SessionContext::new().state();
    for (of, hour) in types() {
        for transform in TRANSFORMS {
            if BatchBy::parse(&schema(of.clone()), "x", transform).is_err() {
                continue;
            }
            let files = prop::collection::vec(written(reach(&of, transform)), 0..5);
            for _ in 0..60 {
                let files = files.new_tree(&mut runner).unwrap().current();
                if let Err(broken) = check(&of, hour, transform, &files, &state) {
                    panic!("{of} by {transform}: {broken}\n{files:#?}");
                }
            }
        }
    }
}
