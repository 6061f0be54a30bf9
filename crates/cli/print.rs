//! Results: rows are printed as they arrive, so that memory does not grow with the result.

mod columnar;
mod csv;
mod expanded;
mod html;
mod json;
mod look;
mod markdown;
mod place;
mod table;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::{Stream, StreamExt};
use icelift::{Error, ErrorKind};

use crate::args::Format;
use crate::exit::Stop;
use crate::progress::Watch;
pub use look::{Expanded, Look};
use place::Place;
pub use place::Target;

/// Turns the rows of one result into text.
trait Encode: Send {
    fn rows(&mut self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ArrowError>;

    /// Called once, after the last row, also when there was none.
    fn end(&mut self, text: &mut Vec<u8>) -> Result<(), ArrowError>;
}

fn encoder(look: &Look, schema: SchemaRef) -> Result<Box<dyn Encode>, ArrowError> {
    let expanded = match look.expanded {
        Expanded::On => true,
        Expanded::Auto => table::is_too_wide(&schema, look),
        Expanded::Off => false,
    };
    Ok(match look.format {
        Format::Box | Format::Table if expanded => Box::new(expanded::Records::new(schema, look)),
        Format::Box | Format::Table => Box::new(table::Pages::new(schema, look)),
        Format::Csv => Box::new(csv::Lines::new(schema, b',')),
        Format::Tsv => Box::new(csv::Lines::new(schema, b'\t')),
        Format::Json => Box::new(json::Objects::default()),
        Format::Jsonl => Box::new(json::Lines),
        Format::Markdown => Box::new(markdown::Lines::new(schema)),
        Format::Html => Box::new(html::Table::new(schema)),
        Format::Parquet => Box::new(columnar::Parquet::new(schema)?),
        Format::Arrow => Box::new(columnar::Arrow::new(schema)?),
    })
}

/// Where results go, and how they look.
pub struct Output {
    pub look: Look,
    place: Place,
    /// That of the terminal, while the name of a file tells another one.
    format_before: Option<Format>,
    answer: Option<Answer>,
}

/// An answer that is being printed.
struct Answer {
    encoder: Box<dyn Encode>,
    /// What is not written yet.
    text: Vec<u8>,
    rows: u64,
}

impl Output {
    pub fn new(look: Look) -> Self {
        Self { look, place: Place::stdout(), format_before: None, answer: None }
    }

    /// Shows what is longer than the screen in a pager, or does not.
    pub fn page(&mut self, pager: Option<String>) {
        self.place.pager = pager;
    }

    pub fn pages(&self) -> bool {
        self.place.pager.is_some()
    }

    /// Sends what is printed from now on somewhere else; the format is that of the file's name.
    pub async fn send_to(&mut self, target: Target) -> Result<(), Stop> {
        self.place.close().await?;
        // The terminal gets back the format that it had.
        if let Some(format) = self.format_before.take() {
            self.look.format = format;
        }
        if let Some(format) = target.format() {
            self.format_before = Some(std::mem::replace(&mut self.look.format, format));
        }
        self.place.open(target)
    }

    /// Sends what is printed somewhere else, until [`come_back`](Self::come_back).
    pub async fn send_once(&mut self, target: Target) -> Result<(), Stop> {
        if let Some(format) = target.format() {
            self.look.format = format;
        }
        self.place.set_aside();
        self.place.open(target)
    }

    /// Goes back to where results went before.
    pub async fn come_back(&mut self) -> Result<(), Stop> {
        let closed = self.place.close().await;
        self.place.take_up();
        closed
    }

    /// Waits until what was sent elsewhere is there.
    pub async fn close(&mut self) -> Result<(), Stop> {
        self.place.close().await
    }

    /// Prints a line of its own.
    pub async fn line(&mut self, text: &str) -> Result<(), Stop> {
        self.place.write(text.as_bytes()).await?;
        self.place.end().await
    }

