//! Encodes a column of numbers or texts that is in no group.
//!
//! The library's writer makes a level and a position for each value, gathers the values by them, and looks each up. Here levels
//! are bits as Arrow has them, and what is done for each value is one look into the dictionary. Pages and dictionaries end at the
//! same limits, and are of the same encodings.

use std::mem::discriminant;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanBufferBuilder};
use arrow::datatypes::DataType;
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterPropertiesPtr;
use parquet::schema::types::ColumnDescPtr;

use super::pages::Pages;
use super::values::{self, PageValues};
use crate::pipeline::splice::{Chunk, PageCompressor, hybrid};

/// A chunk being encoded.
pub(super) struct ColumnEncoder {
    leaf: ColumnDescPtr,
    data_type: DataType,
    properties: WriterPropertiesPtr,
    values: Box<dyn PageValues>,
    /// By row of the page, where the column may be NULL.
    validity: Option<BooleanBufferBuilder>,
    page_rows: usize,
    page_nulls: usize,
    pages: Pages,
}

impl ColumnEncoder {
    /// `None` for a column that the library has to encode.
    pub fn new(array: &DataType, leaf: &ColumnDescPtr, properties: &WriterPropertiesPtr) -> Option<Self> {
        let is_flat = leaf.path().parts().len() == 1 && leaf.max_rep_level() == 0;
        if !is_flat
            || !PageCompressor::knows(properties.compression(leaf.path()))
            || properties.bloom_filter_properties(leaf.path()).is_some()
        {
            return None;
        }
        Some(Self {
            leaf: leaf.clone(),
            data_type: array.clone(),
            properties: Arc::clone(properties),
            values: values::of_type(array, leaf.physical_type())?,
            validity: (leaf.max_def_level() > 0).then(|| BooleanBufferBuilder::new(0)),
            page_rows: 0,
            page_nulls: 0,
            pages: Pages::new(leaf, properties),
        })
    }

    /// Encodes the values of an array.
    ///
    /// # Errors
    /// An array of another type, a value too long for Parquet, what the codec says.
    pub fn write(&mut self, array: &ArrayRef, compressor: &mut PageCompressor) -> Result<()> {
        // What the plan announced is what comes; a timestamp's zone may be spelt in several ways.
        if discriminant(array.data_type()) != discriminant(&self.data_type) {
            let message = format!("{} came for a column of {}", array.data_type(), self.data_type);
            return Err(ParquetError::General(message));
        }
        let path = self.leaf.path();
        let rows_max = self.properties.data_page_row_count_limit();
        let bytes_max = self.properties.column_data_page_size_limit(path);
        let dictionary_bytes_max = self.properties.column_dictionary_page_size_limit(path);
        let mut from = 0;
        while from < array.len() {
            let left = array.slice(from, (array.len() - from).min(rows_max - self.page_rows));
            let rows = left.slice(0, self.values.rows_at_once(&left, bytes_max));
            self.add(&rows)?;
            from += rows.len();
            if self.page_rows >= rows_max || self.values.page_bytes() >= bytes_max {
                self.end_page(compressor)?;
            }
            if self.values.dictionary_bytes() >= dictionary_bytes_max {
                self.end_page(compressor)?;
                self.end_dictionary(compressor)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, rows: &ArrayRef) -> Result<()> {
        self.values.add(rows)?;
        self.page_rows += rows.len();
        if let Some(validity) = &mut self.validity {
            match rows.nulls() {
                Some(nulls) => validity.append_buffer(nulls.inner()),
                None => validity.append_n(rows.len(), true),
            }
            self.page_nulls += rows.null_count();
        }
        Ok(())
    }

    fn end_page(&mut self, compressor: &mut PageCompressor) -> Result<()> {
        if self.page_rows == 0 {
            return Ok(());
        }
        let mut page = Vec::with_capacity(self.page_rows / 4 + self.values.page_bytes());
        if let Some(validity) = &mut self.validity {
            let append = |into: &mut Vec<u8>| hybrid::append_levels(validity.as_slice(), self.page_rows, into);
            hybrid::append_behind_length(&mut page, append)?;
            validity.truncate(0);
        }
        let values = self.values.take_page(&mut page);
        let (rows, nulls) = (std::mem::take(&mut self.page_rows), std::mem::take(&mut self.page_nulls));
        self.pages.add(&page, rows, nulls, values, compressor)
    }

    fn end_dictionary(&mut self, compressor: &mut PageCompressor) -> Result<()> {
        match self.values.take_dictionary() {
            Some(dictionary) => self.pages.add_dictionary(&dictionary, compressor),
            None => Ok(()),
        }
    }

    /// About how many bytes the chunk has so far.
    pub fn encoded_bytes(&self) -> usize {
        self.pages.bytes() + self.values.dictionary_bytes() + self.values.page_bytes()
    }

    /// Bytes held in memory.
    pub fn memory_bytes(&self) -> usize {
        let validity = self.validity.as_ref().map_or(0, |validity| validity.capacity() / 8);
        self.pages.bytes() + self.values.memory_bytes() + validity
    }

    /// Ends the chunk.
    ///
    /// # Errors
    /// What the codec says.
    pub fn finish(mut self, compressor: &mut PageCompressor) -> Result<Chunk> {
        self.end_page(compressor)?;
        self.end_dictionary(compressor)?;
        self.pages.finish(compressor)
    }
}
