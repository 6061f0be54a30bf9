//! PyIceberg's configuration, read as PyIceberg reads it: one `.pyiceberg.yaml`, and `PYICEBERG_CATALOG__NAME__KEY` above it.
//!
//! What must hold: its values are text, whatever YAML would take them for; a file that makes no sense is an error with its
//! line and without its words. Catalogs that icelift has no type for are left out with the reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use icelift::{Error, ErrorKind};
use yaml_rust2::parser::{Event, Parser};
use yaml_rust2::scanner::Marker;

use super::layer::{Catalog, Layer, Value};
use crate::exit::{Place, Problem};

const FILE: &str = ".pyiceberg.yaml";
const PREFIX: &str = "pyiceberg_catalog__";
/// Deeper than any property goes.
const DEPTH: usize = 16;
/// Properties about Python, which nothing here depends on.
const OF_PYTHON: [&str; 6] = [
    "py-io-impl",
    "py-catalog-impl",
    "py-location-provider-impl",
    "init_catalog_tables",
    "downcast-ns-timestamp-to-us-on-write",
    "echo",
];

/// The file that PyIceberg would read: the first that is there and not empty.
pub fn file(environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let folder = |name: &str| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folders = [folder("PYICEBERG_HOME"), folder("HOME"), Some(PathBuf::new())];
    let holds_something =
        |file: &PathBuf| std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.len() > 0);
    folders.into_iter().flatten().map(|folder| folder.join(FILE)).find(holds_something)
}

/// Reads the file.
pub fn read(file: &Path) -> Result<Layer, Problem> {
    let label = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|source| Problem {
        place: Some(label.clone().into()),
        error: Error::new(ErrorKind::Config, "PyIceberg's configuration cannot be read").source(source),
    })?;
    Ok(Layer { catalogs: catalogs(&label, &text)?, ..Layer::default() })
}

/// What the environment says of catalogs.
pub fn environment(variables: &BTreeMap<String, String>) -> Layer {
    let mut catalogs: BTreeMap<String, Catalog> = BTreeMap::new();
    for (variable, value) in variables {
        let lower = variable.to_lowercase();
        let Some((name, key)) = lower.strip_prefix(PREFIX).and_then(|rest| rest.split_once("__")) else { continue };
        let place = Place::from(variable.clone());
        let name = name.replace('_', "-");
        let catalog = catalogs.entry(name.clone()).or_insert_with(|| foreign(name, place.clone()));
        catalog.options.insert(key.replace("__", ".").replace('_', "-"), Value::new(value, place));
    }
    Layer { catalogs: catalogs.into_values().collect(), ..Layer::default() }
}

fn foreign(name: String, place: Place) -> Catalog {
    Catalog { is_foreign: true, ..Catalog::new(name, place) }
}

/// The catalogs of a file. Other keys concern PyIceberg alone.
fn catalogs(label: &str, text: &str) -> Result<Vec<Catalog>, Problem> {
    let problem = |line: usize, message: &str| Problem {
        place: Some(Place { label: label.to_owned(), line: Some(line) }),
        error: Error::new(ErrorKind::Config, message)
            .hint("PyIceberg's file has `catalog:`, below it names, below them properties"),
    };
    let mut catalogs: BTreeMap<String, Catalog> = BTreeMap::new();
    // The keys that lead to where the reader is, and the one that waits for its value.
    let (mut path, mut key): (Vec<String>, Option<String>) = (Vec::new(), None);
    let mut depth = 0_usize;
    let mut parser = Parser::new_from_str(text);
    loop {
        // Not the error itself: it may tell what stands there.
        let (event, mark): (Event, Marker) =
            parser.next_token().map_err(|error| problem(error.marker().line(), "the file is no YAML"))?;
        match event {
            Event::StreamEnd => return Ok(catalogs.into_values().collect()),
            Event::MappingStart(..) => {
                depth += 1;
                match key.take() {
                    Some(key) => path.push(key),
                    None if depth > 1 => return Err(problem(mark.line(), "a mapping where a value is expected")),
                    None => {}
                }
                if depth > DEPTH {
                    return Err(problem(mark.line(), "mappings are nested too deeply"));
                }
                if let [first, name] = path.as_slice()
                    && first == "catalog"
                {
                    let place = Place { label: label.to_owned(), line: Some(mark.line()) };
                    catalogs.entry(name.clone()).or_insert_with(|| foreign(name.clone(), place));
                }
            }
            Event::MappingEnd => {
                depth = depth.saturating_sub(1);
                path.pop();
            }
            Event::Scalar(text, ..) if depth > 0 => match key.take() {
                None => key = Some(text.to_lowercase()),
                Some(key) => {
                    if let [first, name, rest @ ..] = path.as_slice()
                        && first == "catalog"
                        && let Some(catalog) = catalogs.get_mut(name)
                    {
                        let option = rest.iter().map(|part| format!("{part}.")).collect::<String>() + &key;
                        let place = Place { label: label.to_owned(), line: Some(mark.line()) };
                        catalog.options.insert(option, Value::new(text, place));
                    }
                }
            },
            Event::Scalar(..) | Event::SequenceStart(..) | Event::Alias(_) => {
                return Err(problem(mark.line(), "names and values are expected, found something else"));
            }
            Event::Nothing | Event::StreamStart | Event::DocumentStart | Event::DocumentEnd | Event::SequenceEnd => {}
        }
    }
}