    /// Prints an answer and counts its rows; a statement without columns (DDL) prints nothing.
    pub async fn show(
        &mut self,
        schema: SchemaRef,
        mut rows: impl Stream<Item = Result<RecordBatch, Error>> + Unpin,
        watch: &Watch<'_>,
    ) -> Result<u64, Stop> {
        self.begin(schema)?;
        let mut count = 0;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            count += batch.num_rows() as u64;
            watch.answered(&batch);
            watch.hide_bars();
            self.rows(&batch).await?;
            if watch.tally().is_some() {
                // The next row may be hours away, and this one has to be out before the bars come back.
                self.place.flush().await?;
            }
            watch.unhide_bars();
            if self.place.was_left() {
                break;
            }
        }
        watch.hide_bars();
        self.end().await?;
        Ok(count)
    }

    fn begin(&mut self, schema: SchemaRef) -> Result<(), Stop> {
        self.answer = None;
        if schema.fields().is_empty() {
            return Ok(());
        }
        if self.look.format.is_binary() && self.place.is_a_terminal() {
            let message = "this format is for files, and the output is a terminal";
            return Err(Error::new(ErrorKind::Config, message).hint("name a file: --output or \\o").into());
        }
        let encoder = encoder(&self.look.fitting(self.place.width()), schema).map_err(unprintable)?;
        self.answer = Some(Answer { encoder, text: Vec::new(), rows: 0 });
        Ok(())
    }

    /// Prints rows, unless the format has to see more of them first.
    async fn rows(&mut self, batch: &RecordBatch) -> Result<(), Stop> {
        let Some(Answer { encoder, text, rows }) = &mut self.answer else { return Ok(()) };
        encoder.rows(batch, text).map_err(unprintable)?;
        *rows += batch.num_rows() as u64;
        self.write().await
    }

    async fn end(&mut self) -> Result<(), Stop> {
        if let Some(Answer { encoder, text, .. }) = &mut self.answer {
            encoder.end(text).map_err(unprintable)?;
            self.write().await?;
        }
        self.answer = None;
        self.place.end().await
    }

    /// Ends an answer that was cut off by an error or a signal: the rows that came before are shown.
    pub async fn cut_off(&mut self) -> Result<(), Stop> {
        match &self.answer {
            // What was being written would go on in the middle.
            Some(answer) if answer.rows > 0 && answer.text.is_empty() => self.end().await,
            _ => {
                self.answer = None;
                self.place.end().await
            }
        }
    }

    async fn write(&mut self) -> Result<(), Stop> {
        let Some(Answer { text, .. }) = &mut self.answer else { return Ok(()) };
        if !text.is_empty() {
            self.place.write(text).await?;
            text.clear();
        }
        Ok(())
    }
}

/// One answer as a whole.
pub fn whole(look: &Look, batch: &RecordBatch) -> Result<Vec<u8>, Stop> {
    let mut text = Vec::new();
    let mut encoder = encoder(look, batch.schema()).map_err(unprintable)?;
    encoder.rows(batch, &mut text).and_then(|()| encoder.end(&mut text)).map_err(unprintable)?;
    Ok(text)
}

fn unprintable(error: ArrowError) -> Stop {
    Error::new(ErrorKind::Unsupported, "the result cannot be printed in this format").source(error).into()
}

/// The values of a column as text, NULL as `null` says; inside a value it is always `NULL`.
fn texts(column: &ArrayRef, null: Option<&str>) -> Result<StringArray, ArrowError> {
    let options = FormatOptions::new().with_null("NULL").with_display_error(true);
    let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
    let value = |row| match column.is_null(row) {
        true => Ok(null.map(str::to_owned)),
        false => formatter.value(row).try_to_string().map(Some),
    };
    (0..column.len()).map(value).collect()
}

/// Whether values stand on the right.
fn is_number(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_number(values),
        other => other.is_numeric(),
    }
}

#[cfg(test)]
mod tests;
