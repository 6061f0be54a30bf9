//! Which columns a day's file has. They only ever grow, at the ends of quarters, and new ones are put between old ones.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::calendar::{LAST_DAY, epoch_day};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Date,
    Serial,
    Model,
    Capacity,
    Failure,
    Datacenter,
    Cluster,
    Vault,
    Pod,
    Slot,
    Legacy,
    Normalized(u8),
    Raw(u8),
}

/// A column of the statistics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    pub(super) content: Content,
}

const QUARTER_2_2023: i32 = epoch_day(2023, 4, 1);
const QUARTER_3_2023: i32 = epoch_day(2023, 7, 1);

/// The columns before the SMART attributes, in their final order, and since when there are any.
const PLAIN: [(&str, DataType, Content, i32); 11] = [
    ("date", DataType::Date32, Content::Date, 0),
    ("serial_number", DataType::Utf8, Content::Serial, 0),
    ("model", DataType::Utf8, Content::Model, 0),
    ("capacity_bytes", DataType::Int64, Content::Capacity, 0),
    ("failure", DataType::Int32, Content::Failure, 0),
    ("datacenter", DataType::Utf8, Content::Datacenter, QUARTER_3_2023),
    ("cluster_id", DataType::Utf8, Content::Cluster, QUARTER_3_2023),
    ("vault_id", DataType::Utf8, Content::Vault, QUARTER_2_2023),
    ("pod_id", DataType::Utf8, Content::Pod, QUARTER_2_2023),
    ("pod_slot_num", DataType::Int64, Content::Slot, QUARTER_3_2023),
    ("is_legacy_format", DataType::Boolean, Content::Legacy, QUARTER_2_2023),
];

/// The SMART attributes and since when their two columns exist.
const ATTRIBUTES: [(i32, &[u8]); 12] = [
    (
        0,
        &[
            1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 15, 183, 184, 187, 188, 189, 190, 191, 192, 193, 194, 195, 196,
            197, 198, 199, 200, 201, 223, 225, 240, 241, 242, 250, 251, 252, 254, 255,
        ],
    ),
    (epoch_day(2015, 1, 1), &[22, 220, 222, 224, 226]),
    (epoch_day(2018, 1, 1), &[177, 179, 181, 182, 235]),
    (epoch_day(2018, 4, 1), &[23, 24]),
    (epoch_day(2018, 10, 1), &[16, 17, 168, 170, 173, 174, 218, 231, 232, 233]),
    (epoch_day(2019, 10, 1), &[18]),
    (epoch_day(2020, 10, 1), &[175, 180, 202, 206, 210, 234, 245, 247, 248]),
    (epoch_day(2021, 7, 1), &[160, 161, 163, 164, 165, 166, 167, 169, 176, 178]),
    (epoch_day(2021, 10, 1), &[171, 172, 230, 244, 246]),
    (QUARTER_2_2023, &[71, 90]),
    (QUARTER_3_2023, &[27, 82]),
    (epoch_day(2024, 7, 1), &[211, 212]),
];

/// The columns of the file of a day since 1970-01-01: 85 in 2013, 197 from July 2024.
pub fn columns(day: i32) -> Vec<Column> {
    let plain = PLAIN.into_iter().filter(|(.., since)| *since <= day);
    let plain = plain.map(|(name, data_type, content, _)| Column { name: name.to_owned(), data_type, content });
    let existing = ATTRIBUTES.iter().filter(|(since, _)| *since <= day);
    let mut attributes: Vec<u8> = existing.flat_map(|(_, attributes)| attributes.iter().copied()).collect();
    attributes.sort_unstable();
    let pair = |attribute| {
        let column =
            |kind, content| Column { name: format!("smart_{attribute}_{kind}"), data_type: DataType::Int64, content };
        [column("normalized", Content::Normalized(attribute)), column("raw", Content::Raw(attribute))]
    };
    plain.chain(attributes.into_iter().flat_map(pair)).collect()
}

/// The schema of the file of a day since 1970-01-01.
pub fn schema(day: i32) -> SchemaRef {
    let field = |column: Column| Field::new(column.name, column.data_type, true);
    Arc::new(Schema::new(columns(day).into_iter().map(field).collect::<Vec<_>>()))
}

/// The schema that holds the rows of all days: the last one.
pub fn full_schema() -> SchemaRef {
    schema(LAST_DAY)
}
