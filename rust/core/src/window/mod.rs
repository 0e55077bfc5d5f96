//! Tumbling windows on event time: rows in, one row a window and series out.
//!
//! ```text
//! rows --> lane (assign, fold, watermark) --> partials --> collector (merge, fire, fill, roll up) --> rows
//! ```
//!
//! A lane is written by one producer and knows nothing of the others; the collector sees only what lanes hand over.
//! Semantics are those of Apache Flink's TUMBLE, with the differences that the documentation states.

pub mod aggregate;
mod assign;
mod berth;
mod coarse;
mod collect;
mod emit;
mod engine;
mod fill;
mod handoff;
mod lane;
mod lanes;
mod late;
mod messages;
#[cfg(all(test, any(feature = "loom", feature = "shuttle")))]
mod models;
mod open;
mod out;
mod pending;
mod place;
mod renames;
mod rescale;
mod rest;
mod rows;
mod single;
mod spec;
mod state;
mod together;
mod types;
mod watermark;
mod writer;

pub use aggregate::{Aggregate, Condition, CountOn, Function};
pub use engine::{Stats, TumblingWindows};
pub use messages::{Messages, Sign};
pub use renames::Rename;
pub use rows::find;
pub use single::{Key, Row};
pub use spec::{Label, Spec};
pub use writer::Writer;
