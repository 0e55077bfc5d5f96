//! Detecting: expect, residual and alarm together, for one series and for many.
//!
//! A stage never imports another one; here is where they meet. [`counts`], [`novelty`] and [`predicted`] each say
//! how one series is judged, [`joint`] how a machine is; [`Detector`] keeps the series of a table apart by key and measure, steps their alarms
//! and writes what was found.

mod choose;
pub mod completeness;
pub mod counts;
pub mod detector;
mod drift;
mod each_row;
mod feedback;
pub mod filters;
mod grouping;
pub mod joint;
mod joint_row;
mod judging;
mod kept_rows;
pub mod level_shift;
pub mod model;
pub mod novelty;
mod one_row;
mod one_series;
mod output;
pub mod predicted;
pub mod quiet_hours;
mod reason;
mod records;
mod relearn;
mod rows;
pub mod settings;
mod states;
mod stored;
mod wall_clock;

pub use completeness::Completeness;
pub use detector::Detector;
pub use filters::Filters;
pub use rows::Input;
pub use settings::{Measure, Method, Settings};
pub use states::Status;
