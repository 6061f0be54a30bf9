//! The words of a part of a statement, so that two ways to write the same words give one text.
//!
//! Space and comments are laid out anew, words without quotes are in lower case as DataFusion folds names, and every sort
//! of plain string has single quotes. Nothing else changes: a text that means something else never becomes the same one.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::cursor::{ends_operand, string_value};
use super::tokens::is_significant;

/// The words of `tokens` in one line, as far as no string or quoted name has more.
pub(super) fn wording(tokens: &[TokenWithSpan]) -> String {
    let mut text = String::new();
    let (mut before, mut previous): (Option<&Token>, Option<&Token>) = (None, None);
    for TokenWithSpan { token, .. } in tokens.iter().filter(|token| is_significant(token)) {
        if *token == Token::EOF {
            break;
        }
        if previous.is_some_and(|previous| !touch(before, previous, token)) {
            text.push(' ');
        }
        text.push_str(&word(token));
        (before, previous) = (previous, Some(token));
    }
    text
}

/// Tells whether no space stands between two tokens; `before` is the one before both.
fn touch(before: Option<&Token>, previous: &Token, token: &Token) -> bool {
    match (previous, token) {
        (Token::LParen | Token::LBracket | Token::Period | Token::DoubleColon, _) => true,
        (_, Token::Comma | Token::RParen | Token::RBracket | Token::Period | Token::DoubleColon) => true,
        // A call, or a subscript; AND, IN and the like are no names of functions.
        (Token::Word(_), Token::LParen | Token::LBracket) => ends_operand(previous),
        (Token::RParen | Token::RBracket, Token::LBracket) => true,
        // A sign, not a difference.
        (Token::Minus | Token::Plus, Token::Number(..)) => !before.is_some_and(ends_operand),
        _ => false,
    }
}

fn word(token: &Token) -> String {
    match token {
        Token::Word(Word { quote_style: Some(_), value, .. }) => format!("\"{}\"", value.replace('"', "\"\"")),
        Token::Word(Word { value, .. }) => value.to_ascii_lowercase(),
        Token::Number(..) => token.to_string().to_ascii_lowercase(),
        token => match string_value(token) {
            Some(value) => format!("'{}'", value.replace('\'', "''")),
            None => token.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sql::tokens;

    fn of(text: &str) -> String {
        wording(&tokens::statement(text).unwrap())
    }

    #[test]
    fn space_comments_and_case() {
        for (text, words) in [
            ("*, Quarter ( date )  AS\n\tquarter", "*, quarter(date) as quarter"),
            ("* EXCEPT (a, \"B\"\"c\") -- all but two\n, t . *", "* except(a, \"B\"\"c\"), t.*"),
            ("Year>=2019 AND (a IN (1,-2) OR NOT(b))", "year >= 2019 and (a in (1, -2) or not (b))"),
            (
                "a - 1, a - -1, (-1), - a, a::INT [1], x /* y */ || 'It''s'",
                "a - 1, a - -1, (-1), - a, a::int[1], x || 'It''s'",
            ),
            (
                "DATE '2019-01-01', e'\\'', $$A b$$, X'fF', 1E5, `q`, .5",
                "date '2019-01-01', '''', 'A b', X'fF', 1e5, \"q\", .5",
            ),
            ("count ( * ) FILTER (WHERE a<>b)", "count(*) filter(where a <> b)"),
        ] {
            assert_eq!(of(text), words);
        }
    }

    #[test]
    fn what_differs_stays_different() {
        for (one, other) in [
            ("a", "\"A\""),
            ("'a'", "'A'"),
            ("'a  b'", "'a b'"),
            ("a.b", "\"a.b\""),
            ("'1'", "1"),
            ("a -- b\n c", "a - - b c"),
        ] {
            assert_ne!(of(one), of(other));
        }
    }

    const WORDS: &[&str] = &[
        "a",
        "b2",
        "AND",
        "in",
        "(",
        ")",
        "[",
        "]",
        ",",
        "::",
        "=",
        "<=",
        "-",
        "+",
        "*",
        "/",
        "||",
        "'It''s'",
        "'--'",
        "\"A b\"",
        "\"c\"\"d\"",
        "1",
        "2.5",
        "DATE",
        "CASE",
        "end",
        "->",
        "=>",
    ];
    const SPACES: &[&str] = &[" ", "\n", "\t  ", " /* ' */ ", " -- ;\"\n", " /**/"];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever stands between the words, and however they are spelled, the text is one; and it says the same words.
        #[test]
        fn one_text_for_the_same_words(
            words in prop::collection::vec((prop::sample::select(WORDS.to_vec()), prop::sample::select(SPACES.to_vec()), any::<bool>()), 1..20)
        ) {
            let plain: String = words.iter().flat_map(|(word, ..)| [word, " "]).collect();
            let dressed: String = words.iter().flat_map(|(word, space, upper)| {
                let quoted = word.contains(['\'', '"']);
                [if *upper && !quoted { word.to_ascii_uppercase() } else { (*word).to_string() }, (*space).to_string()]
            }).collect();
            prop_assert_eq!(of(&plain), of(&dressed));
            prop_assert_eq!(of(&of(&plain)), of(&plain));
            let kinds = |text: &str| {
                let tokens = tokens::statement(text).unwrap();
                tokens.iter().filter(|token| is_significant(token)).map(|it| word(&it.token)).collect::<Vec<_>>()
            };
            prop_assert_eq!(kinds(&of(&plain)), kinds(&plain));
        }
    }
}
