//! The shell's own commands, in scripts: transcripts.

use super::process::Folder;

const TABLES: &str = "ATTACH 'w' AS w (TYPE local); CREATE SCHEMA w.s; CREATE SCHEMA w.other;\n\
     CREATE TABLE w.s.t (id BIGINT NOT NULL COMMENT 'the key', name STRING) PARTITIONED BY (bucket(4, id)) \
     TBLPROPERTIES ('my.password' = 'hunter2');\nCREATE TABLE w.other.u AS SELECT 1 AS a;\n\
     INSERT INTO w.s.t VALUES (1, 'a'), (2, NULL);\n";

/// What a script prints behind the tables above.
fn printed(text: &str) -> String {
    let folder = Folder::new().with("setup.sql", TABLES).with("a.sql", text);
    let made = folder.run(&["-f", "setup.sql"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let ran = folder.run(&["-c", "ATTACH 'w' AS w (TYPE local)", "-f", "a.sql"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{text}");
    ran.stdout
}

pub fn what_is_there_is_listed() {
    assert_eq!(printed(".mode csv\n\\dn\n"), "catalog,schema\nw,other\nw,s\n");
    let tables = "catalog,schema,table,type\n";
    assert_eq!(printed(".mode csv\n.tables\n"), format!("{tables}w,other,u,iceberg\nw,s,t,iceberg\n"));
    assert_eq!(printed(".mode csv\n\\dt w.s\n"), format!("{tables}w,s,t,iceberg\n"));
    assert_eq!(printed(".mode csv\n\\d w.o*.*\n"), format!("{tables}w,other,u,iceberg\n"));
    assert_eq!(printed(".mode csv\n\\c w.s\n\\dt\n"), format!("{tables}w,s,t,iceberg\n"));
    assert!(printed(".mode csv\n\\l\n").starts_with("catalog,type,warehouse\nw,local,"));
}

pub fn a_table_is_described() {
    let text = printed("\\d w.s.t\n");
    let columns = [
        "+--------+--------+------+-----------+---------+",
        "| column | type   | null | partition | comment |",
        "+--------+--------+------+-----------+---------+",
        "| id     | BIGINT | no   | bucket[4] | the key |",
        "| name   | STRING | yes  |           |         |",
        "+--------+--------+------+-----------+---------+",
        "table           w.s.t",
        "partitioned by  bucket(4, \"id\")",
        "sorted by       nothing",
        "format version  2",
    ];
    assert_eq!(text.lines().take(columns.len()).collect::<Vec<_>>(), columns);
    let rest: Vec<_> = text.lines().skip(columns.len()).collect();
    assert!(rest[0].starts_with("location        ") && rest[1].contains(", append at 20"), "{text}");
    assert!(rest[2].starts_with("size            2 rows, "), "{text}");
    assert!(rest[3..].iter().any(|line| line.ends_with(" my.password = ***")), "{text}");
    let short = printed("\\c w.s\n\\d t\nSELECT count(*) AS n FROM t;\n");
    assert!(short.starts_with(&columns.join("\n")) && short.contains("| 2 |"), "{short}");
    let created = printed(".schema w.s.t\n");
    assert!(
        created.starts_with("CREATE TABLE \"w\".\"s\".\"t\" (\n  \"id\" BIGINT NOT NULL COMMENT 'the key',\n"),
        "{created}"
    );
    assert!(created.ends_with(";\n") && !created.contains("hunter2"), "{created}");
}

pub fn output_goes_where_it_is_sent() {
    let folder = Folder::new();
    let script = "\\o out.jsonl\nSELECT 1 AS a, NULL AS b;\n\\o\n.mode csv\nSELECT 2 AS a \\g once.md\nSELECT 3 AS a;\n\
                  \\o file.parquet\nSELECT 4 AS a;\n\\o\n.mode tsv\nSELECT a FROM 'file.parquet';\n\\o | cat > piped.txt\n\
                  SELECT 5 AS a;\n\\o\n\\gx\n\\null -\n\\mode table\nSELECT CAST(NULL AS STRING) AS a;\n";
    let folder = folder.with("a.sql", &script.replace("SELECT a FROM 'file.parquet'", "SELECT 4 AS a"));
    let ran = folder.run(&["-f", "a.sql"]);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("out.jsonl"), "{\"a\":1,\"b\":null}\n");
    assert_eq!(read("once.md"), "| a |\n|---:|\n| 2 |\n");
    assert_eq!(read("piped.txt"), "a\n5\n");
    let parquet = std::fs::read(folder.path().join("file.parquet")).unwrap();
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    let expected = "a\n3\na\n4\na\n5\n+---+\n| a |\n+---+\n| - |\n+---+\n";
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, expected, ""));
    let ran = folder.run(&["--output", "x.arrow", "-c", "SELECT 1 AS a"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    assert!(std::fs::read(folder.path().join("x.arrow")).unwrap().starts_with(b"ARROW1"));
    let ran = folder.run(&["--output", "no/such/folder.csv", "-c", "SELECT 1 AS a"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
}

pub fn conditions_and_variables() {
    let folder = Folder::new().with(
        "a.sql",
        "\\set who world\n\\echo hello :who 'a  b' :{?who} :{?none}\n\\if :{?none}\n\\echo no\nSELECT nope;\n\\if yes\n\\echo no\n\
         \\endif\n\\elif off\n\\echo no\n\\else\n\\echo -n else\n\\echo\n\\endif\n\\getenv home HOME\n\\getenv none ICELIFT_UNSET\n\
         \\if :{?none}\n\\echo no\n\\endif\n.mode csv\nSELECT :'who' AS who, :'home' <> '' AS home;\n\\unset who\nSELECT :who;\n",
    );
    let ran = folder.run(&["-f", "a.sql"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, "hello world a  b TRUE FALSE\nelse\nwho,home\nworld,true\n"));
    assert!(ran.stderr.starts_with("a.sql:23: error: variable `who` is not set"), "{}", ran.stderr);
    for (text, message) in [
        ("\\if maybe\n\\endif\n", "a.sql:1: error: `maybe` is neither true nor false"),
        ("SELECT 1 AS a;\n\\endif\n", "a.sql:2: error: there is no `\\if` before this `\\endif`"),
        ("\\if on\nSELECT 1 AS a;\n", "a.sql: error: an `\\if` has no `\\endif`"),
        ("SELECT 1 AS a;\n\\nope\n", "a.sql:2: error: there is no command `\\nope`"),
        ("SELECT 1 AS a\n\\echo x\n", "a.sql:1: error: `\\echo` stands behind a statement that has no end"),
    ] {
        let ran = Folder::new().with("a.sql", text).run(&["--format", "csv", "-f", "a.sql"]);
        assert_eq!(ran.code, 1, "{text}: {}", ran.stderr);
        assert!(ran.stderr.starts_with(message), "{text}: {}", ran.stderr);
    }
}

pub fn scripts_include_scripts() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    let folder = folder
        .with("a.sql", "\\echo a\n\\i sub/b.sql\n\\echo a again\n.read sub/c.sql\n\\ir sub/c.sql\n")
        .with("sub/b.sql", "\\echo b\n\\ir c.sql\n\\q\n\\echo never\n")
        .with("sub/c.sql", "\\echo c\n")
        .with("sub/bad.sql", "SELECT 1 AS a;\nSELECT nope;\n")
        .with("loop.sql", "\\i loop.sql\n");
    let ran = folder.run(&["-f", "a.sql"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "a\nb\nc\na again\nc\nc\n", ""));
    let ran = folder.run(&["--quiet", "-c", "\\i sub/bad.sql"]);
    assert!(ran.code == 1 && ran.stderr.starts_with("sub/bad.sql:2: error: "), "{}", ran.stderr);
    let ran = folder.run(&["-f", "loop.sql"]);
    assert!(ran.code == 1 && ran.stderr.contains("without end"), "{}", ran.stderr);
    let ran = folder.run(&["-c", "\\i none.sql"]);
    assert!(ran.code == 2 && ran.stderr.contains("cannot be read"), "{}", ran.stderr);
}

pub fn scripts_go_on_when_they_are_told_to() {
    let folder = Folder::new()
        .with("a.sql", "SELECT nope;\nSELECT 1 AS a;\n\nSELECT :unset;\n")
        .with("b.sql", "SELECT 2 AS b;\n");
    let args = ["--format", "csv", "--continue-on-error", "-f", "a.sql", "-f", "b.sql"];
    let ran = folder.run(&args);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, "a\n1\nb\n2\n"));
    let lines: Vec<_> = ran.stderr.lines().collect();
    assert!(lines[0].starts_with("a.sql:1: error: ") && ran.stderr.contains("\na.sql:4: error: "), "{}", ran.stderr);
    assert_eq!(lines.last(), Some(&"2 of 4 statements failed: a.sql:1, a.sql:4"));
    let ran = folder.run(&["--format", "csv", "-c", "\\set ON_ERROR_STOP off", "-c", "SELECT :unset", "-f", "b.sql"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, "b\n2\n"), "{}", ran.stderr);
}

pub fn programs_run_beside() {
    let folder = Folder::new().with("a.sql", "\\! echo from outside\n\\! exit 3\n\\timing on\nSELECT 1 AS a;\n");
    let ran = folder.run(&["--format", "csv", "-f", "a.sql"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "from outside\na\n1\n"));
    assert!(ran.stderr.contains("note: the command ended with exit status: 3"), "{}", ran.stderr);
    assert!(ran.stderr.contains("a.sql:4: 1 row in "), "{}", ran.stderr);
}

pub fn a_dry_run_runs_nothing() {
    let folder = Folder::new().with("setup.sql", TABLES).with(
        "a.sql",
        "ATTACH 'w' AS w (TYPE local);\nSELECT * FROM w.s.t;\nINSERT INTO w.s.t VALUES (3, 'c');\nDROP TABLE w.other.u;\n\
         CREATE TABLE w.s.v AS SELECT 1 AS a;\nSELECT * FROM w.s.v;\nSELECT nope FROM w.s.t;\n",
    );
    assert_eq!(folder.run(&["-f", "setup.sql"]).code, 0);
    let ran = folder.run(&["--dry-run", "-f", "a.sql"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{}", ran.stderr);
    let expected = [
        "a.sql:1: done, it concerns the session alone",
        "a.sql:2: would read",
        "a.sql:3: would write",
        "a.sql:4: would change or delete",
        "a.sql:5: would write",
        "a.sql:6: not planned: an earlier statement would create w.s.v",
    ];
    let lines: Vec<_> = ran.stderr.lines().collect();
    assert_eq!(lines[..expected.len()], expected, "{}", ran.stderr);
    assert!(lines[expected.len()].starts_with("a.sql:7: error: "), "{}", ran.stderr);
    let counts = "SELECT count(*) AS n FROM w.s.t; SELECT count(*) AS n FROM w.other.u";
    let ran = folder.run(&["--format", "csv", "-c", "ATTACH 'w' AS w (TYPE local)", "-c", counts]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "n\n2\nn\n1\n"), "{}", ran.stderr);
}

pub fn the_journal_has_a_line_for_each_statement() {
    let folder = Folder::new().with("a.sql", "ATTACH 'hunter2' AS w (TYPE local);\nSELECT 1 AS a;\n\nSELECT nope;\n");
    let ran = folder.run(&["--log-json", "log.jsonl", "-f", "a.sql"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let text = std::fs::read_to_string(folder.path().join("log.jsonl")).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let field = |line: usize, name: &str| lines[line][name].clone();
    assert_eq!(lines.len(), 3);
    assert_eq!([field(0, "statement"), field(1, "statement")], [serde_json::Value::Null, "SELECT 1 AS a".into()]);
    assert_eq!([field(1, "place"), field(1, "outcome")], ["a.sql:2", "done"].map(serde_json::Value::from));
    assert_eq!([field(1, "rows"), field(2, "code")], [1, 1].map(serde_json::Value::from));
    assert_eq!(lines[2]["error"]["kind"], "Sql");
    let ran = folder.run(&["--log-json", "no/such/folder", "-c", "SELECT 1"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{}", ran.stderr);
}

pub fn completions_and_the_manual_are_printed() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = folder.run(&["completions", shell]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{shell}");
        assert!(ran.stdout.contains("continue-on-error") && ran.stdout.contains("demo"), "{shell}");
    }
    let ran = folder.run(&["man"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.contains(".TH icelift 1") && ran.stdout.contains("read\\-only"), "{}", ran.stdout);
    assert_eq!(folder.run(&["completions", "csh"]).code, 2);
}
