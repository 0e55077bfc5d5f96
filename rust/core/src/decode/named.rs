//! Fields of a tracker's messages that its decoder has no column for: asked for by name, the same for all rows of one
//! message.

use super::Decoded;
use super::fields::{Fields, Raw};
use super::options::ColumnType;
use super::rows::Column;
use crate::times::Unit;

/// The wanted fields, each with its slot.
#[derive(Debug, Clone, Default)]
pub struct Named(Vec<(String, usize)>);

impl Named {
    /// Asks for those of the fields whose columns are wanted.
    pub fn ask(fields: &mut Fields, paths: &[(String, String)], wanted: impl Fn(&str) -> bool) -> Self {
        let wanted = paths.iter().filter(|(name, _)| wanted(name));
        Self(wanted.map(|(name, path)| (name.clone(), fields.ask(path))).collect())
    }

    /// Columns under construction.
    pub fn start<'a>(&self) -> NamedColumns<'a> {
        let column =
            |(name, slot): &(String, usize)| (name.clone(), *slot, Column::new(ColumnType::Inferred));
        NamedColumns { rows: 0, columns: self.0.iter().map(column).collect() }
    }
}

/// The columns of a block under construction.
#[derive(Debug)]
pub struct NamedColumns<'a> {
    rows: usize,
    columns: Vec<(String, usize, Column<'a>)>,
}

impl<'a> NamedColumns<'a> {
    /// Adds a message's values to all rows that came of it: up to so many.
    #[inline]
    pub fn push(&mut self, found: &[Raw<'a>], rows: usize, out: &mut Decoded) {
        if self.columns.is_empty() {
            return;
        }
        for (name, slot, column) in &mut self.columns {
            for _ in self.rows..rows {
                // An inferred column has no unit.
                if !column.push(found[*slot], Unit::Nanosecond) {
                    out.unreadable(name);
                }
            }
        }
        self.rows = rows;
    }

    /// The finished columns, after those that are there.
    pub fn finish(self, out: &mut Decoded) {
        out.columns.extend(self.columns.into_iter().map(|(name, _, column)| (name, column.finish())));
    }
}
