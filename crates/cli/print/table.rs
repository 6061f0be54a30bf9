//! `--format table` and `box`: numbers on the right, and on a terminal no line is wider than it.
//!
//! The width of a column is known once its values are, so rows are kept back for a page; a longer result comes as several
//! tables, and none of its rows is left out. Where a table is wider than the terminal, long values are cut, then columns in the
//! middle are left out, and a note says so.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use unicode_width::UnicodeWidthStr;

use super::{Encode, Look, is_number, texts};
use crate::args::Format;

const PAGE_ROWS: usize = 4096;
/// How much of a value is shown where the table would be too wide.
const CUT_WIDTH: usize = 32;
/// What a column is at least taken to be wide before its values are known.
const LEAST_WIDTH: usize = 8;

pub struct Pages {
    schema: SchemaRef,
    look: Look,
    kept: Vec<RecordBatch>,
    kept_rows: usize,
    is_first: bool,
}

/// Whether rows of this schema will hardly fit into the terminal.
pub fn is_too_wide(schema: &SchemaRef, look: &Look) -> bool {
    let width: usize = schema.fields().iter().map(|field| field.name().width().max(LEAST_WIDTH) + 3).sum();
    look.width.is_some_and(|columns| width + 1 > columns)
}

impl Pages {
    pub fn new(schema: SchemaRef, look: &Look) -> Self {
        Self { schema, look: look.clone(), kept: Vec::new(), kept_rows: 0, is_first: true }
    }

    fn page(&mut self, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        let page = concat_batches(&self.schema, &self.kept)?;
        self.kept.clear();
        self.kept_rows = 0;
        self.is_first = false;
        let mut columns = columns(&page, &self.look)?;
        let note = self.look.width.and_then(|width| fit(&mut columns, width));
        let signs = if self.look.format == Format::Box { &BOX } else { &ASCII };
        draw(&columns, page.num_rows(), signs, text);
        if let Some(note) = note {
            text.extend_from_slice(note.as_bytes());
        }
        Ok(())
    }
}

