//! What a migration costs: one table of list prices, and what requests and bytes come to by it.
//!
//! Prices are those of AWS in us-east-1 and of Cloudflare R2, in US dollars. What a month has for free is taken off once, as
//! if nothing else used it; amounts are not rounded up to the provider's units of billing. A GB has 10⁹ bytes.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Sub};

use crate::error::{Error, ErrorKind, Result};
use crate::storage::MeterReading;

/// The month whose list prices these are.
pub(crate) const PRICES_OF: &str = "2026-10";
const GB: f64 = 1e9;

/// Makes [`Prices`] of one list, so that every price has a name, a default and a way to change it.
macro_rules! prices {
    ($($(#[$doc:meta])* $name:ident = $value:literal,)*) => {
        /// Prices in US dollars, and what is free in a month.
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) struct Prices { $($(#[$doc])* pub $name: f64,)* }

        impl Default for Prices {
            fn default() -> Self {
                Self { $($name: $value,)* }
            }
        }

        impl Prices {
            /// The names of all prices.
            pub const NAMES: &[&str] = &[$(stringify!($name),)*];

            fn named(&mut self, name: &str) -> Option<&mut f64> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)*
                    _ => None,
                }
            }
        }
    };
}

prices! {
    /// Bytes that leave AWS: what a month has for free.
    aws_egress_free_gb = 100.0,
    /// The first 10 TB of a month.
    aws_egress_to_10_tb_per_gb = 0.09,
    /// The next 40 TB.
    aws_egress_to_50_tb_per_gb = 0.085,
    /// The next 100 TB.
    aws_egress_to_150_tb_per_gb = 0.07,
    aws_egress_above_per_gb = 0.05,
    /// 0.045 where the machine reads through a NAT gateway.
    aws_nat_per_gb = 0.0,
    /// 0.01 for objects of infrequent access.
    aws_retrieval_per_gb = 0.0,
    aws_get_per_thousand = 0.0004,
    aws_put_per_thousand = 0.005,
    aws_storage_per_gb_month = 0.023,
    glue_request_free = 1e6,
    glue_request_per_million = 1.0,
    r2_class_a_free = 1e6,
    r2_class_a_per_million = 4.5,
    r2_class_b_free = 1e7,
    r2_class_b_per_million = 0.36,
    r2_catalog_free = 1e6,
    r2_catalog_per_million = 9.0,
    r2_storage_free_gb = 10.0,
    r2_storage_per_gb_month = 0.015,
    /// Of what is neither Glue with S3 nor R2. Nobody knows, so it is nothing unless it is said.
    other_egress_per_gb = 0.0,
    other_get_per_thousand = 0.0,
    other_put_per_thousand = 0.0,
    other_catalog_per_million = 0.0,
    other_storage_per_gb_month = 0.0,
}

impl Prices {
    /// Replaces one price.
    ///
    /// # Errors
    /// A name that there is not, a price that is no amount.
    pub fn set(&mut self, name: &str, value: f64) -> Result<()> {
        if !value.is_finite() || value < 0.0 {
            let message = format!("the price `{name}` is `{value}`, expected a number of 0 or more");
            return Err(Error::new(ErrorKind::Config, message));
        }
        let unknown = || {
            let names = Self::NAMES.join(", ");
            Error::new(ErrorKind::Config, format!("there is no price `{name}`")).hint(format!("the prices are {names}"))
        };
        *self.named(name).ok_or_else(unknown)? = value;
        Ok(())
    }

    /// What the traffic costs, as if it were the first of its month.
    pub fn cost(&self, route: Route, traffic: &Traffic) -> Cost {
        let (read_gb, stored_gb) = (traffic.read_bytes as f64 / GB, traffic.stored_bytes as f64 / GB);
        // What a month has for free, one cloud gives once.
        let shared = route.source == route.target;
        let before = if shared { traffic.source_gets } else { 0 };
        let target_gets = self.gets(route.target, before + traffic.target_gets) - self.gets(route.target, before);
        let catalog = if shared {
            self.calls(route.target, traffic.source_calls + traffic.target_calls)
        } else {
            self.calls(route.source, traffic.source_calls) + self.calls(route.target, traffic.target_calls)
        };
        let retrieval = if route.source == Cloud::Aws { self.aws_retrieval_per_gb } else { 0.0 };
        Cost {
            egress: self.egress(route, read_gb),
            source_requests: self.gets(route.source, traffic.source_gets) + Dollars(retrieval * read_gb),
            target_requests: self.puts(route.target, traffic.target_puts) + target_gets,
            catalog,
            storage_per_month: self.storage(route.target, stored_gb),
        }
    }

    /// What it costs to take bytes out of the source's cloud.
    fn egress(&self, route: Route, gb: f64) -> Dollars {
        match route {
            Route { source: Cloud::Aws, target: Cloud::Aws } | Route { source: Cloud::R2, .. } => Dollars(0.0),
            Route { source: Cloud::Aws, .. } => {
                let tiers = [
                    (self.aws_egress_free_gb, 0.0),
                    (10_000.0, self.aws_egress_to_10_tb_per_gb),
                    (50_000.0, self.aws_egress_to_50_tb_per_gb),
                    (150_000.0, self.aws_egress_to_150_tb_per_gb),
                    (f64::INFINITY, self.aws_egress_above_per_gb),
                ];
                Dollars(tiered(gb, &tiers) + self.aws_nat_per_gb * gb)
            }
            Route { source: Cloud::Other, .. } => Dollars(self.other_egress_per_gb * gb),
        }
    }

    fn gets(&self, cloud: Cloud, count: u64) -> Dollars {
        match cloud {
            Cloud::Aws => units(count, 0.0, self.aws_get_per_thousand, 1e3),
            Cloud::R2 => units(count, self.r2_class_b_free, self.r2_class_b_per_million, 1e6),
            Cloud::Other => units(count, 0.0, self.other_get_per_thousand, 1e3),
        }
    }

    fn puts(&self, cloud: Cloud, count: u64) -> Dollars {
        match cloud {
            Cloud::Aws => units(count, 0.0, self.aws_put_per_thousand, 1e3),
            Cloud::R2 => units(count, self.r2_class_a_free, self.r2_class_a_per_million, 1e6),
            Cloud::Other => units(count, 0.0, self.other_put_per_thousand, 1e3),
        }
    }

    fn calls(&self, cloud: Cloud, count: u64) -> Dollars {
        match cloud {
            Cloud::Aws => units(count, self.glue_request_free, self.glue_request_per_million, 1e6),
            Cloud::R2 => units(count, self.r2_catalog_free, self.r2_catalog_per_million, 1e6),
            Cloud::Other => units(count, 0.0, self.other_catalog_per_million, 1e6),
        }
    }

    fn storage(&self, cloud: Cloud, gb: f64) -> Dollars {
        Dollars(match cloud {
            Cloud::Aws => self.aws_storage_per_gb_month * gb,
            Cloud::R2 => self.r2_storage_per_gb_month * (gb - self.r2_storage_free_gb).max(0.0),
            Cloud::Other => self.other_storage_per_gb_month * gb,
        })
    }
}

/// What `count` costs at a price for each `per`, after those that are free.
fn units(count: u64, free: f64, price: f64, per: f64) -> Dollars {
    Dollars((count as f64 - free).max(0.0) / per * price)
}

/// What `amount` costs where each tier ends at its number and has a price of its own.
fn tiered(amount: f64, tiers: &[(f64, f64)]) -> f64 {
    let mut before = 0.0_f64;
    let cost = tiers.iter().map(|(end, price)| {
        let within = (amount.min(*end) - before).max(0.0);
        before = before.max(*end);
        within * price
    });
    cost.sum()
}

/// Who charges for the requests and bytes of a catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cloud {
    /// Glue and S3.
    Aws,
    R2,
    Other,
}

