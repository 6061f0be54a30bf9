//! A reader over the tokens of a statement.

use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Word};

use super::tokens::{eof, is_significant, sql_error};
use crate::error::{Error, Result};

/// Words that cannot be a name without quotes: a name that was forgotten is noticed where it is missing.
const NEVER_NAMES: &[&str] = &[
    "ALL", "AND", "AS", "BY", "CROSS", "DISTINCT", "EXISTS", "FROM", "FULL", "GROUP", "HAVING", "IF", "IN", "INNER",
    "INTO", "IS", "JOIN", "LIKE", "LIMIT", "NOT", "ON", "OR", "ORDER", "SELECT", "UNION", "USING", "VALUES", "WHERE",
    "WITH",
];

/// Words after which an operand or a name follows, so that the next word cannot begin a clause.
const BEFORE_OPERANDS: &[&str] = &[
    "AND", "AS", "BETWEEN", "BY", "CASE", "DISTINCT", "ELSE", "FROM", "HAVING", "ILIKE", "IN", "IS", "JOIN", "LIKE",
    "LIMIT", "NOT", "OFFSET", "ON", "OR", "QUALIFY", "SELECT", "THEN", "WHEN", "WHERE", "WITH",
];

/// Reads tokens from left to right; space and comments do not count.
#[derive(Clone)]
pub(super) struct Cursor<'t> {
    tokens: &'t [TokenWithSpan],
    end: TokenWithSpan,
    at: usize,
}

impl<'t> Cursor<'t> {
    /// Reads the tokens that [`super::tokens::statement`] made.
    pub fn new(tokens: &'t [TokenWithSpan]) -> Self {
        let end = tokens.last().map_or_else(|| eof(Location::new(1, 1)), |last| eof(last.span.end));
        Self { tokens, end, at: 0 }
    }

    /// The next token.
    pub fn peek(&self) -> &TokenWithSpan {
        self.peek_nth(0)
    }

    /// The token after `skip` further ones.
    pub fn peek_nth(&self, skip: usize) -> &TokenWithSpan {
        let rest = self.tokens.get(self.at..).unwrap_or_default();
        rest.iter().filter(|token| is_significant(token)).nth(skip).unwrap_or(&self.end)
    }

    /// The token that follows without any space.
    pub fn adjacent(&self) -> &TokenWithSpan {
        self.tokens.get(self.at).unwrap_or(&self.end)
    }

    /// Steps over the next token, never over the end.
    pub fn step(&mut self) {
        let rest = self.tokens.get(self.at..).unwrap_or_default();
        match rest.iter().position(is_significant) {
            Some(skipped) if rest.get(skipped).is_some_and(|token| token.token != Token::EOF) => self.at += skipped + 1,
            _ => {}
        }
    }

