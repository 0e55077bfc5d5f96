//! Whether a model still fits its machine: the drift of a series with predictions, told as an event.
//!
//! Owns which rows count, and the words. What drift is, [`crate::residual::drift`] says. An event opens when the first
//! stretch that has drifted is over, begins where that did, and ends where the last of them did, once a stretch is back.

use super::judging::{Context, Place};
use super::model::{LARGEST, Verdict};
use super::one_series::{Memory, Series};
use super::rows::Input;
use super::settings::Settings;
use crate::alarm::{EventKind, Judged, State};
use crate::duration;
use crate::residual::drift::{Drift, MOVED, Rule, SPREAD, Stretches, Usual, Verdict as Told};
use crate::time::Timestamp;

/// What the model's inputs were in training; none for texts, and for inputs that didn't change.
pub fn usual(settings: &Settings) -> Vec<Option<Usual>> {
    let inputs = settings.model.iter().flat_map(|model| &model.description().inputs);
    let of = |(mean, spread)| if spread > 0.0 { Some(Usual { mean, spread }) } else { None };
    inputs.map(|input| input.mean.zip(input.std).and_then(of)).collect()
}

impl Context<'_> {
    /// A row that was judged, as drift sees it; `value` gives the model's inputs.
    #[inline]
    pub fn drift(
        &mut self,
        series: &mut Series,
        place: Place,
        time: Timestamp,
        input: &Input,
        verdict: &Verdict,
        value: impl Fn(usize) -> f64,
    ) {
        let (Some(rule), Memory::Residual(model)) = (&self.settings.drift, &mut series.memory) else {
            return;
        };
        if let Some(stretches) = &mut model.drift
            && let Some(told) = stretches.pass(time, rule)
        {
            self.tell_drift(place, rule, told);
        }
        let judged = verdict.expected.is_finite();
        // What is in alarm is told as such, and planned work is not told at all.
        let alarmed = series.alarm.state() == State::Alarm;
        if judged && !alarmed && !self.settings.filters.is_maintained(self.keys, place.key, time) {
            let stretches = model.drift.get_or_insert_with(|| Box::new(Stretches::new(time)));
            let known = |at: usize| Some(value(at)).filter(|value| value.abs() <= LARGEST);
            let known = |at| known(at).unwrap_or(f64::NAN);
            stretches.take(input.value, verdict.expected, rule, &self.usual, known);
        }
    }

    #[cold]
    fn tell_drift(&mut self, place: Place, rule: &Rule, told: Told) {
        let id = place.series() as u32;
        let (begin, drift) = match told {
            Told::Back(time) => return self.records.events.close(id, EventKind::Drift, time, State::Ok),
            Told::Drifted(begin, drift) => (begin, drift),
        };
        let inputs = self.settings.model.as_ref().map(|model| &model.description().inputs);
        let moved = drift.moved.and_then(|(at, by)| Some((inputs?.get(at)?.name.as_str(), by)));
        let reason = self.reason_of(place, rule, &drift, moved);
        let judged = Judged {
            value: Some(drift.size()),
            observed: Some(drift.observed),
            expected: Some(drift.expected),
            channel: moved.map_or("", |(name, _)| name),
            reason: &reason,
            ..Judged::default()
        };
        let words = || {
            let stretch = duration::print(rule.stretch);
            format!("over {stretch} the mean residual beyond {MOVED} RMSE, or its spread beyond {SPREAD}")
        };
        let name = self.name(place);
        let series = crate::alarm::Series { id, name: &name };
        self.records.events.raise(series, EventKind::Drift, begin, &judged, words);
    }

    fn reason_of(&self, place: Place, rule: &Rule, drift: &Drift, moved: Option<(&str, f64)>) -> String {
        let name = &self.settings.measures[place.measure].name;
        let stretch = duration::print(rule.stretch);
        let off = if drift.is_off() {
            let side = if drift.mean > 0.0 { "above" } else { "below" };
            format!("{name} is {:.1} RMSE {side} its prediction, the mean of {stretch}", drift.mean.abs())
        } else {
            format!("the residuals of {name} spread by {:.1} RMSE over {stretch}", drift.spread)
        };
        match moved {
            Some((input, by)) => format!("{off}; {input} moved by {by:+.1} standard deviations"),
            None if self.settings.model.is_some() => format!("{off}; no input moved"),
            None => off,
        }
    }
}
