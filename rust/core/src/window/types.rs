//! The types of the key and input columns, on which all lanes agree.
//!
//! A batch of another type is refused by the lane that is given it, before a row is read, and not when shares of two
//! lanes meet.

use super::aggregate::Plan;
use crate::column::Kind;
use crate::error::{Error, Result};
use crate::sync::{AtomicU8, Ordering};

const KINDS: [Kind; 5] = [Kind::Unknown, Kind::Bool, Kind::Int, Kind::Float, Kind::Str];

/// See the module.
#[derive(Debug)]
pub struct Types {
    by: Vec<Column>,
    inputs: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    what: &'static str,
    name: String,
    /// The place of its kind among [`KINDS`]. Relaxed throughout: the kind is all there is to see.
    kind: AtomicU8,
    /// The kind that holds both, if there is one.
    join: fn(Kind, Kind) -> Option<Kind>,
}

impl Column {
    fn kind(&self) -> Kind {
        KINDS[usize::from(self.kind.load(Ordering::Relaxed)) % KINDS.len()]
    }

    fn joined(&self, known: Kind, fresh: Kind) -> Result<Kind> {
        (self.join)(known, fresh).ok_or_else(|| {
            let Self { what, name, .. } = self;
            Error::data(format!("{what} `{name}` must hold {} as before, got {}", known.name(), fresh.name()))
        })
    }

    fn widen(&self, fresh: Kind) -> Result<()> {
        loop {
            let known = self.kind();
            let wider = self.joined(known, fresh)?;
            let widened =
                self.kind.compare_exchange(known as u8, wider as u8, Ordering::Relaxed, Ordering::Relaxed);
            if wider == known || widened.is_ok() {
                return Ok(());
            }
        }
    }
}

/// Keys are of one kind, once it is known.
fn same(known: Kind, fresh: Kind) -> Option<Kind> {
    match (known, fresh) {
        (Kind::Unknown, kind) | (kind, Kind::Unknown) => Some(kind),
        (known, fresh) => (known == fresh).then_some(known),
    }
}

impl Types {
    /// Nothing known yet of these columns.
    pub fn new(by: &[String], inputs: &[String]) -> Self {
        let columns = |names: &[String], what, join: fn(Kind, Kind) -> Option<Kind>| {
            let column = |name: &String| Column { what, name: name.clone(), kind: AtomicU8::new(0), join };
            names.iter().map(column).collect()
        };
        Self { by: columns(by, "key column", same), inputs: columns(inputs, "column", Kind::unify) }
    }

    /// Takes in the types of batches, all or none: each is the kinds of the key columns and of the inputs.
    pub fn agree<By, Inputs>(
        &self,
        plan: &Plan,
        batches: impl Iterator<Item = (By, Inputs)> + Clone,
    ) -> Result<()>
    where
        By: Iterator<Item = Kind>,
        Inputs: Iterator<Item = Kind>,
    {
        // Nearly always there is nothing new.
        let known = |columns: &[Column], kinds: &mut dyn Iterator<Item = Kind>| {
            columns.iter().zip(kinds).all(|(column, fresh)| {
                let known = column.kind();
                known == fresh || (column.join)(known, fresh) == Some(known)
            })
        };
        if batches
            .clone()
            .all(|(mut by, mut inputs)| known(&self.by, &mut by) && known(&self.inputs, &mut inputs))
        {
            return Ok(());
        }
        let (mut by, mut inputs) = (self.by(), self.inputs());
        for (fresh_by, fresh_inputs) in batches {
            for ((kind, column), fresh) in by.iter_mut().zip(&self.by).zip(fresh_by) {
                *kind = column.joined(*kind, fresh)?;
            }
            for ((kind, column), fresh) in inputs.iter_mut().zip(&self.inputs).zip(fresh_inputs) {
                *kind = column.joined(*kind, fresh)?;
            }
        }
        plan.check(&inputs)?;
        let mut fresh = self.by.iter().zip(by).chain(self.inputs.iter().zip(inputs));
        fresh.try_for_each(|(column, kind)| column.widen(kind))
    }

    /// Kinds of the key columns.
    pub fn by(&self) -> Vec<Kind> {
        self.by.iter().map(Column::kind).collect()
    }

    /// Kinds of the inputs.
    pub fn inputs(&self) -> Vec<Kind> {
        self.inputs.iter().map(Column::kind).collect()
    }
}
