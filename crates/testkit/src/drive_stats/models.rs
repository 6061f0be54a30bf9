//! The drive models: how many there were, when, and how often they fail. Counts are those of the real fleet, rounded.

use super::calendar::epoch_day;

/// Which SMART attributes a drive reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Family {
    Seagate = 1,
    Hgst = 2,
    Toshiba = 4,
    Wdc = 8,
    Ssd = 16,
}

/// A model. Times are in years and their fractions.
pub(super) struct Model {
    pub(super) name: &'static str,
    pub(super) family: Family,
    pub(super) capacity: i64,
    /// Drives while all are in service.
    pub(super) count: u32,
    /// The first and the last of them come.
    pub(super) arrival: (f64, f64),
    /// The first and the last of them are taken out of service.
    pub(super) departure: (f64, f64),
    /// Failures a year, in percent.
    pub(super) failure_rate: f64,
}

impl Model {
    /// Boot drives sit in no slot of a pod.
    pub(super) fn is_boot_drive(&self) -> bool {
        self.capacity < 1_000_000_000_000
    }
}

/// The day since 1970-01-01 at which a point of time lies.
pub(super) fn day_of(time: f64) -> i32 {
    let year = time as i32;
    epoch_day(year, 1, 1) + ((time - f64::from(year)) * 365.0) as i32
}

const NEVER: (f64, f64) = (2030.0, 2034.0);

const fn model(
    name: &'static str,
    family: Family,
    capacity: i64,
    count: u32,
    arrival: (f64, f64),
    departure: (f64, f64),
    failure_rate: f64,
) -> Model {
    Model { name, family, capacity, count, arrival, departure, failure_rate }
}