impl Cloud {
    /// By the type of the attached catalog. What is behind `rest` is not known, a folder costs nothing.
    pub fn of_kind(kind: &str) -> Self {
        match kind {
            "glue" | "s3tables" => Self::Aws,
            "r2" | "basin" => Self::R2,
            _ => Self::Other,
        }
    }
}

/// From where to where rows go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub source: Cloud,
    pub target: Cloud,
}

impl Route {
    /// By the types of the attached catalogs.
    pub fn between(source_kind: &str, target_kind: &str) -> Self {
        Self { source: Cloud::of_kind(source_kind), target: Cloud::of_kind(target_kind) }
    }
}

/// What goes over the wires, as far as it is charged for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Bytes that leave the source.
    pub read_bytes: u64,
    pub source_gets: u64,
    pub source_calls: u64,
    pub target_puts: u64,
    pub target_gets: u64,
    pub target_calls: u64,
    /// Bytes that the target keeps.
    pub stored_bytes: u64,
}

impl Traffic {
    /// What the meters of both sides have counted. Lists cost as much as writes, deletions nothing.
    pub fn of(source: &MeterReading, target: &MeterReading) -> Self {
        Self {
            read_bytes: source.read_bytes,
            source_gets: source.get_requests + source.head_requests,
            source_calls: source.catalog_calls,
            target_puts: target.put_requests + target.list_requests,
            target_gets: target.get_requests + target.head_requests,
            target_calls: target.catalog_calls,
            stored_bytes: 0,
        }
    }
}

