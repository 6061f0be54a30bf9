//! How results look.

use crate::args::Format;

/// How results look; `\mode`, `\x` and `\null` change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    pub format: Format,
    pub expanded: Expanded,
    /// What stands for NULL in tables.
    pub null: String,
    /// The columns of the terminal that tables have to fit into.
    pub width: Option<usize>,
}

/// Whether each column has a line of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expanded {
    #[default]
    Off,
    On,
    /// Where rows are wider than the terminal.
    Auto,
}

impl Look {
    pub fn new(format: Format) -> Self {
        Self { format, expanded: Expanded::Off, null: "NULL".to_owned(), width: None }
    }

    /// The same for a terminal of this width.
    pub fn fitting(&self, width: Option<usize>) -> Self {
        Self { width, ..self.clone() }
    }
}
