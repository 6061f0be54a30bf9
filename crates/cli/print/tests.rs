//! What each format makes of the same rows.

use std::sync::Arc;

use arrow::array::{Float64Array, Int64Array, ListArray};
use arrow::datatypes::{Field, Int32Type, Schema};

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
    let mut encoder = encoder(&Look::new(format), batch().schema()).unwrap();
    let mut text = Vec::new();
    for batch in batches {
        encoder.rows(batch, &mut text).unwrap();
    }
    encoder.end(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// The formats that are text, and print nothing of an answer without rows that fails.
const TEXTS: [Format; 8] =
    [Format::Box, Format::Table, Format::Csv, Format::Tsv, Format::Json, Format::Jsonl, Format::Markdown, Format::Html];

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
    let lines = ["n\tword\tf\tlist", "1\tplain\t0.5\t[1, NULL]", "\t\"say \"\"hi\"\", ü\"\t12.0\t", "-300\t\t1e30\t"];
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
    let mut output = Output::new(Look::new(format));
    output.place.memory = Some(Vec::new());
    let shown = output.show(batch().schema(), futures::stream::iter(rows), &progress.watch(&engine)).await;
    if shown.is_err() {
        output.cut_off().await.unwrap();
    }
    (String::from_utf8(output.place.memory.unwrap()).unwrap(), shown)
}

#[tokio::test]
async fn rows_before_an_error_are_shown_in_every_format() {
    for format in TEXTS {
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
    for format in TEXTS {
        let mut output = Output::new(Look::new(format));
        output.place.memory = Some(Vec::new());
        let rows = futures::stream::iter([Err(Error::new(ErrorKind::Read, "no"))]);
        output.show(batch().schema(), rows, &progress.watch(&engine)).await.unwrap_err();
        output.cut_off().await.unwrap();
        assert!(output.place.memory.unwrap().is_empty(), "{format:?}");
    }
}

#[test]
fn a_long_result_comes_in_several_tables() {
    let column = Arc::new(Int64Array::from_iter_values(0..10_000)) as ArrayRef;
    let long = RecordBatch::try_from_iter([("n", column)]).unwrap();
    let mut pages = table::Pages::new(long.schema(), &Look::new(Format::Table));
    let mut text = Vec::new();
    pages.rows(&long, &mut text).unwrap();
    pages.end(&mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.matches("| ").count(), 10_000 + 3);
    assert_eq!(text.matches(" n |").count(), 3);
}

#[test]
fn boxes_are_drawn() {
    let two = batch().project(&[0, 1]).unwrap().slice(0, 1);
    let mut pages = table::Pages::new(two.schema(), &Look::new(Format::Box));
    let mut text = Vec::new();
    pages.rows(&two, &mut text).unwrap();
    pages.end(&mut text).unwrap();
    let lines = ["┌───┬───────┐", "│ n │ word  │", "├───┼───────┤", "│ 1 │ plain │", "└───┴───────┘"];
    assert_eq!(String::from_utf8(text).unwrap().lines().collect::<Vec<_>>(), lines);
}

fn wide(columns: usize, value: &str) -> RecordBatch {
    let names: Vec<_> = (0..columns).map(|at| format!("column_{at}")).collect();
    let fields: Vec<_> = names.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
    let values = names.iter().map(|_| Arc::new(StringArray::from(vec![value])) as ArrayRef).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), values).unwrap()
}