/// What came since: counts never go back.
impl Sub for Traffic {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            read_bytes: self.read_bytes.saturating_sub(before.read_bytes),
            source_gets: self.source_gets.saturating_sub(before.source_gets),
            source_calls: self.source_calls.saturating_sub(before.source_calls),
            target_puts: self.target_puts.saturating_sub(before.target_puts),
            target_gets: self.target_gets.saturating_sub(before.target_gets),
            target_calls: self.target_calls.saturating_sub(before.target_calls),
            stored_bytes: self.stored_bytes.saturating_sub(before.stored_bytes),
        }
    }
}

impl Add for Traffic {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            read_bytes: self.read_bytes + other.read_bytes,
            source_gets: self.source_gets + other.source_gets,
            source_calls: self.source_calls + other.source_calls,
            target_puts: self.target_puts + other.target_puts,
            target_gets: self.target_gets + other.target_gets,
            target_calls: self.target_calls + other.target_calls,
            stored_bytes: self.stored_bytes + other.stored_bytes,
        }
    }
}

impl Sum for Traffic {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

/// What some traffic costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cost {
    pub egress: Dollars,
    pub source_requests: Dollars,
    pub target_requests: Dollars,
    pub catalog: Dollars,
    /// From then on, every month.
    pub storage_per_month: Dollars,
}

impl Cost {
    /// All but storage.
    pub fn once(&self) -> Dollars {
        self.egress + self.source_requests + self.target_requests + self.catalog
    }
}

/// An amount of US dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd)]
pub(crate) struct Dollars(pub f64);

