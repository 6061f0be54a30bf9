//! What may come next: the words that fit what stands before the cursor.

use icelift::vocabulary;

use super::names::{Names, Wanted};
use super::words::{ATTACH_OPTIONS, KEYWORDS, TYPES};
use crate::args::Format;
use crate::meta::{self, Action};

/// What is offered, for which part of the text.
#[derive(Debug, PartialEq, Eq)]
pub struct Offer {
    /// Where what is replaced begins, in bytes.
    pub from: usize,
    pub words: Vec<String>,
    /// Whether the rest is a path, for which the editor knows better.
    pub is_path: bool,
}

/// Where names come from.
pub trait Source {
    fn catalogs(&self) -> Vec<String>;
    fn functions(&self) -> Vec<String>;
    fn variables(&self) -> Vec<String>;
    fn of(&self, wanted: &Wanted) -> Vec<String>;
}

/// The names of the session, and the variables of the shell.
pub struct Session<'a> {
    pub names: &'a Names,
    pub functions: &'a [String],
    pub variables: &'a [String],
}

impl Source for Session<'_> {
    fn catalogs(&self) -> Vec<String> {
        self.names.catalogs()
    }

    fn functions(&self) -> Vec<String> {
        self.functions.to_vec()
    }

    fn variables(&self) -> Vec<String> {
        self.variables.to_vec()
    }

    fn of(&self, wanted: &Wanted) -> Vec<String> {
        self.names.of(wanted).as_ref().clone()
    }
}

/// What fits at the end of `text`, which is what stands before the cursor.
pub fn offer(text: &str, source: &impl Source) -> Offer {
    let start = text.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(start..).unwrap_or_default();
    let begins_line = crate::script::items(text.get(..start).unwrap_or_default()).is_ok();
    if begins_line && line.starts_with(['\\', '.']) {
        return command(text, start, line, source);
    }
    if is_open(text) {
        return Offer { from: text.len(), words: Vec::new(), is_path: false };
    }
    statement(text, source)
}

