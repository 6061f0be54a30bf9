//! Compresses the pages of a chunk with another codec. The values in them are not decoded.

use std::mem::discriminant;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::column::page::{CompressedPage, Page, PageReader, PageWriter};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::OffsetIndexBuilder;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};

use super::chunk::Chunk;

/// Whether a footer names them alike; the level is not in it.
pub(super) fn is_same(a: Compression, b: Compression) -> bool {
    discriminant(&a) == discriminant(&b)
}

/// The chunk with its pages compressed with `codec`.
pub(super) fn recompressed(chunk: Chunk, codec: Compression, rows: usize) -> Result<Chunk> {
    let Chunk { bytes, mut close } = chunk;
    let mut compressor = PageCompressor::new(codec);
    let mut pages = SerializedPageReader::new(Arc::new(bytes), &close.metadata, rows, None)?;
    let mut written = TrackedWrite::new(Vec::new());
    let mut writer = SerializedPageWriter::new(&mut written);
    let mut places = Places::default();
    let mut uncompressed_bytes = 0;
    while let Some(page) = pages.get_next_page()? {
        let is_data = page.is_data_page();
        let spec = writer.write_page(compressed(page, &mut compressor)?)?;
        uncompressed_bytes += spec.uncompressed_size;
        places.add(is_data, spec.offset, spec.bytes_written)?;
    }
    let bytes = Bytes::from(written.into_inner()?);
    let (data, dictionary) = places.first()?;
    close.metadata = close
        .metadata
        .into_builder()
        .set_compression(codec)
        .set_total_compressed_size(i64::try_from(bytes.len())?)
        .set_total_uncompressed_size(i64::try_from(uncompressed_bytes)?)
        .set_data_page_offset(data)
        .set_dictionary_page_offset(dictionary)
        .build()?;
    close.bytes_written = bytes.len() as u64;
    close.offset_index = close.offset_index.map(|index| places.moved(&index)).transpose()?;
    Ok(Chunk::new(vec![bytes], close))
}

/// Where the new pages lie.
#[derive(Default)]
struct Places {
    dictionary: Option<i64>,
    data: Vec<(i64, i32)>,
}

impl Places {
    fn add(&mut self, is_data: bool, offset: u64, length: u64) -> Result<()> {
        let offset = i64::try_from(offset)?;
        match is_data {
            true => self.data.push((offset, i32::try_from(length)?)),
            false => self.dictionary = Some(offset),
        }
        Ok(())
    }

    fn first(&self) -> Result<(i64, Option<i64>)> {
        let (data, _) = self.data.first().ok_or_else(|| ParquetError::General("a chunk without pages".to_string()))?;
        Ok((*data, self.dictionary))
    }

    /// The index of the pages, with their new places.
    fn moved(&self, index: &OffsetIndexMetaData) -> Result<OffsetIndexMetaData> {
        let old = index.page_locations();
        if old.len() != self.data.len() {
            let message = format!("{} pages in the index, {} in the chunk", old.len(), self.data.len());
            return Err(ParquetError::General(message));
        }
        let mut moved = OffsetIndexBuilder::new();
        let mut starts = old.iter().map(|page| page.first_row_index).skip(1);
        for (page, (offset, length)) in old.iter().zip(&self.data) {
            let rows = starts.next().map_or(0, |next| next - page.first_row_index);
            moved.append_row_count(rows);
            moved.append_offset_and_size(*offset, *length);
        }
        Ok(moved.build())
    }
}

fn compressed(page: Page, compressor: &mut PageCompressor) -> Result<CompressedPage> {
    let uncompressed = page.buffer().len();
    let page = match page {
        Page::DataPage { buf, num_values, encoding, def_level_encoding, rep_level_encoding, statistics } => {
            let buf = compressor.compressed(&buf)?.into();
            Page::DataPage { buf, num_values, encoding, def_level_encoding, rep_level_encoding, statistics }
        }
        Page::DictionaryPage { buf, num_values, encoding, is_sorted } => {
            Page::DictionaryPage { buf: compressor.compressed(&buf)?.into(), num_values, encoding, is_sorted }
        }
        Page::DataPageV2 {
            buf,
            num_values,
            encoding,
            num_nulls,
            num_rows,
            def_levels_byte_len,
            rep_levels_byte_len,
            statistics,
            ..
        } => {
            // Levels are never compressed in the second version of pages.
            let levels = (def_levels_byte_len + rep_levels_byte_len) as usize;
            let values = compressor.compressed(&buf[levels..])?;
            let is_compressed = !is_same(compressor.codec(), Compression::UNCOMPRESSED);
            Page::DataPageV2 {
                buf: [&buf[..levels], &values].concat().into(),
                num_values,
                encoding,
                num_nulls,
                num_rows,
                def_levels_byte_len,
                rep_levels_byte_len,
                is_compressed,
                statistics,
            }
        }
    };
    Ok(CompressedPage::new(page, uncompressed))
}

/// Compresses pages one after the other, in the same working memory.
pub(crate) struct PageCompressor {
    codec: Compression,
    zstd: Option<zstd::bulk::Compressor<'static>>,
}

impl PageCompressor {
    pub fn new(codec: Compression) -> Self {
        Self { codec, zstd: None }
    }

    /// Whether pages can be compressed with it.
    pub fn knows(codec: Compression) -> bool {
        matches!(
            codec,
            Compression::UNCOMPRESSED
                | Compression::SNAPPY
                | Compression::ZSTD(_)
                | Compression::GZIP(_)
                | Compression::LZ4_RAW
        )
    }

    pub fn codec(&self) -> Compression {
        self.codec
    }

    /// # Errors
    /// What the codec says; one that is not known.
    pub fn compressed(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| ParquetError::External(source);
        match self.codec {
            Compression::UNCOMPRESSED => Ok(bytes.to_vec()),
            Compression::SNAPPY => {
                snap::raw::Encoder::new().compress_vec(bytes).map_err(|source| failed(source.into()))
            }
            Compression::ZSTD(level) => {
                let zstd = match &mut self.zstd {
                    Some(zstd) => zstd,
                    none => none.insert(zstd::bulk::Compressor::new(level.compression_level())?),
                };
                zstd.compress(bytes).map_err(|source| failed(source.into()))
            }
            Compression::GZIP(level) => {
                use std::io::Write;
                let level = flate2::Compression::new(level.compression_level());
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                let done = encoder.write_all(bytes).and_then(|()| encoder.finish());
                done.map_err(|source| failed(source.into()))
            }
            Compression::LZ4_RAW => Ok(lz4_flex::block::compress(bytes)),
            other => Err(ParquetError::NYI(format!("pages are not compressed with {other}"))),
        }
    }
}
