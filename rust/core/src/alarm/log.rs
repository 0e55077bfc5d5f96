//! Events that are open, and what is new of them since somebody last asked.
//!
//! Owns opening, updating and closing. An event is news twice at most: when it opens and when it closes; both
//! in one batch are one piece of news. How it goes on between is no cause for action.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::event::{Event, EventKind, Judged, Series};
use super::rule::{Point, State};
use super::step::Step;
use crate::error::{Error, Result};

/// Closed events that wait to be taken; beyond it the oldest are dropped and counted.
pub const CAPACITY: usize = 100_000;

/// An event that lasts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Open {
    event: Event,
    /// Its opening has been told.
    told: bool,
}

/// The events of many series.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EventLog {
    /// At most one for each series and kind.
    open: BTreeMap<(u32, EventKind), Open>,
    /// In the order of their closing; at most [`CAPACITY`].
    closed: VecDeque<Event>,
    dropped: u64,
}

impl EventLog {
    /// Takes in what an alarm said of a point. `rule` is called when an event opens.
    pub fn record(
        &mut self,
        series: Series<'_>,
        kind: EventKind,
        step: &Step,
        judged: &Judged<'_>,
        rule: impl FnOnce() -> String,
    ) {
        if !step.changed && step.state != State::Alarm {
            return;
        }
        if step.state != State::Alarm {
            if let Some(open) = self.open.get_mut(&(series.id, kind)) {
                judged.lowered_by.clone_into(&mut open.event.lowered_by);
                if kind == EventKind::Silence && !judged.reason.is_empty() {
                    judged.reason.clone_into(&mut open.event.reason);
                }
            }
            self.close(series.id, kind, step.time, step.state);
            return;
        }
        let key = (series.id, kind);
        if step.changed {
            let mut event = Event::open(series, kind, step.time, rule());
            event.points = u64::from(step.breaches);
            event.see(step.time, judged);
            self.open.insert(key, Open { event, told: false });
        } else if let Some(open) = self.open.get_mut(&key) {
            open.event.points += u64::from(step.point == Point::Breach);
            open.event.see(step.time, judged);
        }
    }

    /// Opens an event that no alarm rule stands behind (a silence, a level shift), unless one of its kind is
    /// open for the series already; then the point is taken into that one.
    pub fn raise(
        &mut self,
        series: Series<'_>,
        kind: EventKind,
        time: i64,
        judged: &Judged<'_>,
        rule: impl FnOnce() -> String,
    ) {
        let open = self
            .open
            .entry((series.id, kind))
            .or_insert_with(|| Open { event: Event::open(series, kind, time, rule()), told: false });
        open.event.points += 1;
        open.event.see(time, judged);
    }

    /// Closes the series' open event of this kind, if there is one; `state` is what the series changed to.
    pub fn close(&mut self, series: u32, kind: EventKind, time: i64, state: State) {
        if let Some(Open { mut event, .. }) = self.open.remove(&(series, kind)) {
            event.end = Some(time);
            event.state = state;
            if self.closed.len() >= CAPACITY {
                self.closed.pop_front();
                self.dropped += 1;
            }
            self.closed.push_back(event);
        }
    }

    /// What is new since the last call, by start, then series and kind: events that have opened and last, and
    /// events that have closed.
    pub fn take(&mut self) -> Vec<Event> {
        let mut news: Vec<Event> = self.closed.drain(..).collect();
        for open in self.open.values_mut().filter(|open| !open.told) {
            open.told = true;
            news.push(open.event.clone());
        }
        news.sort_by_key(|event| (event.start, event.series, event.kind));
        news
    }

    /// The events that last, by series.
    pub fn open(&self) -> impl Iterator<Item = &Event> {
        self.open.values().map(|open| &open.event)
    }

    /// Events that were dropped because nobody took them.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether a restored log is one that `series` series could have left behind.
    pub fn check(&self, series: usize) -> Result<()> {
        let known = |event: &Event| (event.series as usize) < series;
        let open = self.open.iter().all(|(key, open)| {
            *key == (open.event.series, open.event.kind) && known(&open.event) && open.event.end.is_none()
        });
        if !open || !self.closed.iter().all(known) || self.closed.len() > CAPACITY {
            return Err(Error::snapshot("an event belongs to no series"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::{Alarm, AlarmState, Settings};

    fn run(log: &mut EventLog, state: &mut AlarmState, points: &[(i64, f64)]) {
        let alarm =
            Alarm::new(Settings { threshold: Some(3.0), breaches: 2, of: 3, ..Settings::default() }).unwrap();
        let series = Series { id: 0, name: b"a" };
        for (time, value) in points {
            let step = alarm.step(state, *time, Some(*value));
            let judged = Judged { value: Some(*value), observed: Some(*value), ..Judged::default() };
            log.record(series, EventKind::Anomaly, &step, &judged, || alarm.rule());
        }
    }

    #[test]
    fn an_event_is_news_when_it_opens_and_when_it_closes() {
        let (mut log, mut state) = (EventLog::default(), AlarmState::default());
        run(&mut log, &mut state, &[(0, 0.0), (1, 4.0), (2, -5.0)]);
        let news = log.take();
        assert_eq!(news.len(), 1);
        assert_eq!((news[0].start, news[0].end, news[0].points), (2, None, 2));
        assert_eq!(news[0].rule, "2 of 3 above 3.0");
        run(&mut log, &mut state, &[(3, 7.0), (4, 6.0)]);
        assert!(log.take().is_empty());
        let mut restored: EventLog = postcard::from_bytes(&postcard::to_stdvec(&log).unwrap()).unwrap();
        assert!(restored.check(1).is_ok() && restored.check(0).is_err());
        run(&mut restored, &mut state, &[(5, 0.0), (6, 0.0)]);
        let news = restored.take();
        assert_eq!(news.len(), 1);
        assert_eq!((news[0].end, news[0].peak, news[0].peak_time), (Some(6), Some(7.0), Some(3)));
        assert_eq!((news[0].points, news[0].state), (4, State::Ok));
    }

    #[test]
    fn both_in_one_batch_are_one_piece_of_news() {
        let (mut log, mut state) = (EventLog::default(), AlarmState::default());
        run(&mut log, &mut state, &[(1, 4.0), (2, 5.0), (3, 0.0), (4, 0.0)]);
        let news = log.take();
        assert_eq!(news.iter().map(|event| (event.start, event.end)).collect::<Vec<_>>(), [(2, Some(4))]);
    }
}
