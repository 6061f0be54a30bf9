//! `\dn`, `\dt`, `\d`, `.schema` and `\c`: what is there.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::display::array_value_to_string;
use icelift::{Engine, Error, ErrorKind, TableDescription};

use super::Shell;
use super::commands::wrong;
use crate::args::Format;
use crate::exit::Stop;
use crate::ui;

/// A name or pattern with what short names lack; `None` in the place of what is not said.
fn parts(home: &[String], engine: &Engine, text: &str) -> [Option<String>; 3] {
    let mut parts = cut(text);
    let attached = |name: &str| engine.catalogs().iter().any(|catalog| catalog.name == name);
    let is_full = parts.len() >= 3 || parts.first().is_some_and(|first| attached(first) || first.contains('*'));
    if !is_full {
        let missing = 3_usize.saturating_sub(parts.len());
        let mut full: Vec<_> = home.iter().take(missing).cloned().collect();
        // A name of one part needs catalog and schema, one of two a catalog.
        if full.len() == missing {
            full.extend(parts);
            parts = full;
        }
    }
    let [first, middle, last] = match parts.len() {
        0 => [None, None, None],
        1 if attached(&parts[0]) => [Some(parts[0].clone()), None, None],
        1 => [None, None, Some(parts[0].clone())],
        2 if attached(&parts[0]) => [Some(parts[0].clone()), Some(parts[1].clone()), None],
        2 => [None, Some(parts[0].clone()), Some(parts[1].clone())],
        count => [Some(parts[0].clone()), Some(parts[1..count - 1].join(".")), Some(parts[count - 1].clone())],
    };
    [first, middle, last]
}

/// Cuts a name at its dots, except for those in quotes; what is not quoted is lower case.
fn cut(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut quoted) = (Vec::new(), String::new(), false);
    for ch in text.chars() {
        match ch {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(std::mem::take(&mut part)),
            ch if quoted => part.push(ch),
            ch => part.extend(ch.to_lowercase()),
        }
    }
    parts.push(part);
    parts.retain(|part| !part.is_empty());
    parts
}

/// A part of a name as a statement says it.
fn quoted(part: &str) -> String {
    let plain = part.chars().all(|ch| ch.is_ascii_lowercase() || ch.is_ascii_digit() || ch == '_');
    let starts = part.chars().next().is_some_and(|ch| !ch.is_ascii_digit());
    if plain && starts { part.to_owned() } else { format!("\"{}\"", part.replace('"', "\"\"")) }
}

/// The full name of a table that a short one means.
fn full_name(home: &[String], engine: &Engine, text: &str) -> Option<String> {
    let [Some(catalog), Some(schema), Some(table)] = parts(home, engine, text) else { return None };
    Some([catalog, schema, table].iter().map(|part| quoted(part)).collect::<Vec<_>>().join("."))
}

/// Whether a name fits a pattern of `*` and `?`.
fn fits(pattern: &str, name: &str) -> bool {
    fn rest(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some(('*', more)), _) if more.first() == Some(&'*') => rest(more, name),
            (Some(('*', more)), None) => rest(more, name),
            (Some(('*', more)), Some((_, behind))) => rest(more, name) || rest(pattern, behind),
            (Some(('?', more)), Some((_, behind))) => rest(more, behind),
            (Some((ch, more)), Some((found, behind))) => ch == found && rest(more, behind),
            _ => false,
        }
    }
    let lower = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
    rest(&lower(pattern), &lower(name))
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

impl Shell {
    /// Prints the answer to a statement of the shell's own.
    pub(super) async fn rows_of(&mut self, sql: &str) -> Result<(), Stop> {
        self.runner.show(sql).await.map(|_| ())
    }

    pub(super) async fn list_schemas(&mut self, catalog: Option<&str>) -> Result<(), Stop> {
        let catalog = catalog.map(str::to_owned).or_else(|| self.home.first().cloned());
        let from = catalog.map(|catalog| format!(" FROM {}", quoted(&catalog))).unwrap_or_default();
        self.rows_of(&format!("SHOW SCHEMAS{from}")).await
    }