#[rustfmt::skip]
pub(super) const MODELS: &[Model] = {
    use Family::{Hgst, Seagate, Ssd, Toshiba, Wdc};
    &[
        model("Hitachi HDS722020ALA330", Hgst, 2_000_398_934_016, 4_718, (2010.0, 2012.0), (2014.5, 2017.5), 1.6),
        model("ST3000DM001", Seagate, 3_000_592_982_016, 4_508, (2012.0, 2013.4), (2014.6, 2016.0), 23.5),
        model("Hitachi HDS5C3030ALA630", Hgst, 3_000_592_982_016, 4_600, (2011.0, 2013.5), (2016.5, 2018.0), 0.8),
        model("ST31500541AS", Seagate, 1_500_301_910_016, 2_104, (2009.0, 2011.0), (2014.0, 2016.0), 6.0),
        model("Hitachi HDS5C4040ALE630", Hgst, 4_000_787_030_016, 2_700, (2012.6, 2014.5), (2017.0, 2019.0), 0.9),
        model("Hitachi HDS723030ALA640", Hgst, 3_000_592_982_016, 1_031, (2011.0, 2012.5), (2016.0, 2018.0), 2.0),
        model("ST31500341AS", Seagate, 1_500_301_910_016, 700, (2009.0, 2010.0), (2013.5, 2015.5), 15.0),
        model("ST32000542AS", Seagate, 2_000_398_934_016, 300, (2010.0, 2011.0), (2013.5, 2015.5), 8.0),
        model("ST33000651AS", Seagate, 3_000_592_982_016, 320, (2011.0, 2012.0), (2014.0, 2016.5), 6.0),
        model("WDC WD10EADS", Wdc, 1_000_204_886_016, 550, (2009.0, 2010.0), (2014.0, 2016.0), 4.0),
        model("WDC WD30EFRX", Wdc, 3_000_592_982_016, 1_150, (2013.0, 2015.0), (2017.0, 2019.0), 5.0),
        model("ST4000DM000", Seagate, 4_000_787_030_016, 36_000, (2013.8, 2017.0), (2017.2, 2023.5), 2.8),
        model("HGST HMS5C4040ALE640", Hgst, 4_000_787_030_016, 8_700, (2013.9, 2016.0), (2019.0, 2025.0), 0.5),
        model("HGST HMS5C4040BLE640", Hgst, 4_000_787_030_016, 16_000, (2014.6, 2017.2), (2020.0, 2026.0), 0.5),
        model("TOSHIBA MD04ABA400V", Toshiba, 4_000_787_030_016, 150, (2014.6, 2015.0), (2021.0, 2024.0), 1.3),
        model("ST6000DX000", Seagate, 6_001_175_126_016, 1_900, (2014.8, 2015.6), (2021.0, 2025.5), 1.1),
        model("WDC WD60EFRX", Wdc, 6_001_175_126_016, 480, (2014.9, 2015.5), (2018.0, 2019.5), 4.2),
        model("HGST HUH728080ALE600", Hgst, 8_001_563_222_016, 1_100, (2016.0, 2018.0), (2023.0, 2026.5), 0.8),
        model("ST8000DM002", Seagate, 8_001_563_222_016, 9_900, (2016.2, 2017.0), (2022.5, 2027.0), 1.3),
        model("ST8000NM0055", Seagate, 8_001_563_222_016, 14_500, (2016.9, 2018.0), (2024.5, 2030.0), 1.5),
        model("ST10000NM0086", Seagate, 10_000_831_348_736, 1_220, (2017.6, 2018.2), (2022.0, 2025.5), 2.1),
        model("ST12000NM0007", Seagate, 12_000_138_625_024, 37_000, (2017.8, 2019.8), (2019.9, 2022.0), 2.9),
        model("HGST HUH721212ALE600", Hgst, 12_000_138_625_024, 2_600, (2018.8, 2019.5), NEVER, 0.9),
        model("HGST HUH721212ALN604", Hgst, 12_000_138_625_024, 10_800, (2019.0, 2020.2), NEVER, 1.5),
        model("HGST HUH721212ALE604", Hgst, 12_000_138_625_024, 13_200, (2020.0, 2021.2), NEVER, 1.4),
        model("ST12000NM0008", Seagate, 12_000_138_625_024, 20_500, (2019.7, 2020.8), (2024.5, 2032.0), 2.2),
        model("ST12000NM001G", Seagate, 12_000_138_625_024, 13_500, (2020.0, 2021.3), NEVER, 1.2),
        model("ST14000NM001G", Seagate, 14_000_519_643_136, 10_900, (2020.5, 2021.6), NEVER, 1.5),
        model("ST14000NM0138", Seagate, 14_000_519_643_136, 1_600, (2020.6, 2021.0), (2022.0, 2025.5), 6.1),
        model("TOSHIBA MG07ACA14TA", Toshiba, 14_000_519_643_136, 38_500, (2019.4, 2022.4), NEVER, 1.4),
        model("TOSHIBA MG07ACA14TEY", Toshiba, 14_000_519_643_136, 800, (2021.0, 2023.0), NEVER, 2.0),
        model("WDC WUH721414ALE6L4", Hgst, 14_000_519_643_136, 8_500, (2020.7, 2021.3), NEVER, 0.5),
        model("WDC WUH721816ALE6L0", Hgst, 16_000_900_661_248, 2_900, (2021.3, 2022.0), NEVER, 0.5),
        model("WDC WUH721816ALE6L4", Hgst, 16_000_900_661_248, 26_500, (2021.7, 2023.4), NEVER, 0.8),
        model("ST16000NM001G", Seagate, 16_000_900_661_248, 34_600, (2021.3, 2024.7), NEVER, 1.3),
        model("ST16000NM002J", Seagate, 16_000_900_661_248, 460, (2022.5, 2023.0), NEVER, 1.0),
        model("TOSHIBA MG08ACA16TA", Toshiba, 16_000_900_661_248, 39_800, (2021.5, 2024.5), NEVER, 2.0),
        model("TOSHIBA MG08ACA16TE", Toshiba, 16_000_900_661_248, 5_900, (2021.2, 2022.0), NEVER, 2.2),
        model("TOSHIBA MG08ACA16TEY", Toshiba, 16_000_900_661_248, 5_200, (2021.5, 2022.5), NEVER, 2.0),
        model("WDC WUH722222ALE6L4", Hgst, 22_000_969_973_760, 45_600, (2022.9, 2026.0), NEVER, 1.3),
        model("TOSHIBA MG10ACA20TE", Toshiba, 20_000_588_955_648, 20_400, (2024.2, 2026.2), NEVER, 1.4),
        model("ST24000NM002H", Seagate, 24_000_277_250_048, 8_000, (2025.0, 2026.4), NEVER, 1.2),
        model("ST500LM012 HN", Seagate, 500_107_862_016, 700, (2014.5, 2016.0), (2021.0, 2025.0), 2.2),
        model("WDC WD5000LPVX", Wdc, 500_107_862_016, 330, (2014.5, 2016.0), (2021.0, 2025.0), 2.8),
        model("TOSHIBA MQ01ABF050", Toshiba, 500_107_862_016, 520, (2017.0, 2018.5), (2024.0, 2028.0), 2.9),
        model("Seagate BarraCuda 120 SSD ZA250CM10003", Ssd, 250_059_350_016, 1_900, (2019.0, 2022.0), NEVER, 0.9),
        model("CT250MX500SSD1", Ssd, 250_059_350_016, 900, (2020.5, 2022.5), NEVER, 1.1),
        model("WDC WDS250G2B0A", Ssd, 250_059_350_016, 260, (2021.0, 2023.0), NEVER, 0.7),
        model("DELLBOSS VD", Ssd, 480_036_847_616, 700, (2020.5, 2023.5), NEVER, 0.3),
    ]
};

/// The two names under which every model is found: its own, and with the vendor left out or put before.
pub(super) struct Spellings(Vec<[String; 2]>);

impl Spellings {
    pub(super) fn new() -> Self {
        let other = |name: &str| match name.split_once(' ') {
            Some(("Hitachi" | "HGST" | "WDC" | "TOSHIBA", rest)) => rest.to_owned(),
            _ => format!("Seagate {name}"),
        };
        Self(MODELS.iter().map(|model| [model.name.to_owned(), other(model.name)]).collect())
    }

    pub(super) fn get(&self, model: usize, other: bool) -> &str {
        &self.0[model][usize::from(other)]
    }
}
