use arrow::array::{
    Date32Array, Date64Array, DictionaryArray, Int8Array, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray,
};
use chrono::{DateTime, Datelike, NaiveDate};
use datafusion::prelude::SessionContext;
use proptest::prelude::*;

use super::*;

fn label_list(array: &ArrayRef) -> Vec<Option<String>> {
    let labels = labels(array).unwrap();
    labels.as_string::<i32>().iter().map(|label| label.map(str::to_owned)).collect()
}

fn some(labels: &[&str]) -> Vec<Option<String>> {
    labels.iter().map(|label| Some((*label).to_owned())).collect()
}

fn day(year: i32, month: u32, day: u32) -> i32 {
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
    (NaiveDate::from_ymd_opt(year, month, day).unwrap() - epoch).num_days() as i32
}

/// The quarter, 1 to 4, of a day counted from 1970-01-01.
fn quarter_of_days(days: i64) -> u8 {
    quarter_of_month(month_of_day(days))
}

#[test]
fn every_day_of_many_years() {
    for days in day(1580, 1, 1)..day(2420, 1, 1) {
        let date = NaiveDate::from_epoch_days(days).unwrap();
        let month = i64::from(date.year() - 1970) * 12 + i64::from(date.month0());
        assert_eq!(month_of_day(days.into()), month, "{date}");
        assert_eq!(u32::from(quarter_of_days(days.into())), date.month0() / 3 + 1, "{date}");
        if date.day() == 1 {
            assert_eq!(first_day_of_month(month), i64::from(days), "{date}");
        }
    }
}

#[test]
fn all_units_agree_and_round_down_before_1970() {
    let wanted = some(&["Q4", "Q1", "Q1", "Q2", "Q2"]);
    let seconds: Vec<i64> = vec![-1, 0, 7_775_999, 7_776_000, 1_719_791_999];
    let with = |factor: i64| seconds.iter().map(|second| second * factor).collect::<Vec<_>>();
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(TimestampSecondArray::from(with(1))),
        Arc::new(TimestampMillisecondArray::from(with(1_000))),
        Arc::new(TimestampMicrosecondArray::from(with(1_000_000))),
        Arc::new(TimestampNanosecondArray::from(with(1_000_000_000))),
        Arc::new(Date64Array::from(with(1_000))),
        Arc::new(Date32Array::from_iter_values(seconds.iter().map(|second| second.div_euclid(86_400) as i32))),
    ];
    for array in arrays {
        assert_eq!(label_list(&array), wanted, "{}", array.data_type());
    }
}

#[test]
fn a_zone_does_not_move_an_instant() {
    // 2024-03-31 23:30 in UTC is April in Berlin.
    let instant = i64::from(day(2024, 3, 31)) * 86_400 + 84_600;
    for zone in ["UTC", "+00:00", "Europe/Berlin", "-08:00"] {
        let array: ArrayRef = Arc::new(TimestampSecondArray::from(vec![instant]).with_timezone(zone));
        assert_eq!(label_list(&array), some(&["Q1"]), "{zone}");
    }
}

#[test]
fn nulls_dictionaries_and_slices() {
    let dates = Date32Array::from(vec![Some(day(2024, 1, 1)), None, Some(day(2024, 5, 1)), Some(day(2023, 12, 31))]);
    let plain: ArrayRef = Arc::new(dates.clone());
    let wanted = vec![Some("Q1".to_owned()), None, Some("Q2".to_owned()), Some("Q4".to_owned())];
    assert_eq!(label_list(&plain), wanted);
    assert_eq!(label_list(&plain.slice(1, 2)), wanted[1..3]);
    assert_eq!(label_list(&plain.slice(2, 0)), []);

    let keys = Int8Array::from(vec![Some(3), Some(1), None, Some(0)]);
    let dictionary: ArrayRef = Arc::new(DictionaryArray::new(keys, Arc::new(dates)));
    let through_keys = vec![Some("Q4".to_owned()), None, None, Some("Q1".to_owned())];
    assert_eq!(label_list(&dictionary), through_keys);
    assert_eq!(label_list(&new_null_array(&DataType::Null, 2)), [None, None]);
}

#[test]
fn extreme_values_have_a_quarter() {
    for unit in [1, 1_000, 1_000_000, 1_000_000_000] {
        let values = [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX];
        let packed = packed(&values, unit * 86_400, None).unwrap();
        for (value, label) in values.iter().zip(packed.as_string::<i32>().iter()) {
            let wanted = quarter_of_days(value.div_euclid(unit * 86_400));
            assert_eq!(label, Some(format!("Q{wanted}").as_str()), "{value}");
        }
    }
    assert!((1..=4).contains(&quarter_of_days(i64::MIN)) && (1..=4).contains(&quarter_of_days(i64::MAX)));
    let dates: ArrayRef = Arc::new(Date32Array::from(vec![i32::MIN, i32::MAX]));
    assert!(label_list(&dates).iter().all(Option::is_some));
}

proptest! {
    #[test]
    fn agrees_with_chrono(mut values in proptest::collection::vec(-62_000_000_000_000_000i64..250_000_000_000_000_000, 0..200), sorted: bool) {
        if sorted {
            values.sort_unstable();
        }
        let naive: Vec<_> = values
            .iter()
            .map(|value| Some(format!("Q{}", DateTime::from_timestamp_micros(*value).unwrap().month0() / 3 + 1)))
            .collect();
        let array: ArrayRef = Arc::new(TimestampMicrosecondArray::from(values));
        prop_assert_eq!(label_list(&array), naive);
    }
}

#[tokio::test]
async fn in_sql() {
    let session = SessionContext::new();
    session.register_udf(quarter());
    let one = async |sql: &str| {
        let batches = session.sql(sql).await?.collect().await?;
        ScalarValue::try_from_array(batches[0].column(0), 0)
    };
    assert_eq!(one("SELECT quarter(DATE '2024-08-15')").await.unwrap(), ScalarValue::from("Q3"));
    assert_eq!(one("SELECT quarter(TIMESTAMP '2024-12-31 23:59:59')").await.unwrap(), ScalarValue::from("Q4"));
    assert_eq!(one("SELECT quarter(NULL)").await.unwrap(), ScalarValue::Utf8(None));
    assert_eq!(one("SELECT quarter(d) FROM (VALUES (DATE '1969-12-31')) t(d)").await.unwrap(), ScalarValue::from("Q4"));
    let constant = session.sql("EXPLAIN SELECT quarter(DATE '2024-08-15') AS q").await.unwrap();
    let plan = format!("{:?}", constant.collect().await.unwrap());
    assert!(plan.contains("expr=[Q3 as q]"), "not folded: {plan}");
    let error = one("SELECT quarter('2024-08-15')").await.unwrap_err().to_string();
    assert!(error.contains("quarter takes a date or a timestamp, not Utf8"), "{error}");
}