    /// How many tokens were read, space and comments between them counted.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The tokens that were not read.
    pub fn rest(&self) -> &'t [TokenWithSpan] {
        self.tokens.get(self.at..).unwrap_or_default()
    }

    /// Steps over so many tokens, space and comments counted.
    pub fn skip(&mut self, tokens: usize) {
        self.at = self.at.saturating_add(tokens).min(self.tokens.len());
    }

    /// Where the next token is.
    pub fn place(&self) -> Location {
        self.peek().span.start
    }

    /// Tells whether these words come next.
    pub fn sees(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(nth, word)| is_word(&self.peek_nth(nth).token, word))
    }

    /// Steps over these words if they come next.
    pub fn words(&mut self, words: &[&str]) -> bool {
        let seen = self.sees(words);
        if seen {
            for _ in words {
                self.step();
            }
        }
        seen
    }

    /// Steps over these words.
    pub fn expect_words(&mut self, words: &[&str], place: &str) -> Result<()> {
        if self.words(words) { Ok(()) } else { Err(self.expected(&format!("{} {place}", words.join(" ")))) }
    }

    /// Steps over this symbol if it comes next.
    pub fn symbol(&mut self, symbol: &Token) -> bool {
        let seen = self.peek().token == *symbol;
        if seen {
            self.step();
        }
        seen
    }

    /// Steps over this symbol.
    pub fn expect_symbol(&mut self, symbol: &Token, place: &str) -> Result<()> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.expected(&format!("`{symbol}` {place}"))) }
    }

    /// Reads one name: without quotes in lower case, as DataFusion folds it.
    pub fn identifier(&mut self, what: &str) -> Result<String> {
        match &self.peek().token {
            Token::Word(word) if is_name(word) => {
                let name = folded(word);
                self.step();
                Ok(name)
            }
            _ => Err(self.expected(what)),
        }
    }

    /// Reads a name of one or more parts.
    pub fn name(&mut self, what: &str) -> Result<Vec<String>> {
        let mut parts = vec![self.identifier(what)?];
        while self.symbol(&Token::Period) {
            // After a period every word is a name.
            let part = match &self.peek().token {
                Token::Word(word) if !word.value.is_empty() => folded(word),
                _ => return Err(self.expected(&format!("the next part of {what}"))),
            };
            self.step();
            parts.push(part);
        }
        Ok(parts)
    }

    /// Reads a string.
    pub fn string(&mut self, what: &str) -> Result<String> {
        match string_value(&self.peek().token) {
            Some(value) => {
                let value = value.to_string();
                self.step();
                Ok(value)
            }
            None => Err(self.expected(what)),
        }
    }

    /// Reads a positive whole number.
    pub fn number(&mut self, what: &str) -> Result<u32> {
        let value = match &self.peek().token {
            Token::Number(digits, false) => digits.parse().ok().filter(|number| (1..=i32::MAX as u32).contains(number)),
            _ => None,
        };
        let number = value.ok_or_else(|| self.expected(what))?;
        self.step();
        Ok(number)
    }

    /// Reads a number with its sign, as it is written, if one comes next.
    pub fn signed_number(&mut self) -> Option<String> {
        let negative = self.peek().token == Token::Minus;
        let Token::Number(digits, _) = &self.peek_nth(usize::from(negative)).token else { return None };
        let number = if negative { format!("-{digits}") } else { digits.clone() };
        if negative {
            self.step();
        }
        self.step();
        Some(number)
    }

    /// Reads a word without quotes or a string.
    pub fn word_or_string(&mut self, what: &str) -> Result<String> {
        match &self.peek().token {
            Token::Word(word) if word.quote_style.is_none() => {
                let value = word.value.clone();
                self.step();
                Ok(value)
            }
            _ => self.string(what),
        }
    }

    /// Fails unless everything is read.
    pub fn end(&self) -> Result<()> {
        if self.peek().token == Token::EOF { Ok(()) } else { Err(self.expected("the end of the statement")) }
    }

    /// The tokens from here up to the first place outside parentheses, after an operand, where `begins` holds, or to
    /// the end; steps behind them.
    pub fn take_until(&mut self, begins: impl Fn(&Cursor<'_>) -> bool) -> Vec<TokenWithSpan> {
        let (from, mut depth, mut previous) = (self.at, 0_usize, None);
        loop {
            match &self.peek().token {
                Token::EOF => break,
                Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
                Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
                Token::Word(_) if depth == 0 && begins(self) && self.ends_operand(previous) => break,
                _ => {}
            }
            self.step();
            previous = self.at.checked_sub(1);
        }
        let mut taken = self.tokens.get(from..self.at).unwrap_or_default().to_vec();
        taken.push(eof(self.place()));
        taken
    }

    /// The tokens from here up to the `,` or `)` that ends an argument, or to the end; steps behind them.
    pub fn take_argument(&mut self) -> Vec<TokenWithSpan> {
        let (from, mut depth) = (self.at, 0_usize);
        loop {
            match &self.peek().token {
                Token::EOF => break,
                Token::Comma | Token::RParen if depth == 0 => break,
                Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
                Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.step();
        }
        let mut taken = self.tokens.get(from..self.at).unwrap_or_default().to_vec();
        taken.push(eof(self.place()));
        taken
    }

    /// Tells whether the token at `index` can end an operand, so that a clause may follow.
    fn ends_operand(&self, index: Option<usize>) -> bool {
        index.and_then(|index| self.tokens.get(index)).is_some_and(|token| ends_operand(&token.token))
    }

    /// An error that says what should be here instead of the next token.
    pub fn expected(&self, what: &str) -> Error {
        let token = self.peek();
        sql_error(format!("expected {what}, found {}", shown(&token.token)), token.span.start)
    }
}

/// Tells whether an operand can end with this token.
pub(super) fn ends_operand(token: &Token) -> bool {
    match token {
        Token::Word(word) if word.quote_style.is_none() => {
            !BEFORE_OPERANDS.iter().any(|before| word.value.eq_ignore_ascii_case(before))
        }
        Token::RParen | Token::RBracket | Token::RBrace | Token::Mul => true,
        token => !symbol_only(token),
    }
}

/// Keeps what a clause says, once.
pub(super) fn set_once<T>(slot: &mut Option<T>, value: T, clause: &str, place: Location) -> Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(sql_error(format!("{clause} is given twice, again"), place)),
    }
}

/// Tells whether a token is this word, without quotes.
pub(super) fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

/// What a string literal says.
pub(super) fn string_value(token: &Token) -> Option<&str> {
    match token {
        Token::SingleQuotedString(value) | Token::EscapedStringLiteral(value) | Token::UnicodeStringLiteral(value) => {
            Some(value)
        }
        Token::DollarQuotedString(quoted) => Some(&quoted.value),
        _ => None,
    }
}

/// A name as DataFusion folds it.
pub(super) fn folded(word: &Word) -> String {
    if word.quote_style.is_some() { word.value.clone() } else { word.value.to_ascii_lowercase() }
}

fn is_name(word: &Word) -> bool {
    match word.quote_style {
        Some(_) => !word.value.is_empty(),
        None => !NEVER_NAMES.iter().any(|reserved| word.value.eq_ignore_ascii_case(reserved)),
    }
}

const STRING: &str = "a string";

/// A token in an error. What a string says stays out: it may be a secret.
fn shown(token: &Token) -> String {
    match token {
        Token::EOF => "the end of the statement".to_string(),
        Token::Word(_) | Token::Number(..) | Token::Placeholder(_) | Token::Char(_) => format!("`{token}`"),
        token if symbol_only(token) => format!("`{token}`"),
        _ => STRING.to_string(),
    }
}

/// Tells whether a token is made of signs alone, whatever sort of string sqlparser may know beside it.
fn symbol_only(token: &Token) -> bool {
    token.to_string().chars().all(|ch| ch.is_ascii_punctuation() && ch != '\'' && ch != '"')
}
