//! How many drives there are and how they fail.

use super::*;

#[test]
fn the_fleet_has_the_real_size_and_failure_rates() {
    // Drives a day and percent failing a year, as published; but 2013 lacks rows, so the drives of its first day.
    let stats = DriveStats::new(7, 20_000);
    let mut off = Vec::new();
    for (year, drives, rate) in [
        (2013, 21_200.0, 5.2),
        (2014, 34_500.0, 6.4),
        (2015, 48_000.0, 2.9),
        (2017, 83_500.0, 1.9),
        (2019, 111_600.0, 2.0),
        (2021, 184_400.0, 1.2),
        (2022, 220_200.0, 1.4),
        (2023, 251_200.0, 1.7),
        (2024, 287_900.0, 1.6),
        (2025, 321_600.0, 1.3),
    ] {
        let days = days_of_year(year);
        let length = days.len() as f64;
        let alive =
            |day| stats.fleet.drives.iter().filter(|drive| drive.first <= day && day <= drive.last).count() as f64;
        let average = days.clone().map(alive).sum::<f64>() / length;
        let failed =
            stats.fleet.drives.iter().filter(|drive| drive.failed.is_some_and(|day| days.contains(&day))).count();
        let failing = failed as f64 / average / length * 36_500.0;
        let real = average * 300_000.0 / 20_000.0;
        println!("{year}: {real:.0} drives (wanted {drives}), {failing:.2} % (wanted {rate})");
        let fits = (0.85..1.15).contains(&(real / drives)) && (failing - rate).abs() < 0.4 + rate * 0.2;
        off.extend((!fits).then_some(year));
    }
    assert!(off.is_empty(), "not like the real fleet: {off:?}");
}

#[test]
fn the_report_on_the_second_quarter_of_2024_has_something_to_say() {
    for drives in [300, 1_000, 20_000] {
        let stats = DriveStats::new(42, drives);
        let mut models: HashMap<String, i32> = HashMap::new();
        for batch in stats.days(epoch_day(2024, 4, 1)..epoch_day(2024, 7, 1)) {
            for (model, failure) in
                strings(&batch, "model").iter().zip(batch["failure"].as_primitive::<Int32Type>().values())
            {
                *models.entry((*model).to_owned()).or_default() += failure;
            }
        }
        let failures: i32 = models.values().sum();
        let failing = models.values().filter(|failures| **failures > 0).count();
        println!("{drives} drives: {failures} failures, {failing} of {} models", models.len());
        assert!(
            failures >= 12 && failing >= 8 && models.len() >= 20,
            "{drives} drives: {failures}, {failing} of {}",
            models.len()
        );
    }
}

#[test]
fn serial_numbers_are_unique_and_a_failure_is_a_last_row() {
    let stats = DriveStats::new(42, 20_000);
    let drives = &stats.fleet.drives;
    let serials: HashSet<_> = (0..drives.len()).map(|index| stats.fleet.serial(index)).collect();
    assert_eq!(serials.len(), drives.len());
    let failed = drives.iter().filter(|drive| drive.failed.is_some()).count();
    let lingering = drives.iter().filter(|drive| drive.failed.is_some_and(|day| day < drive.last)).count();
    assert!(lingering * 10 < failed, "{lingering} of {failed} report after failing");
}