fn on_a_terminal(format: Format, width: usize, batch: &RecordBatch) -> String {
    let look = Look::new(format).fitting(Some(width));
    let mut encoder = encoder(&look, batch.schema()).unwrap();
    let mut text = Vec::new();
    encoder.rows(batch, &mut text).unwrap();
    encoder.end(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn no_line_of_a_table_is_wider_than_the_terminal() {
    use unicode_width::UnicodeWidthStr;
    for width in [20, 21, 40, 80, 200] {
        for (columns, value) in
            [(1, "x"), (1, "long long long long long long long"), (3, "日本語の値です、とても長い"), (50, "v")]
        {
            for format in [Format::Box, Format::Table] {
                let text = on_a_terminal(format, width, &wide(columns, value));
                let widest = text.lines().filter(|line| !line.starts_with('(')).map(|line| line.width()).max().unwrap();
                assert!(widest <= width, "{width} {columns}: {text}");
            }
        }
    }
}

#[test]
fn columns_in_the_middle_are_left_out_with_a_note() {
    let text = on_a_terminal(Format::Table, 60, &wide(9, "v"));
    assert!(text.contains("| column_0 | column_1 | column_2 | … | column_7 | column_8 |"), "{text}");
    assert!(text.ends_with("(5 of 9 columns fit; \\x shows all)\n"), "{text}");
    let text = on_a_terminal(Format::Table, 60, &wide(1, &"v".repeat(99)));
    assert!(text.contains("…") && text.ends_with("(long values are cut; \\x shows them whole)\n"), "{text}");
    assert!(!on_a_terminal(Format::Table, 60, &wide(2, "v")).contains('('));
    assert!(on_a_terminal(Format::Table, 60, &wide(1, "a\u{1b}[31mb")).contains("a\u{fffd}[31mb"));
}

#[test]
fn expanded_rows_have_a_line_for_each_column() {
    let look = Look { expanded: Expanded::On, ..Look::new(Format::Table) };
    let mut encoder = encoder(&look, batch().schema()).unwrap();
    let mut text = Vec::new();
    encoder.rows(&batch().slice(1, 2), &mut text).unwrap();
    encoder.end(&mut text).unwrap();
    let lines = [
        "-[ 1 ]-",
        "n    | NULL",
        "word | say \"hi\", ü",
        "f    | 12.0",
        "list | NULL",
        "-[ 2 ]-",
        "n    | -300",
        "word | NULL",
        "f    | 1e30",
        "list | NULL",
    ];
    assert_eq!(String::from_utf8(text).unwrap().lines().collect::<Vec<_>>(), lines);
    let auto = Look { expanded: Expanded::Auto, width: Some(30), ..Look::new(Format::Box) };
    let is_expanded = |batch: &RecordBatch| {
        let mut text = Vec::new();
        super::encoder(&auto, batch.schema()).unwrap().rows(batch, &mut text).unwrap();
        text.starts_with(b"-[ 1 ]")
    };
    assert!(is_expanded(&wide(9, "v")) && !is_expanded(&wide(2, "v")));
}

#[test]
fn markdown_and_html_escape_what_would_be_markup() {
    let odd = RecordBatch::try_from_iter([
        ("a|b", Arc::new(StringArray::from(vec![Some("<x> & \n*y*"), None])) as ArrayRef),
        ("n", Arc::new(Int64Array::from(vec![1, 2]))),
    ])
    .unwrap();
    let print = |format: Format| {
        let mut encoder = encoder(&Look::new(format), odd.schema()).unwrap();
        let mut text = Vec::new();
        encoder.rows(&odd, &mut text).unwrap();
        encoder.end(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    };
    let markdown = "| a\\|b | n |\n|---|---:|\n| \\<x\\> & <br>\\*y\\* | 1 |\n| NULL | 2 |\n";
    assert_eq!(print(Format::Markdown), markdown);
    let html = "<table>\n<thead><tr><th>a|b</th><th>n</th></tr></thead>\n<tbody>\n\
                <tr><td>&lt;x&gt; &amp; \n*y*</td><td align=\"right\">1</td></tr>\n\
                <tr><td><i>NULL</i></td><td align=\"right\">2</td></tr>\n</tbody>\n</table>\n";
    assert_eq!(print(Format::Html), html);
    let jsonl = "{\"a|b\":\"<x> & \\n*y*\",\"n\":1}\n{\"a|b\":null,\"n\":2}\n";
    assert_eq!(print(Format::Jsonl), jsonl);
}

#[test]
fn files_of_columns_are_read_again() {
    let print = |format: Format| {
        let mut encoder = encoder(&Look::new(format), batch().schema()).unwrap();
        let mut bytes = Vec::new();
        encoder.rows(&batch().slice(0, 1), &mut bytes).unwrap();
        encoder.rows(&batch().slice(1, 2), &mut bytes).unwrap();
        encoder.end(&mut bytes).unwrap();
        bytes
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.parquet");
    std::fs::write(&file, print(Format::Parquet)).unwrap();
    let opened = std::fs::File::open(&file).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(opened, 100).unwrap();
    let rows: Vec<_> = reader.collect::<Result<_, _>>().unwrap();
    assert_eq!(rows, [batch()]);
    let bytes = std::io::Cursor::new(print(Format::Arrow));
    let rows: Vec<_> = arrow::ipc::reader::FileReader::try_new(bytes, None).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(arrow::compute::concat_batches(&batch().schema(), &rows).unwrap(), batch());
}
