//! Results on stdout: rows are printed as they arrive, so that memory does not grow with the result.

mod csv;
mod json;
mod table;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::{Stream, StreamExt};
use icelift::{Error, ErrorKind};
use tokio::io::{AsyncWrite, AsyncWriteExt, Stdout};

use crate::args::Format;
use crate::exit::Stop;
use crate::progress::Watch;

/// Turns the rows of one result into text.
trait Encode: Send {
    fn rows(&mut self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ArrowError>;

    /// Called once, after the last row, also when there was none.
    fn end(&mut self, text: &mut Vec<u8>) -> Result<(), ArrowError>;
}

fn encoder(format: Format, schema: SchemaRef) -> Box<dyn Encode> {
    match format {
        Format::Table => Box::new(table::Pages::new(schema)),
        Format::Csv => Box::new(csv::Lines::new(schema, b',')),
        Format::Tsv => Box::new(csv::Lines::new(schema, b'\t')),
        Format::Json => Box::new(json::Objects::default()),
    }
}

/// stdout. tokio's, because a write to a full pipe must not keep a signal from being heard.
pub struct Output<W = Stdout> {
    format: Format,
    stdout: W,
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
    pub fn new(format: Format) -> Self {
        Self { format, stdout: tokio::io::stdout(), answer: None }
    }
}

impl<W: AsyncWrite + Unpin> Output<W> {
    /// Prints an answer and counts its rows; a statement without columns (DDL) prints nothing.
    pub async fn show(
        &mut self,
        schema: SchemaRef,
        mut rows: impl Stream<Item = Result<RecordBatch, Error>> + Unpin,
        watch: &Watch<'_>,
    ) -> Result<u64, Stop> {
        self.begin(schema);
        let mut count = 0;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            count += batch.num_rows() as u64;
            watch.answered(&batch);
            watch.hide_bars();
            self.rows(&batch).await?;
            if watch.tally().is_some() {
                // The next row may be hours away, and this one has to be out before the bars come back.
                self.stdout.flush().await.map_err(Stop::output)?;
            }
            watch.unhide_bars();
        }
        watch.hide_bars();
        self.end().await?;
        Ok(count)
    }

    fn begin(&mut self, schema: SchemaRef) {
        let has_columns = !schema.fields().is_empty();
        let encoder = encoder(self.format, schema);
        self.answer = has_columns.then_some(Answer { encoder, text: Vec::new(), rows: 0 });
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
        self.stdout.flush().await.map_err(Stop::output)
    }

    /// Ends an answer that was cut off by an error or a signal: the rows that came before are shown.
    pub async fn cut_off(&mut self) -> Result<(), Stop> {
        match &self.answer {
            // What was being written would go on in the middle.
            Some(answer) if answer.rows > 0 && answer.text.is_empty() => self.end().await,
            _ => {
                self.answer = None;
                Ok(())
            }
        }
    }

