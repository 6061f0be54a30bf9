//! Markup that cannot hold anything of the user's but as text.
//!
//! What must hold: markup comes from this program's own constants; everything else is escaped on its way in.

use std::fmt::{self, Display, Write};

/// A piece of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Markup(String);

impl Markup {
    /// Puts `values`, as text, in the places of `{}`.
    pub fn add(&mut self, template: &'static str, values: &[&dyn Display]) -> &mut Self {
        let mut pieces = template.split("{}");
        self.0.push_str(pieces.next().unwrap_or_default());
        let mut values = values.iter();
        for piece in pieces {
            if let Some(value) = values.next() {
                // Writing to a string does not fail.
                let _ = write!(Escaped(&mut self.0), "{value}");
            }
            self.0.push_str(piece);
        }
        debug_assert!(values.next().is_none(), "a value without a place in {template}");
        self
    }

    /// Takes in markup that is made already.
    pub fn join(&mut self, other: &Self) -> &mut Self {
        self.0.push_str(&other.0);
        self
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts pieces in the places of `{{name}}`; what has no name in `pieces` stays empty.
    pub fn fill(template: &'static str, pieces: &[(&str, Self)]) -> String {
        let mut parts = template.split("{{");
        let mut page = parts.next().unwrap_or_default().to_string();
        for part in parts {
            let (name, behind) = part.split_once("}}").unwrap_or((part, ""));
            if let Some((_, piece)) = pieces.iter().find(|(known, _)| *known == name) {
                page.push_str(&piece.0);
            }
            page.push_str(behind);
        }
        page
    }
}

/// Escapes what is written, for text and for attributes in quotes.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(c),
                // No page may have the others, and those that turn the direction of text would lie about names.
                c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
                    self.0.push('\u{fffd}');
                }
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

/// A number of pixels, to a tenth.
pub(super) struct Px(pub f64);

impl Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round() / 10.0;
        if tenths.is_finite() { write!(f, "{tenths}") } else { f.write_str("0") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_text() {
        let mut markup = Markup::default();
        markup.add("<b title=\"{}\">{}</b>", &[&"\"'x' {}", &"<script>&\u{0}\u{202e}"]);
        assert_eq!(markup.0, "<b title=\"&quot;&#39;x&#39; {}\">&lt;script&gt;&amp;\u{fffd}\u{fffd}</b>");
    }

    #[test]
    fn places_are_filled_once() {
        let mut evil = Markup::default();
        evil.add("{}", &[&"{{b}}"]);
        let page = Markup::fill("<p>{{a}}</p>{{c}}{{b}}", &[("a", evil.clone()), ("b", evil)]);
        assert_eq!(page, "<p>{{b}}</p>{{b}}");
    }

    #[test]
    fn pixels_are_short_and_finite() {
        let shown = [1.0, 1.25, -0.04, f64::NAN, f64::INFINITY].map(|it| Px(it).to_string());
        assert_eq!(shown, ["1", "1.3", "-0", "0", "0"]);
    }
}
