//! Scoring: how far an observation is from its prediction, in units of the series' own errors.

pub mod channels;
pub mod drift;
pub mod joint;
pub mod level_shift;
pub mod novelty;
mod output;
mod pass;
pub mod rarity;
pub mod records;
pub mod rejects;
pub mod return_period;
pub mod rmse;
pub mod rows;
pub mod scorer;
pub mod series;
pub mod settings;
pub mod severity;
pub mod sketch;
pub mod sliding;
pub mod smooth;
