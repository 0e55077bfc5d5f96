//! The engine of windrow: events become windows, windows become expectations, expectations become
//! residuals, residuals become alarms.
//!
//! ```text
//! events --> window --> expect --> residual --> alarm --> anomalies
//!            (fold)     (predict)  (score)      (decide)
//! ```
//!
//! This crate knows no Python, no file, no socket and no clock: rows come in as Arrow arrays, time comes in
//! with the rows or as `now`, and everything that comes out is an Arrow record batch. A stage never imports
//! another stage; [`detect`] puts the last three together.
#![deny(unsafe_code)]

pub mod alarm;
mod arithmetic;
pub mod column;
pub mod decode;
pub mod detect;
pub mod duration;
pub mod error;
pub mod expect;
pub mod group;
mod id;
pub mod ipc;
pub mod key;
mod large;
pub mod residual;
mod room;
pub mod snapshot;
pub mod spacing;
pub mod sync;
pub mod time;
pub mod times;
pub mod window;
pub mod zone;

pub use error::{Error, Result};
