//! Results on stdout: rows are printed as they arrive, so that memory does not grow with the result.

mod csv;
mod json;
mod table;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::StreamExt;
use icelift::{Error, ErrorKind, RowStream};
use tokio::io::{AsyncWriteExt, Stdout};

use crate::args::Format;
use crate::exit::Stop;

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
pub struct Output {
    format: Format,
    stdout: Stdout,
}

impl Output {
    pub fn new(format: Format) -> Self {
        Self { format, stdout: tokio::io::stdout() }
    }

    /// Prints a result and counts its rows; a statement without columns (DDL) prints nothing.
    pub async fn show(&mut self, mut rows: RowStream) -> Result<u64, Stop> {
        let schema = rows.schema();
        let mut encoder = (!schema.fields().is_empty()).then(|| encoder(self.format, schema));
        let mut count = 0;
        let mut text = Vec::new();
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            count += batch.num_rows() as u64;
            if let Some(encoder) = &mut encoder {
                encoder.rows(&batch, &mut text).map_err(unprintable)?;
                self.write(&mut text).await?;
            }
        }
        if let Some(encoder) = &mut encoder {
            encoder.end(&mut text).map_err(unprintable)?;
            self.write(&mut text).await?;
        }
        self.stdout.flush().await.map_err(Stop::output)?;
        Ok(count)
    }

    async fn write(&mut self, text: &mut Vec<u8>) -> Result<(), Stop> {
        self.stdout.write_all(text).await.map_err(Stop::output)?;
        text.clear();
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
