use super::*;

fn variables() -> BTreeMap<String, String> {
    let pairs = [("a", "1"), ("t", "r2.ns.t"), ("s", "it's \"x\""), ("lines", "1\n2"), ("NAME", "${a}"), ("é", "e")];
    pairs.into_iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn done(text: &str) -> String {
    substitute(text, &variables()).unwrap()
}

fn failed(text: &str) -> Error {
    substitute(text, &variables()).unwrap_err()
}

#[test]
fn three_forms() {
    assert_eq!(done("SELECT :a, :'s', :\"s\" FROM :t"), "SELECT 1, 'it''s \"x\"', \"it's \"\"x\"\"\" FROM r2.ns.t");
    assert_eq!(done("(:a):a,:a+:a :é"), "(1)1,1+1 e");
    assert_eq!(done("SELECT * FROM :t$snapshots WHERE y=:a::int"), "SELECT * FROM r2.ns.t$snapshots WHERE y=1::int");
}

#[test]
fn places_that_are_no_variables() {
    for text in [
        "':a' \":a\" `:a` $$ :a $$ $x$ :a $x$ e':a'",
        "-- :a\n/* :a /* :a */ :a */ /*! :a */",
        "x::a, x::unknown, a := 1",
        "x[1:2], x[b:c], x[:c], x[1:c], f(y)[b:c], x[1][b:c]",
        "{a: b}, {b:c}, {'b':c}, {b:'c'}, {b:\"c\"}, {x: {b:c}}, MAP {b:c}",
        "12:30, : a, :1, :`a`, :'two words', :\"\"",
    ] {
        assert_eq!(done(text), text);
    }
}

#[test]
fn known_names_win_over_slices() {
    assert_eq!(done("x[:a], x[b:a], {b:a}, {b: :a}, [:a]"), "x[1], x[b1], {b1}, {b: 1}, [1]");
}

#[test]
fn unknown_names_are_errors() {
    for text in [
        "SELECT\n :b",
        "SELECT\n :'b'",
        "SELECT\n :\"b\"",
        "{a:\n :b}",
        "x[f(\n :b)]",
        "ARRAY[\n :b]",
        "x[1, \n :b]",
        "y \n :b",
    ] {
        let error = failed(text);
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.to_string(), "variable `b` is not set, at line 2, column 2", "{text}");
        assert_eq!(error.advice(), Some("set it with -v b=<value>"));
    }
    assert_eq!(failed("SELECT [:b]").to_string(), "variable `b` is not set, at line 1, column 9");
    assert_eq!(failed("SELECT a:b").to_string(), "variable `b` is not set, at line 1, column 9");
}

#[test]
fn lines_stay_where_they_are() {
    assert_eq!(done("SELECT\r\n :a\n\n, 'x\ny' -- :a\n"), "SELECT\r\n 1\n\n, 'x\ny' -- :a\n");
    assert_eq!(failed("SELECT :lines").to_string(), "variable `lines` has more than one line, at line 1, column 8");
    assert_eq!(failed("SELECT :'a").to_string(), "unterminated string that begins at line 1, column 9");
}

#[test]
fn expansion() {
    let expand = |text: &str| expand(text, &variables());
    assert_eq!(expand("x${a}y${NAME}$z$ {a} $").unwrap(), "x1y${a}$z$ {a} $");
    assert_eq!(expand("$${a} $$${a} é$${").unwrap(), "${a} $${a} é${");
    let unset = expand("secret ${TOKEN} secret").unwrap_err();
    assert_eq!((unset.kind(), unset.to_string().as_str()), (ErrorKind::Config, "variable `TOKEN` is not set"));
    assert_eq!(unset.advice(), Some("set TOKEN in the environment, or write `$${TOKEN}` for the text itself"));
    for text in ["secret ${secret", "${}", "${secret:x}", "${1a}", "${ a }"] {
        let error = expand(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}