/// Turns the words of PyIceberg into those of ATTACH, or leaves the catalog out.
pub fn translate(catalog: &mut Catalog) {
    catalog.options.retain(|name, _| !OF_PYTHON.contains(&name.as_str()));
    let uri = catalog.text("uri").unwrap_or_default().to_owned();
    let kind = match catalog.text("type") {
        Some(kind) => kind.to_lowercase(),
        // As PyIceberg concludes from the address.
        None if uri.starts_with("http") => "rest".to_owned(),
        None if uri.starts_with("sqlite") || uri.starts_with("postgresql") => "sql".to_owned(),
        None => String::new(),
    };
    let kind = match kind.as_str() {
        "sql" if uri.starts_with("sqlite:///") => {
            local(catalog, uri.trim_start_matches("sqlite:///"));
            "local"
        }
        "sql" => return leave_out(catalog, "an SQL catalog of another database than SQLite"),
        known @ ("rest" | "glue") => known,
        "" => return leave_out(catalog, "it has no `type`, and none follows from its `uri`"),
        _ => return leave_out(catalog, "icelift has no such type of catalog"),
    };
    if let Some(value) = catalog.options.remove("s3.force-virtual-addressing") {
        let path_style = if value.text.eq_ignore_ascii_case("true") { "false" } else { "true" };
        let value = Value { text: path_style.to_owned(), ..value };
        catalog.options.entry("s3.path-style-access".to_owned()).or_insert(value);
    }
    let place = catalog.options.get("type").map_or_else(|| catalog.place.clone(), |value| value.place.clone());
    catalog.options.insert("type".to_owned(), Value::new(kind, place));
}

/// SQLAlchemy's addresses have a slash before the path, and PyIceberg's databases the name of the catalog in them.
fn local(catalog: &mut Catalog, file: &str) {
    if let Some(uri) = catalog.options.get_mut("uri") {
        uri.text = file.to_owned();
    }
    let name = Value::new(catalog.name.clone(), catalog.place.clone());
    catalog.options.entry("catalog-name".to_owned()).or_insert(name);
}

fn leave_out(catalog: &mut Catalog, why: &str) {
    catalog.left_out = Some(why.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(catalog: &Catalog) -> Vec<String> {
        catalog.options.iter().map(|(name, value)| format!("{name}={}", value.text)).collect()
    }

    #[test]
    fn a_file_is_text_all_the_way_down() {
        let text = "# mine\ndefault-catalog: R2\ncatalog:\n  R2:\n    URI: https://x/y\n    token: 'a: b # c'\n    \
                    s3.path-style-access: yes\n    ssl:\n      cabundle: \"ca.pem\"\n    page: 0x10 # sixteen\n  g: {type: glue}\n";
        let found = catalogs("y", text).unwrap();
        assert_eq!(found.iter().map(|catalog| catalog.name.as_str()).collect::<Vec<_>>(), ["g", "r2"]);
        let expected =
            ["page=0x10", "s3.path-style-access=yes", "ssl.cabundle=ca.pem", "token=a: b # c", "uri=https://x/y"];
        assert_eq!(options(&found[1]), expected);
        assert_eq!(found[1].options["token"].place.line, Some(6));
    }

    #[test]
    fn what_is_no_such_file_is_told_by_its_line() {
        for text in [
            "catalog:\n  r2:\n    token: [s3cret]\n",
            "catalog:\n  r2:\n    token: \"s3cret\n",
            "catalog:\n  r2: *s3cret\n",
            "- s3cret",
            "s3cret",
            &"{a: ".repeat(100_000),
        ] {
            let problem = catalogs("y", text).unwrap_err();
            assert!(problem.place.and_then(|place| place.line).is_some());
            assert!(!format!("{} {:?}", problem.error, problem.error).contains("s3cret"), "{}", problem.error);
        }
    }

    #[test]
    fn variables_are_cut_as_pyiceberg_cuts_them() {
        let variables = [
            ("PYICEBERG_CATALOG__MY_CAT__S3__ACCESS_KEY_ID", "k"),
            ("pyiceberg_catalog__my_cat__uri", "http://x"),
            ("PYICEBERG_MAX_WORKERS", "3"),
            ("PYICEBERG_CATALOG__DEFAULT", "x"),
        ];
        let layer = environment(&variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!(layer.catalogs.len(), 1);
        assert_eq!(layer.catalogs[0].name, "my-cat");
        assert_eq!(options(&layer.catalogs[0]), ["s3.access-key-id=k", "uri=http://x"]);
    }

    #[test]
    fn types_are_translated_or_left_out() {
        let translated = |options: &[(&str, &str)]| {
            let place = Place::from("y".to_owned());
            let mut catalog = foreign("c".to_owned(), place.clone());
            let given = options.iter().map(|(name, text)| ((*name).to_owned(), Value::new(*text, place.clone())));
            catalog.options.extend(given);
            translate(&mut catalog);
            (catalog.left_out.is_some(), super::tests::options(&catalog))
        };
        let sql = [("type", "sql"), ("uri", "sqlite:////a/b.db"), ("py-io-impl", "x"), ("warehouse", "w")];
        let expected = ["catalog-name=c", "type=local", "uri=/a/b.db", "warehouse=w"];
        assert_eq!(translated(&sql), (false, expected.map(str::to_owned).to_vec()));
        assert_eq!(translated(&[("uri", "https://x")]).1, ["type=rest", "uri=https://x"]);
        for left_out in [[("type", "hive")], [("uri", "thrift://x")], [("uri", "postgresql://x")]] {
            assert!(translated(&left_out).0, "{left_out:?}");
        }
    }
}
