//! Where the values of a row stand in its canonical bytes.

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};

use super::fill::Rows;
use crate::error::{Error, ErrorKind, Result};

/// A slot for each value in the order of the columns, then a bit for each field that can be NULL.
pub(super) struct Layout {
    pub columns: Vec<Column>,
    /// The first byte of the bits.
    pub bits_at: usize,
    pub row_bytes: usize,
}

pub(super) struct Column {
    /// With the names of all fields above it.
    pub name: String,
    /// Set where the value is NULL.
    pub bit: usize,
    pub kind: Kind,
}

/// What a column holds, and the first byte of its slot.
pub(super) enum Kind {
    Leaf(Leaf, usize),
    /// The slots are those of its fields.
    Struct(Vec<Column>),
    List(Box<Rows>, usize),
    /// Rows of a key and a value.
    Map(Box<Rows>, usize),
}

/// A type and all the types that are promoted to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf {
    Boolean,
    Integer,
    Float,
    Date,
    Time,
    Timestamp(TimeUnit),
    /// By the number of its fraction digits.
    Decimal(i8),
    Text,
    Binary,
}

impl Leaf {
    /// `None` for nested types and those that Iceberg does not have.
    pub fn of(data_type: &DataType) -> Option<Self> {
        use DataType::{Binary, BinaryView, FixedSizeBinary, Float32, Float64, Int8, Int16, Int32, Int64, LargeBinary};
        use DataType::{LargeUtf8, Utf8, Utf8View};
        use TimeUnit::{Microsecond, Nanosecond};
        Some(match data_type {
            DataType::Boolean => Self::Boolean,
            Int8 | Int16 | Int32 | Int64 => Self::Integer,
            Float32 | Float64 => Self::Float,
            DataType::Date32 => Self::Date,
            DataType::Time64(Microsecond) => Self::Time,
            DataType::Timestamp(unit @ (Microsecond | Nanosecond), _) => Self::Timestamp(*unit),
            DataType::Decimal128(_, scale) => Self::Decimal(*scale),
            Utf8 | LargeUtf8 | Utf8View => Self::Text,
            Binary | LargeBinary | BinaryView | FixedSizeBinary(_) => Self::Binary,
            _ => return None,
        })
    }

    fn slot_bytes(self) -> usize {
        match self {
            Self::Decimal(_) | Self::Text | Self::Binary => 16,
            _ => 8,
        }
    }
}

impl Layout {
    /// The layout of rows of `fields`, which lie below the column `above`.
    ///
    /// # Errors
    /// A type that Iceberg does not have.
    pub fn new(fields: &Fields, above: Option<&str>) -> Result<Self> {
        let mut taken = Taken::default();
        let columns = fields.iter().map(|field| taken.column(field, above)).collect::<Result<Vec<_>>>()?;
        Ok(Self { columns, bits_at: taken.bytes, row_bytes: taken.bytes + taken.bits.div_ceil(8) })
    }
}

/// The part of a row that has been given out.
#[derive(Default)]
struct Taken {
    bytes: usize,
    bits: usize,
}

impl Taken {
    fn slot(&mut self, bytes: usize) -> usize {
        self.bytes += bytes;
        self.bytes - bytes
    }

    fn column(&mut self, field: &Field, above: Option<&str>) -> Result<Column> {
        let name = above.map_or_else(|| field.name().clone(), |above| format!("{above}.{}", field.name()));
        let bit = self.bits;
        self.bits += 1;
        let kind = match field.data_type() {
            DataType::Struct(fields) => {
                Kind::Struct(fields.iter().map(|field| self.column(field, Some(&name))).collect::<Result<_>>()?)
            }
            DataType::List(element) => {
                let element = Fields::from(vec![element.clone()]);
                Kind::List(Box::new(Rows::new(&element, Some(&name))?), self.slot(16))
            }
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(pair) if pair.len() == 2 => {
                    Kind::Map(Box::new(Rows::new(pair, Some(&name))?), self.slot(16))
                }
                other => return Err(unsupported(&name, other)),
            },
            other => {
                let leaf = Leaf::of(other).ok_or_else(|| unsupported(&name, other))?;
                Kind::Leaf(leaf, self.slot(leaf.slot_bytes()))
            }
        };
        Ok(Column { name, bit, kind })
    }
}

fn unsupported(column: &str, data_type: &DataType) -> Error {
    let message = format!("the column `{column}` is of the type {data_type}, for which there is no fingerprint");
    Error::new(ErrorKind::Unsupported, message).hint("cast it to a type that Iceberg has")
}