fn command(text: &str, start: usize, line: &str, source: &impl Source) -> Offer {
    let Some(space) = line.find(char::is_whitespace) else {
        let names = meta::COMMANDS.iter().flat_map(|command| command.names).map(|name| (*name).to_owned());
        return fitting(line, start, names.filter(|name| name.starts_with(line)).collect());
    };
    let typed = line.rfind(char::is_whitespace).map_or(line, |at| line.get(at + 1..).unwrap_or_default());
    let from = text.len() - typed.len();
    let Some(command) = meta::find(line.get(..space).unwrap_or_default()) else {
        return fitting(typed, from, Vec::new());
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    match command.action {
        Action::Include | Action::IncludeRelative | Action::Output | Action::Edit | Action::Go | Action::GoExpanded => {
            Offer { from, words: Vec::new(), is_path: true }
        }
        Action::Mode => fitting(typed, from, Format::names()),
        Action::Expanded => fitting(typed, from, words(&["on", "off", "auto"])),
        Action::Timing | Action::Pager => fitting(typed, from, words(&["on", "off"])),
        Action::Help => {
            let names =
                meta::COMMANDS.iter().filter_map(|command| command.names.first()).map(|name| (*name).to_owned());
            fitting(typed, from, names.collect())
        }
        Action::Set | Action::Unset => fitting(typed, from, source.variables()),
        Action::Schemas => fitting(typed, from, source.catalogs()),
        Action::Tables | Action::Describe | Action::ShowCreate | Action::Connect => name(text, source),
        _ => fitting(typed, from, Vec::new()),
    }
}

fn statement(text: &str, source: &impl Source) -> Offer {
    let (from, typed) = last_word(text);
    let before = text.get(..from).unwrap_or_default();
    if before.ends_with(':') && !before.ends_with("::") {
        return fitting(typed, from, source.variables());
    }
    let begin = before.rfind(';').map_or(0, |at| at + 1);
    let words = words_of(before.get(begin..).unwrap_or_default());
    let first = words.first().map(String::as_str).unwrap_or_default();
    let in_brackets = open_brackets(before.get(begin..).unwrap_or_default()) > 0;
    match first {
        "attach" if words.last().is_some_and(|word| word == "type") => {
            return fitting(typed, from, TYPES.iter().map(|word| (*word).to_owned()).collect());
        }
        "attach" if in_brackets => {
            let (from, typed) = option_word(text);
            let quoted = |option: &&str| {
                if option.contains(['.', '-']) { format!("\"{option}\"") } else { (*option).to_owned() }
            };
            return fitting(typed, from, ATTACH_OPTIONS.iter().map(quoted).collect());
        }
        "migrate" | "explain"
            if in_brackets && words.iter().any(|word| word == "with") && words.iter().any(|word| word == "migrate") =>
        {
            let names = vocabulary::migrate_options().into_iter().map(str::to_owned);
            return fitting(typed, from, names.collect());
        }
        "call" if in_brackets => {
            let called = words.iter().find_map(|word| word.rsplit('.').next().filter(|_| word.contains(".system.")));
            let procedures = vocabulary::procedures();
            let procedure = procedures.iter().find(|known| Some(known.name) == called);
            let arguments = procedure.map(|it| it.arguments.iter().map(|name| format!("{name} => ")).collect());
            return fitting(typed, from, arguments.unwrap_or_default());
        }
        _ => {}
    }
    if typed.contains('.') {
        return dotted(text, from, typed, first == "call", &words_of(text.get(begin..).unwrap_or_default()), source);
    }
    let mut offered = columns_of(&words_of(text.get(begin..).unwrap_or_default()), source);
    offered.extend(source.catalogs());
    offered.extend(source.functions());
    let lower = typed.chars().any(|ch| ch.is_ascii_lowercase()) && !typed.chars().any(|ch| ch.is_ascii_uppercase());
    let keyword = |word: &&str| if lower { word.to_ascii_lowercase() } else { (*word).to_owned() };
    offered.extend(KEYWORDS.iter().map(keyword));
    fitting(typed, from, offered)
}

/// A name of three parts at the end of a command.
fn name(text: &str, source: &impl Source) -> Offer {
    let (from, typed) = last_word(text);
    match typed.contains('.') {
        true => dotted(text, from, typed, false, &[], source),
        false => fitting(typed, from, source.catalogs()),
    }
}

/// `catalog.schema.table.column`, or `alias.column`.
fn dotted(text: &str, from: usize, typed: &str, calls: bool, words: &[String], source: &impl Source) -> Offer {
    let parts: Vec<&str> = typed.split('.').collect();
    let (last, heads) = parts.split_last().map_or(("", &[][..]), |(last, heads)| (*last, heads));
    let from = from + typed.len() - last.len();
    let bare = |part: &str| part.trim_matches('"').to_owned();
    let offered = match heads {
        [catalog] if source.catalogs().contains(&bare(catalog)) => {
            let mut schemas = source.of(&Wanted::Schemas(bare(catalog)));
            if calls {
                schemas.insert(0, "system".to_owned());
            }
            schemas
        }
        [_, system] if calls && *system == "system" => {
            vocabulary::procedures().into_iter().map(|it| format!("{}(", it.name)).collect()
        }
        [catalog, schema] if source.catalogs().contains(&bare(catalog)) => {
            source.of(&Wanted::Tables(bare(catalog), bare(schema)))
        }
        [catalog, _, _] if source.catalogs().contains(&bare(catalog)) => source.of(&Wanted::Columns(heads.join("."))),
        [alias] => match aliased(words, alias) {
            Some(table) => source.of(&Wanted::Columns(table)),
            None => Vec::new(),
        },
        _ => Vec::new(),
    };
    let _ = text;
    let is_name = !matches!(heads, [_, system] if calls && *system == "system");
    fitting(last, from, if is_name { offered.into_iter().map(quoted).collect() } else { offered })
}

/// Names that need quotes get them.
fn quoted(name: String) -> String {
    let plain = name.chars().all(|ch| ch.is_ascii_lowercase() || ch.is_ascii_digit() || ch == '_');
    let starts = name.chars().next().is_some_and(|ch| !ch.is_ascii_digit());
    if plain && starts { name } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// The columns of all tables that the statement names.
fn columns_of(words: &[String], source: &impl Source) -> Vec<String> {
    let catalogs = source.catalogs();
    let is_table = |word: &&String| {
        let catalog = word.split('.').next().unwrap_or_default().trim_matches('"');
        word.matches('.').count() == 2 && !word.ends_with('.') && catalogs.iter().any(|known| known == catalog)
    };
    let tables = words.iter().filter(is_table).take(4);
    tables.flat_map(|table| source.of(&Wanted::Columns(table.clone()))).map(quoted).collect()
}

/// The table that an alias stands for: the word before it, or the one before AS.
fn aliased(words: &[String], alias: &str) -> Option<String> {
    let is_table = |word: &String| word.matches('.').count() >= 2;
    let named = |word: &String| word.rsplit('.').next().is_some_and(|last| last == alias);
    if let Some(table) = words.iter().find(|word| is_table(word) && named(word)) {
        return Some(table.clone());
    }
    let places = words.iter().enumerate().filter(|(_, word)| *word == alias).map(|(at, _)| at);
    let before = |at: usize, back: usize| at.checked_sub(back).and_then(|at| words.get(at));
    let mut tables = places.filter_map(|at| match before(at, 1) {
        Some(word) if word == "as" => before(at, 2).filter(|word| is_table(word)),
        word => word.filter(|word| is_table(word)),
    });
    tables.next().cloned()
}

/// What begins with what was typed; capitals do not matter.
fn fitting(typed: &str, from: usize, words: Vec<String>) -> Offer {
    let lower = typed.trim_start_matches('"').to_lowercase();
    let fits = |word: &String| word.trim_start_matches('"').to_lowercase().starts_with(&lower);
    let mut seen = std::collections::HashSet::new();
    let words = words.into_iter().filter(fits).filter(|word| seen.insert(word.clone())).collect();
    Offer { from, words, is_path: false }
}

/// The name at the end of a text, quotes and dots included.
fn last_word(text: &str) -> (usize, &str) {
    // From the end: a quote that is still open is one to begin with.
    let mut quoted = text.matches('"').count() % 2 == 1;
    let mut from = text.len();
    for (at, ch) in text.char_indices().rev() {
        match ch {
            '"' => quoted = !quoted,
            ch if quoted && ch != '\n' => {}
            ch if ch.is_alphanumeric() || matches!(ch, '_' | '.' | '$') => {}
            _ => break,
        }
        from = at;
    }
    (from, text.get(from..).unwrap_or_default())
}

/// The name of an option at the end of a text: it may have `-` in it.
fn option_word(text: &str) -> (usize, &str) {
    let is_part = |ch: char| ch.is_alphanumeric() || matches!(ch, '_' | '.' | '-' | '"');
    let from = text.char_indices().rev().take_while(|(_, ch)| is_part(*ch)).last().map_or(text.len(), |(at, _)| at);
    (from, text.get(from..).unwrap_or_default())
}

/// The words of a statement; what is not quoted is lower case.
fn words_of(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for ch in text.chars() {
        match (quote, ch) {
            (Some(open), ch) if ch == open => {
                quote = None;
                word.push(ch);
            }
            (Some(_), ch) => word.push(ch),
            (None, '\'' | '"') => {
                quote = Some(ch);
                word.push(ch);
            }
            (None, ch) if ch.is_alphanumeric() || matches!(ch, '_' | '.' | '$') => word.extend(ch.to_lowercase()),
            _ if !word.is_empty() => words.push(std::mem::take(&mut word)),
            _ => {}
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn open_brackets(text: &str) -> usize {
    let (mut open, mut quote) = (0_usize, None);
    for ch in text.chars() {
        match (quote, ch) {
            (Some(begun), ch) if ch == begun => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(ch),
            (None, '(') => open += 1,
            (None, ')') => open = open.saturating_sub(1),
            _ => {}
        }
    }
    open
}

/// Whether the text ends in a string or a comment.
fn is_open(text: &str) -> bool {
    let line = text.rsplit('\n').next().unwrap_or_default();
    let quotes = text.matches('\'').count();
    quotes % 2 == 1 || line.trim_start().starts_with("--") || text.rfind("/*") > text.rfind("*/")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake;

    impl Source for Fake {
        fn catalogs(&self) -> Vec<String> {
            vec!["glue".to_owned(), "r2".to_owned()]
        }

        fn functions(&self) -> Vec<String> {
            vec!["quarter".to_owned(), "sum".to_owned()]
        }

        fn variables(&self) -> Vec<String> {
            vec!["year".to_owned()]
        }

        fn of(&self, wanted: &Wanted) -> Vec<String> {
            let names: &[&str] = match wanted {
                Wanted::Schemas(catalog) if catalog == "r2" => &["default", "Odd"],
                Wanted::Tables(catalog, schema) if catalog == "r2" && schema == "default" => &["drive_stats", "dull"],
                Wanted::Columns(table) if table == "r2.default.dull" => &["date", "serial"],
                _ => &[],
            };
            names.iter().map(|name| (*name).to_owned()).collect()
        }
    }

    #[test]
    fn what_stands_before_tells_what_fits() {
        let cases: [(&str, &[&str]); 25] = [
            ("sel", &["select"]),
            ("SEL", &["SELECT"]),
            ("SELECT qua", &["quarter"]),
            ("SELECT * FROM r", &["r2", "range", "rename", "replace", "right", "rollback", "row", "rows"]),
            ("SELECT * FROM r2.", &["default", "\"Odd\""]),
            ("SELECT * FROM r2.o", &["\"Odd\""]),
            ("SELECT * FROM r2.default.d", &["drive_stats", "dull"]),
            ("SELECT * FROM nope.", &[]),
            ("SELECT * FROM r2.default.dull WHERE ser", &["serial"]),
            ("SELECT * FROM r2.default.dull AS x WHERE x.d", &["date"]),
            ("SELECT * FROM r2.default.dull x WHERE x.", &["date", "serial"]),
            ("SELECT dull.s FROM r2.default.dull WHERE dull.s", &["serial"]),
            ("SELECT 'sel", &[]),
            ("-- sel", &[]),
            ("SELECT :y", &["year"]),
            ("CALL r2.sys", &["system"]),
            ("CALL r2.system.remove", &["remove_orphan_files("]),
            ("CALL r2.system.remove_orphan_files(ta", &["table => "]),
            ("ATTACH 'w' AS x (TYPE r", &["r2", "rest"]),
            ("ATTACH 'w' AS x (TYPE rest, \"s3.reg", &["\"s3.region\""]),
            ("MIGRATE TABLE a TO b WITH (para", &["parallel_batches"]),
            ("\\tim", &["\\timing"]),
            ("\\mode json", &["json", "jsonl"]),
            ("\\d r2.default.du", &["dull"]),
            ("\\x ", &["on", "off", "auto"]),
        ];
        for (text, expected) in cases {
            let found = offer(text, &Fake);
            assert_eq!(found.words, expected, "{text}");
            assert!(!found.is_path, "{text}");
        }
        assert!(offer("\\i sql/0", &Fake).is_path);
        assert!(offer("SELECT 1;\n\\i sql/0", &Fake).is_path);
    }

    #[test]
    fn what_is_replaced_is_the_last_part() {
        assert_eq!(offer("SELECT * FROM r2.default.d", &Fake).from, 25);
        assert_eq!(offer("SELECT * FROM r2.\"O", &Fake).from, 17);
        assert_eq!(offer("  sel", &Fake).from, 2);
    }
}