    async fn write(&mut self) -> Result<(), Stop> {
        let Some(Answer { text, .. }) = &mut self.answer else { return Ok(()) };
        if !text.is_empty() {
            self.stdout.write_all(text).await.map_err(Stop::output)?;
            text.clear();
        }
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array, ListArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    fn batch() -> RecordBatch {
        let words = StringArray::from(vec![Some("plain"), Some("say \"hi\", ü"), None]);
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None, None]);
        RecordBatch::try_from_iter([
            ("n", Arc::new(Int64Array::from(vec![Some(1), None, Some(-300)])) as ArrayRef),
            ("word", Arc::new(words)),
            ("f", Arc::new(Float64Array::from(vec![0.5, 12.0, 1e30]))),
            ("list", Arc::new(lists)),
        ])
        .unwrap()
    }

    fn printed(format: Format, batches: &[RecordBatch]) -> String {
        let mut encoder = encoder(format, batch().schema());
        let mut text = Vec::new();
        for batch in batches {
            encoder.rows(batch, &mut text).unwrap();
        }
        encoder.end(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_table_has_numbers_on_the_right() {
        let lines = [
            "+------+-------------+------+-----------+",
            "|    n | word        |    f | list      |",
            "+------+-------------+------+-----------+",
            "|    1 | plain       |  0.5 | [1, NULL] |",
            "| NULL | say \"hi\", ü | 12.0 | NULL      |",
            "| -300 | NULL        | 1e30 | NULL      |",
            "+------+-------------+------+-----------+",
        ];
        assert_eq!(printed(Format::Table, &[batch()]).lines().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn csv_quotes_what_must_be_quoted() {
        let lines = ["n,word,f,list", "1,plain,0.5,\"[1, NULL]\"", ",\"say \"\"hi\"\", ü\",12.0,", "-300,,1e30,"];
        assert_eq!(printed(Format::Csv, &[batch()]), lines.join("\n") + "\n");
        assert_eq!(printed(Format::Csv, &[]), "n,word,f,list\n");
        let lines =
            ["n\tword\tf\tlist", "1\tplain\t0.5\t[1, NULL]", "\t\"say \"\"hi\"\", ü\"\t12.0\t", "-300\t\t1e30\t"];
        assert_eq!(printed(Format::Tsv, &[batch()]), lines.join("\n") + "\n");
    }

    #[test]
    fn json_is_one_array_over_all_batches() {
        let first = r#"{"n":1,"word":"plain","f":0.5,"list":[1,null]}"#;
        let text = printed(Format::Json, &[batch().slice(0, 1), batch().slice(0, 0), batch().slice(0, 1)]);
        assert_eq!(text, format!("[\n{first},\n{first}\n]\n"));
        let text = printed(Format::Json, &[batch().slice(2, 1)]);
        assert_eq!(text, "[\n{\"n\":-300,\"word\":null,\"f\":1.0e30,\"list\":null}\n]\n");
        assert_eq!(printed(Format::Json, &[]), "[]\n");
    }

    /// What is printed of an answer that ends with `last` behind two batches, and how it ended.
    async fn printed_until(format: Format, last: Option<Error>) -> (String, Result<u64, Stop>) {
        let engine = icelift::Engine::builder().build().await.unwrap();
        let progress = crate::progress::Progress::silent();
        let rows = [batch().slice(0, 1), batch().slice(2, 1)].map(Ok).into_iter().chain(last.map(Err));
        let mut output = Output { format, stdout: Vec::new(), answer: None };
        let shown = output.show(batch().schema(), futures::stream::iter(rows), &progress.watch(&engine)).await;
        if shown.is_err() {
            output.cut_off().await.unwrap();
        }
        (String::from_utf8(output.stdout).unwrap(), shown)
    }

    #[tokio::test]
    async fn rows_before_an_error_are_shown_in_every_format() {
        for format in [Format::Table, Format::Csv, Format::Tsv, Format::Json] {
            let (whole, shown) = printed_until(format, None).await;
            assert_eq!(shown.unwrap(), 2, "{format:?}");
            assert!(whole.contains("plain") && whole.contains("-300"), "{whole}");
            let (part, shown) = printed_until(format, Some(Error::new(ErrorKind::Difference, "no"))).await;
            assert!(matches!(shown, Err(Stop::Failed(problem)) if problem.error.kind() == ErrorKind::Difference));
            assert_eq!(part, whole, "{format:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_fails_before_its_first_row_prints_nothing() {
        let engine = icelift::Engine::builder().build().await.unwrap();
        let progress = crate::progress::Progress::silent();
        for format in [Format::Table, Format::Csv, Format::Tsv, Format::Json] {
            let mut output = Output { format, stdout: Vec::new(), answer: None };
            let rows = futures::stream::iter([Err(Error::new(ErrorKind::Read, "no"))]);
            output.show(batch().schema(), rows, &progress.watch(&engine)).await.unwrap_err();
            output.cut_off().await.unwrap();
            assert!(output.stdout.is_empty(), "{format:?}");
        }
    }

    #[test]
    fn a_long_result_comes_in_several_tables() {
        let column = Arc::new(Int64Array::from_iter_values(0..10_000)) as ArrayRef;
        let long = RecordBatch::try_from_iter([("n", column)]).unwrap();
        let mut pages = table::Pages::new(long.schema());
        let mut text = Vec::new();
        pages.rows(&long, &mut text).unwrap();
        pages.end(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text.matches("| ").count(), 10_000 + 3);
        assert_eq!(text.matches(" n |").count(), 3);
    }
}