impl Encode for Pages {
    fn rows(&mut self, batch: &RecordBatch, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        let mut from = 0;
        while from < batch.num_rows() {
            let rows = (PAGE_ROWS - self.kept_rows).min(batch.num_rows() - from);
            self.kept.push(batch.slice(from, rows));
            self.kept_rows += rows;
            from += rows;
            if self.kept_rows == PAGE_ROWS {
                self.page(text)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, text: &mut Vec<u8>) -> Result<(), ArrowError> {
        match self.is_first || self.kept_rows > 0 {
            true => self.page(text),
            false => Ok(()),
        }
    }
}

/// A column of a page.
struct Column {
    name: String,
    /// The lines of each value.
    values: Vec<Vec<String>>,
    on_the_right: bool,
    width: usize,
}

impl Column {
    fn measure(&mut self) {
        let lines = self.values.iter().flatten().map(|line| line.width());
        self.width = lines.chain([self.name.width()]).max().unwrap_or_default();
    }

    fn cut(&mut self, width: usize) {
        let lines = self.values.iter_mut().flatten().chain([&mut self.name]);
        lines.filter(|line| line.width() > width).for_each(|line| *line = cut(line, width));
        self.measure();
    }
}

fn columns(page: &RecordBatch, look: &Look) -> Result<Vec<Column>, ArrowError> {
    let schema = page.schema();
    let columns = schema.fields().iter().zip(page.columns()).map(|(field, values)| {
        let values = texts(values, Some(&look.null))?;
        let on_a_terminal = look.width.is_some();
        let lines = |value: &str| -> Vec<String> {
            if on_a_terminal { value.lines().map(shown).collect() } else { value.lines().map(str::to_owned).collect() }
        };
        let values = values.iter().map(|value| lines(value.unwrap_or_default())).collect();
        let name = if on_a_terminal { shown(field.name()) } else { field.name().clone() };
        let mut column = Column { name, values, on_the_right: is_number(field.data_type()), width: 0 };
        column.measure();
        Ok(column)
    });
    columns.collect()
}

/// Control characters as what they are: a value must not move the cursor.
pub(super) fn shown(text: &str) -> String {
    text.chars().map(|ch| if ch.is_control() { '\u{fffd}' } else { ch }).collect()
}

/// The beginning of a text.
pub(super) fn cut(text: &str, width: usize) -> String {
    let (mut cut, mut used) = (String::new(), 0);
    for ch in text.chars() {
        let wide = ch.to_string().width();
        if used + wide + 1 > width {
            break;
        }
        used += wide;
        cut.push(ch);
    }
    cut + "…"
}

fn total(columns: &[Column]) -> usize {
    columns.iter().map(|column| column.width + 3).sum::<usize>() + 1
}

/// Makes the columns fit; what is left out is noted.
fn fit(columns: &mut Vec<Column>, width: usize) -> Option<String> {
    if total(columns) <= width {
        return None;
    }
    let all = columns.len();
    // The widest first: a few long values are what makes most tables too wide.
    while total(columns) > width {
        let Some(widest) = columns.iter_mut().filter(|it| it.width > CUT_WIDTH).max_by_key(|it| it.width) else {
            break;
        };
        let excess = widest.width.saturating_sub(CUT_WIDTH);
        let target = widest.width - excess.min(excess / 2 + 1);
        widest.cut(target.max(CUT_WIDTH));
    }
    let mut left_out = 0;
    if total(columns) > width {
        let rows = columns.first().map_or(0, |column| column.values.len());
        let gap = Column { name: "…".into(), values: vec![vec!["…".into()]; rows], on_the_right: false, width: 1 };
        let mut right = columns.split_off(columns.len().div_ceil(2));
        let mut left = std::mem::take(columns);
        while total(&left) + total(&right) + 3 > width && left.len() + right.len() > 2 {
            if left.len() > right.len() {
                drop(left.pop())
            } else {
                drop(right.remove(0))
            };
            left_out += 1;
        }
        columns.append(&mut left);
        if left_out > 0 {
            columns.push(gap);
        }
        columns.append(&mut right);
    }
    // Two columns may still be too wide.
    while total(columns) > width {
        let Some(widest) = columns.iter_mut().max_by_key(|it| it.width).filter(|it| it.width > 3) else { break };
        let narrower = widest.width - 1;
        widest.cut(narrower);
    }
    let shown = all - left_out;
    Some(match left_out {
        0 => "(long values are cut; \\x shows them whole)\n".to_owned(),
        _ => format!("({shown} of {all} columns fit; \\x shows all)\n"),
    })
}

/// What tables are drawn with: corners and crossings of the upper, middle and lower rule, then `─` and `│`.
struct Signs {
    rules: [[&'static str; 3]; 3],
    across: &'static str,
    down: &'static str,
}

const ASCII: Signs = Signs { rules: [["+", "+", "+"]; 3], across: "-", down: "|" };
const BOX: Signs =
    Signs { rules: [["┌", "┬", "┐"], ["├", "┼", "┤"], ["└", "┴", "┘"]], across: "─", down: "│" };

fn draw(columns: &[Column], rows: usize, signs: &Signs, text: &mut Vec<u8>) {
    let [upper, middle, lower] = &signs.rules;
    rule(columns, upper, signs, text);
    line(columns, |column| column.name.as_str(), signs, text);
    rule(columns, middle, signs, text);
    for row in 0..rows {
        let height = columns.iter().map(|column| column.values[row].len()).max().unwrap_or_default().max(1);
        for part in 0..height {
            line(columns, |column| column.values[row].get(part).map_or("", String::as_str), signs, text);
        }
    }
    rule(columns, lower, signs, text);
}

fn rule(columns: &[Column], [left, cross, right]: &[&str; 3], signs: &Signs, text: &mut Vec<u8>) {
    let parts: Vec<_> = columns.iter().map(|column| signs.across.repeat(column.width + 2)).collect();
    text.extend_from_slice(format!("{left}{}{right}\n", parts.join(*cross)).as_bytes());
}

fn line<'c>(columns: &'c [Column], value: impl Fn(&'c Column) -> &'c str, signs: &Signs, text: &mut Vec<u8>) {
    for column in columns {
        let value = value(column);
        let blanks = " ".repeat(column.width.saturating_sub(value.width()));
        let (before, after) = if column.on_the_right { (blanks.as_str(), "") } else { ("", blanks.as_str()) };
        text.extend_from_slice(format!("{} {before}{value}{after} ", signs.down).as_bytes());
    }
    text.extend_from_slice(format!("{}\n", signs.down).as_bytes());
}