    /// Waits for the catalogs that a name may mean.
    async fn attach_for(&mut self, name: Option<&str>) -> Result<(), Stop> {
        self.runner.attach_named(name.filter(|name| !is_pattern(name)).unwrap_or("SHOW")).await
    }

    pub(super) async fn list_tables(&mut self, pattern: Option<&str>) -> Result<(), Stop> {
        self.attach_for(pattern).await?;
        let engine = self.runner.engine.clone();
        let wanted = match pattern {
            Some(pattern) => parts(&self.home, &engine, pattern),
            None => [self.home.first().cloned(), self.home.get(1).cloned(), None],
        };
        let found = self.runner.on_workers(async move { Ok(listed(&engine, wanted).await?) }).await?;
        let column = |of: fn(&Listed) -> &String| StringArray::from_iter_values(found.iter().map(of));
        let columns = [
            ("catalog", column(|it| &it.0)),
            ("schema", column(|it| &it.1)),
            ("table", column(|it| &it.2)),
            ("type", column(|it| &it.3)),
        ];
        self.runner.print(batch(&columns)?).await
    }

    pub(super) async fn describe(&mut self, name: Option<&str>) -> Result<(), Stop> {
        let Some(name) = name.filter(|name| !is_pattern(name)) else { return self.list_tables(name).await };
        self.attach_for(Some(name)).await?;
        let engine = self.runner.engine.clone();
        let Some(full) = full_name(&self.home, &engine, name) else { return self.list_tables(Some(name)).await };
        let described = self.runner.on_workers(async move { Ok(engine.describe(&full).await?) }).await?;
        self.runner.print(columns(&described)?).await?;
        if matches!(self.runner.output.look.format, Format::Box | Format::Table) {
            self.runner.output.line(&rest(&described)).await?;
        }
        Ok(())
    }

    pub(super) async fn show_create(&mut self, name: &str) -> Result<(), Stop> {
        self.attach_for(Some(name)).await?;
        let full = full_name(&self.home, &self.runner.engine, name).unwrap_or_else(|| name.to_owned());
        let batches = self.runner.collect(&format!("SHOW CREATE TABLE {full}")).await?;
        let statement = batches.first().and_then(|batch| array_value_to_string(batch.column(1), 0).ok());
        self.runner.output.line(&format!("{};\n", statement.unwrap_or_default())).await
    }

    /// Sets where short names are looked up, in DataFusion too.
    pub(super) async fn connect(&mut self, name: Option<&str>) -> Result<(), Stop> {
        if let Some(name) = name {
            self.attach_for(Some(name)).await?;
        }
        let engine = &self.runner.engine;
        match name {
            None => {
                let home = if self.home.is_empty() { "nowhere in particular".to_owned() } else { self.home.join(".") };
                ui::say(&format!("short names are looked up in {home}"));
                return Ok(());
            }
            Some("-") => self.home.clear(),
            Some(name) => {
                let parts = cut(name);
                let [catalog, schema @ ..] = parts.as_slice() else { return Err(wrong("a catalog is expected")) };
                if !engine.catalogs().iter().any(|known| known.name == *catalog) {
                    let error = Error::new(ErrorKind::NotFound, format!("no catalog `{catalog}` is attached"));
                    return Err(error.hint("\\l lists those that are").into());
                }
                self.home =
                    std::iter::once(catalog.clone()).chain((!schema.is_empty()).then(|| schema.join("."))).collect();
            }
        }
        let catalog = self.home.first().map_or("datafusion", String::as_str);
        let schema = self.home.get(1).map_or("public", String::as_str);
        for (key, value) in [("default_catalog", catalog), ("default_schema", schema)] {
            let sql = format!("SET datafusion.catalog.{key} = '{}'", value.replace('\'', "''"));
            self.runner.collect(&sql).await?;
        }
        Ok(())
    }
}

type Listed = (String, String, String, String);

