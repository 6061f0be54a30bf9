//! The floor of a copy that decodes, in Rust: every Parquet file below a folder is read and written again, without `quarter`,
//! partitions or commits. `bench/run.py` runs it beside icelift.
//!
//! `parquet_loop SOURCE TARGET_FOLDER CODEC CORES`: as many files at once as there are cores, one thread each. Codec levels,
//! batches and statistics are those of icelift's sink, so that only what icelift adds makes a difference.

use std::collections::VecDeque;
use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH_ROWS: usize = 8192;
const ROW_GROUP_BYTES: usize = 64 << 20;
const PAGE_ROWS: usize = 20_000;
const DICTIONARY_BYTES: usize = 2 << 20;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, target, codec, cores] = arguments.as_slice() else {
        return Err("usage: parquet_loop SOURCE TARGET_FOLDER CODEC CORES".into());
    };
    let (target, codec, cores) = (Path::new(target), compression(codec)?, cores.parse::<usize>()?);
    fs::create_dir_all(target)?;
    let mut files = parquet_files(Path::new(source))?;
    // The largest first, so that no core is left with one at the end.
    files.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let queue = Mutex::new(files.into_iter().map(|(file, _)| file).enumerate().collect::<VecDeque<_>>());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let work = || -> Outcome<usize> {
        let mut rows = 0;
        while let Some((number, file)) = next() {
            rows += rewrite(&file, &target.join(format!("{number}.parquet")), codec)?;
        }
        Ok(rows)
    };
    let rows = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|it| it.join().map_err(|_| "a thread died")?).sum::<Outcome<usize>>()
    })?;
    println!("{{\"rows\": {rows}}}");
    Ok(())
}

fn compression(name: &str) -> Outcome<Compression> {
    match name {
        "zstd" => Ok(Compression::ZSTD(ZstdLevel::try_new(3)?)),
        "snappy" => Ok(Compression::SNAPPY),
        other => Err(format!("the codec `{other}` is none of zstd, snappy").into()),
    }
}

/// With their sizes in bytes.
fn parquet_files(folder: &Path) -> Outcome<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let (path, metadata) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)))?;
        if metadata.is_dir() {
            found.extend(parquet_files(&path)?);
        } else if path.extension().is_some_and(|it| it == "parquet") {
            found.push((path, metadata.len()));
        }
    }
    Ok(found)
}

fn rewrite(file: &Path, target: &Path, codec: Compression) -> Outcome<usize> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?.with_batch_size(BATCH_ROWS);
    let properties = WriterProperties::builder()
        .set_compression(codec)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .build();
    let mut writer = ArrowWriter::try_new(File::create(target)?, reader.schema().clone(), Some(properties))?;
    let mut rows = 0;
    for batch in reader.build()? {
        let batch = batch?;
        rows += batch.num_rows();
        writer.write(&batch)?;
        if writer.in_progress_size() >= ROW_GROUP_BYTES {
            writer.flush()?;
        }
    }
    writer.close()?;
    Ok(rows)
}
