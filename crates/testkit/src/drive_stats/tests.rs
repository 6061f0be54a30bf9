mod fleet;

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::array::{Array, AsArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Int32Type, Int64Type};

use super::*;

fn strings<'a>(batch: &'a RecordBatch, column: &str) -> Vec<&'a str> {
    batch[column].as_string::<i32>().iter().map(Option::unwrap).collect()
}

fn failures(batch: &RecordBatch) -> i64 {
    arrow::compute::sum(batch["failure"].as_primitive::<Int32Type>()).unwrap_or(0).into()
}

/// Rows, failures.
fn count(stats: &DriveStats, days: Range<i32>) -> (usize, i64) {
    stats.days(days).fold((0, 0), |(rows, failed), batch| (rows + batch.num_rows(), failed + failures(&batch)))
}

#[test]
fn columns_by_era() {
    for ((year, month), wanted) in [
        ((2013, 4), 85),
        ((2014, 12), 85),
        ((2015, 1), 95),
        ((2018, 1), 105),
        ((2018, 4), 109),
        ((2018, 10), 129),
        ((2019, 9), 129),
        ((2019, 10), 131),
        ((2020, 10), 149),
        ((2021, 7), 169),
        ((2021, 10), 179),
        ((2023, 3), 179),
        ((2023, 4), 186),
        ((2023, 7), 193),
        ((2024, 6), 193),
        ((2024, 7), 197),
        ((2026, 6), 197),
    ] {
        assert_eq!(columns(epoch_day(year, month, 20)).len(), wanted, "{year}-{month}");
    }
    let names: Vec<String> = full_schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(
        names[4..12],
        [
            "failure",
            "datacenter",
            "cluster_id",
            "vault_id",
            "pod_id",
            "pod_slot_num",
            "is_legacy_format",
            "smart_1_normalized"
        ]
    );
    assert_eq!(names[196], "smart_255_raw");
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), 197);
}

#[test]
fn dates() {
    assert_eq!((epoch_day(1970, 1, 1), epoch_day(2000, 2, 29), epoch_day(2024, 5, 1)), (0, 11_016, 19_844));
    assert_eq!((days_of_year(2013).len(), days_of_year(2024).len(), days_of_year(2026).len()), (266, 366, 181));
    assert!(days_of_year(2012).is_empty() && days_of_year(2027).is_empty());
}

#[test]
fn the_same_seed_makes_the_same_rows_in_any_order() {
    let (one, other) = (DriveStats::new(42, 300), DriveStats::new(42, 300));
    let year: Vec<_> = one.year(2016).collect();
    assert_eq!(year.len(), 366);
    for (day, batch) in days_of_year(2016).zip(&year).rev().step_by(40) {
        assert_eq!(*batch, other.day(day));
    }
    let foreign = DriveStats::new(43, 300).day(epoch_day(2016, 5, 1));
    assert_ne!(strings(&foreign, "serial_number"), strings(&one.day(epoch_day(2016, 5, 1)), "serial_number"));
}

#[test]
fn sparse_before_february_2014() {
    let stats = DriveStats::new(42, 5_000);
    let early = stats.day(epoch_day(2013, 6, 1));
    let full = |batch: &RecordBatch| {
        let schema = batch.schema();
        let names = schema.fields().iter().map(|field| field.name().clone());
        names
            .filter(|name| name.starts_with("smart") && batch[name.as_str()].null_count() < batch.num_rows())
            .collect::<Vec<_>>()
    };
    assert_eq!(full(&early), ["smart_1_raw", "smart_5_raw", "smart_9_raw", "smart_194_raw", "smart_197_raw"]);
    assert!(full(&stats.day(epoch_day(2014, 2, 1))).len() > 30);

    let late = stats.day(epoch_day(2026, 4, 1));
    let smart = late.schema().fields().iter().filter(|field| field.name().starts_with("smart")).count();
    let filled = |name: &String| late[name.as_str()].null_count() * 10 < late.num_rows() * 9;
    let filled = full(&late).iter().filter(|name| filled(name)).count();
    assert!((60..=90).contains(&filled), "{filled} of {smart} columns are more than a tenth full");
    let nulls = |name: &str| late[name].null_count() as f64 / late.num_rows() as f64;
    assert!(
        nulls("smart_9_raw") < 0.005 && nulls("smart_1_raw") < 0.03,
        "{} {}",
        nulls("smart_9_raw"),
        nulls("smart_1_raw")
    );
    assert!(nulls("pod_slot_num") < 0.03, "{}", nulls("pod_slot_num"));
    assert_eq!(strings(&late, "vault_id")[0].len(), 4);
    assert_eq!(late["is_legacy_format"].as_boolean().true_count(), 0);
}