/// The tables that fit, by catalog and schema. A catalog or schema is asked for only where it fits.
async fn listed(engine: &Engine, wanted: [Option<String>; 3]) -> icelift::Result<Vec<Listed>> {
    let [catalog, schema, table] = wanted;
    let may = |pattern: &Option<String>, name: &str| pattern.as_ref().is_none_or(|pattern| fits(pattern, name));
    let mut found = Vec::new();
    for known in engine.catalogs().into_iter().filter(|known| may(&catalog, &known.name)) {
        for namespace in engine.namespaces(&known.name).await?.into_iter().filter(|name| may(&schema, name)) {
            let tables = engine.tables(&known.name, &namespace).await?;
            let tables = tables.into_iter().filter(|(name, _)| may(&table, name));
            found.extend(tables.map(|(name, kind)| (known.name.clone(), namespace.clone(), name, kind)));
        }
    }
    found.sort();
    Ok(found)
}

fn batch(columns: &[(&str, StringArray)]) -> Result<RecordBatch, Stop> {
    let fields: Vec<_> = columns.iter().map(|(name, _)| Field::new(*name, DataType::Utf8, true)).collect();
    let values = columns.iter().map(|(_, values)| Arc::new(values.clone()) as ArrayRef).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), values)
        .map_err(|source| Error::new(ErrorKind::Internal, "the answer makes no table").source(source).into())
}

fn columns(table: &TableDescription) -> Result<RecordBatch, Stop> {
    let columns = &table.columns;
    let text = |of: &dyn Fn(usize) -> Option<String>| (0..columns.len()).map(of).collect::<StringArray>();
    batch(&[
        ("column", text(&|at| Some(columns[at].name.clone()))),
        ("type", text(&|at| Some(columns[at].data_type.clone()))),
        ("null", text(&|at| Some(if columns[at].required { "no" } else { "yes" }.to_owned()))),
        ("partition", text(&|at| Some(columns[at].partitioning.clone().unwrap_or_default()))),
        ("comment", text(&|at| Some(columns[at].comment.clone().unwrap_or_default()))),
    ])
}

/// What is known of a table beside its columns.
fn rest(table: &TableDescription) -> String {
    let listed = |fields: &[String]| if fields.is_empty() { "nothing".to_owned() } else { fields.join(", ") };
    let mut lines = vec![
        ("table", table.name.clone()),
        ("partitioned by", listed(&table.partitioned_by)),
        ("sorted by", listed(&table.sorted_by)),
        ("format version", table.format_version.to_string()),
        ("location", table.location.clone()),
    ];
    match &table.snapshot {
        None => lines.push(("snapshot", "none, the table is empty".to_owned())),
        Some(snapshot) => {
            let time = TimestampMillisecondArray::from(vec![snapshot.milliseconds]).with_timezone("+00:00");
            let time = array_value_to_string(&time, 0).unwrap_or_default();
            let kept = ui::counted(table.snapshots as u64, "snapshot");
            lines.push(("snapshot", format!("{}, {} at {time}; {kept} kept", snapshot.id, snapshot.operation)));
            let figure = |number: Option<u64>, what: &str| number.map(|number| ui::counted(number, what));
            let deletes = snapshot.delete_files.filter(|count| *count > 0);
            let size = [
                figure(snapshot.rows, "row"),
                figure(snapshot.data_files, "data file"),
                figure(deletes, "delete file"),
                snapshot.bytes.map(ui::bytes),
            ];
            let size: Vec<_> = size.into_iter().flatten().collect();
            lines.push(("size", if size.is_empty() { "not told by the snapshot".to_owned() } else { size.join(", ") }));
        }
    }
    let mut text: String = lines.iter().map(|(name, value)| format!("{name:<15} {value}\n")).collect();
    for (at, (key, value)) in table.properties.iter().enumerate() {
        text.push_str(&format!("{:<15} {key} = {value}\n", if at == 0 { "properties" } else { "" }));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        assert!(fits("*", "a") && fits("d*_Stats", "drive_stats") && fits("t?", "t1") && fits("", ""));
        assert!(!fits("t?", "t") && !fits("a*b", "abc") && !fits("", "a"));
        assert!(fits("a**b", "axxb"));
    }

    #[test]
    fn names_are_cut_at_dots() {
        assert_eq!(cut("R2.\"My.Schema\".T"), ["r2", "My.Schema", "t"]);
        assert_eq!(cut(""), Vec::<String>::new());
        assert_eq!(["a_1", "1a", "A", "a.b"].map(quoted), ["a_1", "\"1a\"", "\"A\"", "\"a.b\""]);
    }
}
