//! Deciding: a series' scores become states, and changes of state become events.
//!
//! [`rule`] is CloudWatch's "M out of N" on a bare list of points; [`Alarm`] adds the threshold with its
//! hysteresis, how long a breach has to last, and points that are missing because their rows never came;
//! [`AlarmState`] is what one series has to remember for it; [`EventLog`] keeps what has happened until
//! somebody asks. Nothing here knows where a score comes from.

pub mod event;
pub mod log;
pub mod rule;
pub mod settings;
pub mod step;

pub use event::{Event, EventKind, Judged, Series};
pub use log::EventLog;
pub use rule::{Missing, Point, State};
pub use settings::{Alarm, Direction, Settings};
pub use step::{AlarmState, Step};
