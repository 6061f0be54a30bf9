//! What the values of a column do on their way into pages, whatever their type is.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use parquet::basic::Type as PhysicalType;
use parquet::errors::Result;

use super::bounds::Bounds;
use super::numbers::Numbers;
use super::texts::Texts;

/// The values of one chunk. At first each different one is put into a dictionary once, and pages refer to it.
pub(super) trait PageValues: Send {
    /// How many of the first rows of `array` can be taken in at once, at least one; about `bytes` of them fill a page.
    fn rows_at_once(&self, array: &ArrayRef, bytes: usize) -> usize;

    /// Takes in the values that are not NULL.
    ///
    /// # Errors
    /// An array of another type; a value too long for Parquet.
    fn add(&mut self, array: &ArrayRef) -> Result<()>;

    /// About how many bytes the page will have that is filled just now.
    fn page_bytes(&self) -> usize;

    /// Bytes held in memory.
    fn memory_bytes(&self) -> usize;

    /// Appends all values since the last page.
    fn take_page(&mut self, into: &mut Vec<u8>) -> EncodedValues;

    /// The length of the dictionary in bytes; 0 where there is none any more.
    fn dictionary_bytes(&self) -> usize;

    /// Ends the dictionary, if there is one: later values stand in their pages. All values so far must be in pages.
    fn take_dictionary(&mut self) -> Option<Dictionary>;
}

/// What is known of the values of a page.
pub(super) struct EncodedValues {
    /// Whether they refer to the dictionary.
    pub is_dictionary: bool,
    /// `None` where nothing but NULL and NaN is in the page.
    pub bounds: Option<Bounds>,
    /// Of texts and bytes: how many bytes they have.
    pub unencoded_bytes: Option<usize>,
}

/// A dictionary in Parquet's PLAIN encoding.
pub(super) struct Dictionary {
    pub plain: Vec<u8>,
    pub entries: usize,
}

/// What encodes arrays of a type as this physical type; `None` where the library does.
pub(super) fn of_type(array: &DataType, physical: PhysicalType) -> Option<Box<dyn PageValues>> {
    Some(match (physical, array) {
        (PhysicalType::INT32, DataType::Int32 | DataType::Date32) => Box::<Numbers<i32>>::default(),
        (PhysicalType::INT64, DataType::Int64 | DataType::Timestamp(..) | DataType::Time64(_)) => {
            Box::<Numbers<i64>>::default()
        }
        (PhysicalType::FLOAT, DataType::Float32) => Box::<Numbers<f32>>::default(),
        (PhysicalType::DOUBLE, DataType::Float64) => Box::<Numbers<f64>>::default(),
        (PhysicalType::BYTE_ARRAY, DataType::Utf8 | DataType::LargeBinary) => Box::<Texts>::default(),
        _ => return None,
    })
}
