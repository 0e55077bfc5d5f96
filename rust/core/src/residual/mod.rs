//! Scoring: how far an observation is from its prediction, in units of the series' own errors.

pub mod rejects;
pub mod rmse;
pub mod rows;
pub mod scorer;
pub mod series;
pub mod sliding;
pub mod smooth;