/// Numbers that other tests may count on. If they change, so does every table that was ever made with this seed.
#[test]
fn golden_numbers() {
    let stats = DriveStats::new(42, 300);
    let years: BTreeMap<i32, _> = (2013..=2026).map(|year| (year, count(&stats, days_of_year(year)))).collect();
    let quarter = count(&stats, epoch_day(2024, 4, 1)..epoch_day(2024, 7, 1));
    assert_eq!(
        (years[&2013], years[&2022], years[&2024], quarter),
        ((4_883, 1), (79_940, 6), (106_082, 23), (26_139, 22)),
        "{years:?}"
    );

    let day = stats.day(epoch_day(2024, 5, 1));
    let sum = |name: &str| arrow::compute::sum(day[name].as_primitive::<Int64Type>()).unwrap_or(0);
    assert_eq!(
        (strings(&day, "serial_number")[0], sum("smart_1_raw"), sum("smart_194_raw")),
        ("PL0BXL8RH", 36_838_398_665, 8_182)
    );
}

#[test]
fn dirt() {
    let stats = DriveStats::new(42, 600);
    let (mut duplicates, mut unknown, mut rows) = (0, 0, 0);
    for batch in stats.year(2022).step_by(7) {
        let serials = strings(&batch, "serial_number");
        duplicates += serials.len() - serials.iter().collect::<HashSet<_>>().len();
        unknown +=
            batch["capacity_bytes"].as_primitive::<Int64Type>().values().iter().filter(|bytes| **bytes == -1).count();
        rows += batch.num_rows();
    }
    assert!(duplicates * 1_000 > rows && duplicates * 100 < rows, "{duplicates} of {rows}");
    assert!(unknown > 0 && unknown * 1_000 < rows, "{unknown} of {rows}");
    let clean = stats.day(epoch_day(2023, 6, 1));
    assert_eq!(strings(&clean, "serial_number").iter().collect::<HashSet<_>>().len(), clean.num_rows());

    let drives = &stats.fleet.drives;
    assert!(drives.iter().any(|drive| drive.failed.is_some_and(|day| day < drive.last)), "none reports after failing");
    assert!(DriveStats::new(42, 20_000).fleet.drives.iter().any(|drive| drive.fails_again));
    let mut names: HashMap<String, HashSet<String>> = HashMap::new();
    for batch in stats.days(epoch_day(2014, 1, 1)..LAST_DAY).step_by(50) {
        for (serial, model) in strings(&batch, "serial_number").into_iter().zip(strings(&batch, "model")) {
            names.entry(serial.to_owned()).or_default().insert(model.to_owned());
        }
    }
    assert!(names.values().any(|names| names.len() == 2), "every drive has one name");
}

#[test]
fn widened_rows_have_all_columns() {
    let stats = DriveStats::new(42, 1_000);
    let full = full_schema();
    let days = [epoch_day(2013, 5, 1), epoch_day(2020, 5, 1), epoch_day(2025, 5, 1)];
    let wide: Vec<_> = days.iter().map(|day| widen(&stats.day(*day), &full)).collect();
    let all = concat_batches(&full, &wide).unwrap();
    assert_eq!(all.num_columns(), 197);
    let early = wide[0].num_rows();
    assert_eq!(all["vault_id"].slice(0, early).null_count(), early);
    assert_eq!(widen(&stats.day(days[2]), &full), stats.day(days[2]));
    assert_eq!(*all["date"].data_type(), DataType::Date32);
}
