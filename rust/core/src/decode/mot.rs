//! `MOTChallenge`'s text: one line an object of a frame, `frame,id,left,top,width,height,conf,x,y,z`, frames and pixels
//! counted from 1, -1 for what is not given.
//!
//! Frame 1 is at the configured `start`; the others follow by `frames_per_second`. The camera is the configuration's, a
//! class isn't told. Pixels are counted from 0 here, as by the other decoders. Lines are read in their order: a file
//! that is sorted by object has to be sorted by frame for windows.

use std::borrow::Cow;

use crate::times::{TIME_OUT_OF_RANGE, from_seconds};

use super::options::MotOptions;
use super::scan::NOT_UTF8;
use super::sightings::{Sighting, Sightings, track};

/// The line isn't `frame,id,left,top,width,height,...` in numbers.
pub const LINE_UNREADABLE: &str = "line_unreadable";

/// Reads lines.
#[derive(Debug, Clone)]
pub struct Mot {
    options: MotOptions,
}

impl Mot {
    pub fn new(options: &MotOptions) -> Self {
        Self { options: options.clone() }
    }

    /// Reads one line; the error is why it can't be read.
    pub fn read(&self, line: &[u8], rows: &mut Sightings) -> Result<(), &'static str> {
        let text = std::str::from_utf8(line).map_err(|_| NOT_UTF8)?.trim();
        let mut parts = text.split(',').map(str::trim);
        let mut part = || parts.next().ok_or(LINE_UNREADABLE);
        let frame = whole(part()?).filter(|frame| *frame >= 1).ok_or(LINE_UNREADABLE)?;
        let id = id_of(part()?).ok_or(LINE_UNREADABLE)?;
        let mut number = || part()?.parse::<f64>().map_err(|_| LINE_UNREADABLE);
        let (left, top, width, height) = (number()?, number()?, number()?, number()?);
        let score = match parts.next() {
            None | Some("") => None,
            Some(score) => Some(score.parse::<f64>().map_err(|_| LINE_UNREADABLE)?),
        };
        let time = self.time(frame)?;
        let there = |value: f64| Some(value).filter(|value| !value.is_nan());
        let given = width >= 0.0 && height >= 0.0;
        let edges = [left - 1.0, top - 1.0, left - 1.0 + width, top - 1.0 + height];
        rows.push(&Sighting {
            time,
            camera: self.options.camera.as_deref(),
            track: track(&id),
            score: score.and_then(there).filter(|score| *score != -1.0),
            corners: edges.map(|edge| there(edge).filter(|_| given)),
            ..Sighting::default()
        });
        Ok(())
    }

    fn time(&self, frame: i64) -> Result<i64, &'static str> {
        let seconds = (frame - 1) as f64 / self.options.frames_per_second;
        if seconds.is_infinite() {
            return Err(TIME_OUT_OF_RANGE);
        }
        let since = from_seconds(seconds)?;
        self.options.start.checked_add(since).ok_or(TIME_OUT_OF_RANGE)
    }
}

/// An id in its own digits; "3.0" is the object that others call "3".
fn id_of(text: &str) -> Option<Cow<'_, str>> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Cow::Borrowed(text));
    }
    whole(text).map(|number| Cow::Owned(number.to_string()))
}

/// A whole number, also one written as a float.
fn whole(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        // Beyond 2^53 floats can't tell neighbours apart.
        (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
    })
}
