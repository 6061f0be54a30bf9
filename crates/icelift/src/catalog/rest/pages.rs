//! Turns the pages of a list.

/// More pages than any catalog has.
const MOST: usize = 100_000;

/// The place in a list. The first token is empty.
pub(super) struct Pages {
    next: Option<String>,
    turned: usize,
}

impl Default for Pages {
    fn default() -> Self {
        Self { next: Some(String::new()), turned: 0 }
    }
}

impl Pages {
    /// The token of the page to ask for. None after the last one.
    pub fn next_token(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// Goes on to the page that the server named. Missing, null and empty tokens end the list.
    ///
    /// # Errors
    /// A server that names the same page twice would be asked for ever.
    pub fn turn(&mut self, token: Option<String>) -> Result<(), String> {
        let token = token.filter(|token| !token.is_empty());
        self.turned += 1;
        if token.is_some() && (token == self.next || self.turned == MOST) {
            return Err(format!("the list has no end, page {} leads to itself", self.turned));
        }
        self.next = token;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Pages;

    #[test]
    fn a_list_ends_without_a_token() {
        let mut pages = Pages::default();
        assert_eq!(pages.next_token(), Some(""));
        pages.turn(Some("b".to_string())).unwrap();
        assert_eq!(pages.next_token(), Some("b"));
        pages.turn(Some(String::new())).unwrap();
        assert_eq!(pages.next_token(), None);
    }

    #[test]
    fn a_page_that_leads_to_itself_ends_the_list_with_an_error() {
        let mut pages = Pages::default();
        pages.turn(Some("b".to_string())).unwrap();
        assert_eq!(pages.turn(Some("b".to_string())).unwrap_err(), "the list has no end, page 2 leads to itself");
    }
}
