//! `where`: which rows an aggregate looks at.

use serde::{Deserialize, Serialize};

use crate::column::{self, Scalar, Values};

/// Keeps only rows whose column holds one of these values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// The column.
    pub column: String,
    /// The values, of which null is one.
    pub any_of: Vec<Scalar>,
}

/// Whether a value is one of those asked for; numbers compare by value, whatever their type.
pub(super) fn holds(value: &Scalar, any_of: &[Scalar]) -> bool {
    any_of.iter().any(|wanted| match (value, wanted) {
        (Scalar::Int(value), Scalar::Float(wanted)) => *value as f64 == *wanted,
        (Scalar::Float(value), Scalar::Int(wanted)) => *value == *wanted as f64,
        (value, wanted) => value == wanted,
    })
}

/// Clears the rows of a mask whose value is none of these.
pub(super) fn narrow(mask: &mut [bool], values: &Values, any_of: &[Scalar]) {
    if let Values::Str(column::Text::Dictionary { codes, nulls, values }) = values {
        // One comparison a distinct value, not one a row.
        let null = any_of.contains(&Scalar::Null);
        let passes: Vec<bool> = (0..values.len())
            .map(|code| match values.get(code) {
                Some(text) => {
                    any_of.iter().any(|wanted| matches!(wanted, Scalar::Str(wanted) if wanted == text))
                }
                None => null,
            })
            .collect();
        for (row, (pass, code)) in mask.iter_mut().zip(codes.iter()).enumerate() {
            *pass &= if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                null
            } else {
                passes[*code as usize]
            };
        }
        return;
    }
    for (row, pass) in mask.iter_mut().enumerate() {
        if *pass {
            *pass = match values {
                Values::Str(text) => match text.get(row) {
                    Some(text) => {
                        any_of.iter().any(|wanted| matches!(wanted, Scalar::Str(wanted) if wanted == text))
                    }
                    None => any_of.contains(&Scalar::Null),
                },
                values => holds(&values.scalar(row), any_of),
            };
        }
    }
}
