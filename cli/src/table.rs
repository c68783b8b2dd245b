//! Tables for people.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, Row, Table};

use crate::failure::Failure;
use crate::output::{Output, printable};

/// The width where the output is no terminal and COLUMNS does not say.
const WIDTH: u16 = 120;

/// The least width of the last column; on narrower terminals its lines are broken by the terminal.
const LAST_MIN: u16 = 24;

/// Rows under a head, of which the last column is cut to the width there is.
pub(crate) struct Rows {
    table: Table,
    color: bool,
}

/// A cell's text and colour.
pub(crate) struct Text(String, Option<Color>);

impl<S: AsRef<str>> From<S> for Text {
    fn from(text: S) -> Self {
        Self(printable(text.as_ref()), None)
    }
}

impl Text {
    /// Text in this colour, where there are colours.
    pub(crate) fn colored(text: impl AsRef<str>, color: Option<Color>) -> Self {
        Self(printable(text.as_ref()), color)
    }
}

impl Rows {
    /// An empty table; without a `head` if that has no names.
    pub(crate) fn new(out: &Output, head: &[&str]) -> Self {
        let mut table = Table::new();
        table.load_style(NOTHING).force_no_tty();
        let color = out.styles.color;
        if color {
            table.enforce_styling();
        }
        let mut rows = Self { table, color };
        if !head.is_empty() {
            let head: Vec<Cell> = head.iter().map(|name| rows.cell((*name).into())).collect();
            rows.table.set_header(head);
        }
        rows
    }

    pub(crate) fn add(&mut self, cells: Vec<Text>) {
        let mut row = Row::from(cells.into_iter().map(|text| self.cell(text)));
        row.max_height(1);
        self.table.add_row(row);
    }

    fn cell(&self, Text(text, color): Text) -> Cell {
        let cell = Cell::new_owned(text);
        match color {
            Some(color) if self.color => cell.fg(color),
            _ => cell,
        }
    }

    /// Prints the table, its last column in full or cut to the width there is.
    pub(crate) fn print(mut self, out: &mut Output, full: bool) -> Result<(), Failure> {
        let widths = self.table.column_max_content_widths();
        for column in self.table.column_iter_mut() {
            column.set_padding((0, 2));
            // A character that no cell has: cut where the space ends, not between words.
            column.set_delimiter('\u{0}');
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        let last = widths.len().saturating_sub(1);
        let before: u16 = widths
            .iter()
            .take(last)
            .fold(0, |sum, width| sum.saturating_add(width.saturating_add(2)));
        let room = width().saturating_sub(before).max(LAST_MIN);
        if !full && widths.get(last).is_some_and(|width| *width > room) {
            let constraint = ColumnConstraint::Absolute(comfy_table::Width::Fixed(room + 2));
            self.table.set_content_arrangement(ContentArrangement::Dynamic);
            self.table.set_width(u16::MAX);
            if let Some(column) = self.table.column_mut(last) {
                column.set_constraint(constraint);
            }
        }
        for line in self.table.lines() {
            out.line(line.trim_end())?;
        }
        Ok(())
    }
}

/// The terminal's width.
fn width() -> u16 {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    Table::new().width().or(said).filter(|width| *width > 0).unwrap_or(WIDTH)
}
