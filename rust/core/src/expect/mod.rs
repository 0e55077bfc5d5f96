//! Predicting: what a value should be, from what came before it.
//!
//! Every expectation is asked first and taught afterwards, so that no value is judged by itself. Times here are
//! seconds of local wall time: hour and weekday mean what people mean. [`Level`], [`HourOfWeek`], [`Spread`] and
//! [`Recent`] together expect counts, [`Partial`] those of which a share was observed; [`DayProfile`] and [`Track`] expect any other metric;
//! [`Linear`] expects each sensor of a machine from the others; [`Trained`] is a model that was fitted elsewhere.

pub mod autoregressive;
mod cholesky;
pub mod day_profile;
pub mod level;
pub mod linear;
pub mod partial;
pub mod past_hour;
pub mod profile;
pub mod recent;
pub mod spread;
pub mod track;
pub mod trained;

pub use autoregressive::LeastSquares;
pub use day_profile::DayProfile;
pub use level::Level;
pub use linear::Linear;
pub use partial::Partial;
pub use past_hour::PastHour;
pub use profile::{HourOfWeek, Place};
pub use recent::Recent;
pub use spread::Spread;
pub use track::Track;
pub use trained::Trained;