impl Add for Dollars {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Dollars {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl fmt::Display for Dollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 0.0 && self.0 < 0.01 { f.write_str("less than $0.01") } else { write!(f, "${:.2}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO_R2: Route = Route { source: Cloud::Aws, target: Cloud::R2 };
    const TB: u64 = 1_000_000_000_000;

    fn cents(dollars: Dollars) -> i64 {
        (dollars.0 * 100.0).round() as i64
    }

    /// Twenty GB of drive statistics in about 100 files: some 1,000 writes, fewer than 200 calls.
    fn article() -> Traffic {
        let gb = 1_000_000_000;
        Traffic {
            read_bytes: 20 * gb,
            target_puts: 1_000,
            target_calls: 200,
            stored_bytes: 20 * gb,
            ..Traffic::default()
        }
    }

    #[test]
    fn the_drive_statistics() {
        let mut prices = Prices::default();
        let free = prices.cost(TO_R2, &article());
        assert_eq!((cents(free.once()), cents(free.storage_per_month)), (0, 15));
        prices.set("aws_egress_free_gb", 0.0).unwrap();
        assert_eq!(cents(prices.cost(TO_R2, &article()).once()), 180);
        prices.set("aws_nat_per_gb", 0.045).unwrap();
        prices.set("r2_class_a_free", 0.0).unwrap();
        prices.set("r2_catalog_free", 0.0).unwrap();
        let all = prices.cost(TO_R2, &article());
        assert_eq!((all.egress.0 * 1e6).round(), 2.7e6);
        assert_eq!((all.target_requests.0 * 1e6).round(), 4_500.0);
        assert_eq!((all.catalog.0 * 1e6).round(), 1_800.0);
    }

    #[test]
    fn at_100_tb_egress_is_nearly_all() {
        let traffic = Traffic {
            read_bytes: 100 * TB,
            source_gets: 2_000_000,
            target_puts: 4_000_000,
            target_gets: 2_000_000,
            stored_bytes: 100 * TB,
            ..Traffic::default()
        };
        let cost = Prices::default().cost(TO_R2, &traffic);
        // 9.9 TB at 0.09, 40 at 0.085, 50 at 0.07.
        assert_eq!(cents(cost.egress), 89_100 + 340_000 + 350_000);
        assert_eq!(cents(cost.source_requests), 80);
        assert_eq!(cents(cost.target_requests), 1_350);
        assert_eq!(cents(cost.storage_per_month), 149_985);
    }

    #[test]
    fn tiers_meet() {
        let prices = Prices::default();
        let egress = |gb| prices.egress(TO_R2, gb).0.round();
        assert_eq!(
            [0.0, 100.0, 10_000.0, 50_000.0, 150_000.0, 250_000.0].map(egress),
            [0.0, 0.0, 891.0, 4_291.0, 11_291.0, 16_291.0]
        );
        // More for free than a tier has.
        let free = Prices { aws_egress_free_gb: 20_000.0, ..Prices::default() };
        assert_eq!(free.egress(TO_R2, 50_000.0).0.round(), 2_550.0);
    }

    #[test]
    fn the_kind_decides_who_charges() {
        let traffic = Traffic {
            read_bytes: TB,
            source_gets: 20_000_000,
            source_calls: 2_000_000,
            target_puts: 2_000_000,
            target_gets: 20_000_000,
            target_calls: 2_000_000,
            stored_bytes: TB,
        };
        let cost = |source: &str, target: &str| {
            let route = Route { source: Cloud::of_kind(source), target: Cloud::of_kind(target) };
            let cost = Prices::default().cost(route, &traffic);
            let parts = [cost.egress, cost.source_requests, cost.target_requests, cost.catalog, cost.storage_per_month];
            parts.map(cents)
        };
        assert_eq!(cost("local", "local"), [0; 5]);
        assert_eq!(cost("rest", "rest"), [0; 5]);
        // What a month has for free is counted once where both sides are one cloud.
        assert_eq!(cost("glue", "glue"), [0, 800, 1_000 + 800, 300, 2_300]);
        assert_eq!(cost("glue", "local"), [8_100, 800, 0, 100, 0]);
        assert_eq!(cost("r2", "basin"), [0, 360, 450 + 720, 2_700, 1_485]);
        let mut prices = Prices::default();
        prices.set("other_egress_per_gb", 0.12).unwrap();
        let rest = Route { source: Cloud::Other, target: Cloud::R2 };
        assert_eq!(cents(prices.cost(rest, &traffic).egress), 12_000);
    }

    #[test]
    fn every_price_can_be_set_and_nothing_else() {
        for name in Prices::NAMES {
            let mut prices = Prices::default();
            prices.set(name, 123.0).unwrap();
            assert_ne!(prices, Prices::default(), "{name}");
        }
        let error = Prices::default().set("egress", 1.0).unwrap_err();
        assert_eq!(error.to_string(), "there is no price `egress`");
        assert!(error.advice().unwrap().contains("aws_egress_free_gb"));
        for value in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Prices::default().set("aws_nat_per_gb", value).unwrap_err().kind(), ErrorKind::Config);
        }
    }

    #[test]
    fn amounts_as_they_are_read() {
        let shown = [0.0, 0.004, 0.01, 1.8, 7_791.0].map(|amount| Dollars(amount).to_string());
        assert_eq!(shown, ["$0.00", "less than $0.01", "$0.01", "$1.80", "$7791.00"]);
    }
}
