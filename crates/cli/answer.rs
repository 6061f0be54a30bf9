//! The answer of a subcommand: a table of text that is there as a whole.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use icelift::{Error, ErrorKind};

use crate::args::Format;
use crate::exit::Stop;
use crate::print::{self, Look};

/// Prints the rows on stdout.
pub fn print<const COLUMNS: usize>(
    names: [&str; COLUMNS],
    rows: &[[Option<String>; COLUMNS]],
    format: Format,
) -> Result<(), Stop> {
    let fields: Vec<_> = names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
    let column = |at: usize| Arc::new(rows.iter().map(|row| row[at].as_deref()).collect::<StringArray>()) as ArrayRef;
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), (0..COLUMNS).map(column).collect())
        .map_err(|source| Error::new(ErrorKind::Internal, "the answer makes no table").source(source))?;
    let text = print::whole(&Look::new(format), &batch)?;
    std::io::stdout().lock().write_all(&text).map_err(Stop::output)
}
