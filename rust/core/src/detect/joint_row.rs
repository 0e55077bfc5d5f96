//! One row of one machine: all its sensors judged together, one alarm for all of them.
//!
//! Owns which sensor an event is about: the one that was farthest out when the alarm opened; and events of a moment, which
//! are change points and adopted levels.

use super::choose::Queue;
use super::joint::{MOST_ROWS, Machine, Patience, Room, is_missing};
use super::judging::{Context, Place, Purpose};
use super::model::{LARGEST, Pace, Point, Verdict};
use super::one_series::{Memory, Series};
use super::output::Output;
use super::rows::{Input, Rows};
use super::settings::Settings;
use crate::alarm::{self, EventKind, Judged, State};
use crate::duration::print;
use crate::residual::joint::Farthest;
use crate::time::Timestamp;

/// From this score on, rows have a reason: beyond it a sensor is out.
const OUT: f64 = 1.0;

/// What the rows of one call share, beside the context.
#[derive(Debug)]
pub struct Machines {
    room: Room,
    /// The row at hand, NaN where a reading is missing.
    row: Vec<f64>,
    /// What is said of each of its sensors.
    verdicts: Vec<Verdict>,
}

impl Machines {
    /// For machines of so many sensors.
    pub fn new(sensors: usize) -> Self {
        Self { room: Room::default(), row: vec![f64::NAN; sensors], verdicts: vec![Verdict::NONE; sensors] }
    }

    fn set(&mut self, sensor: usize, value: f64) {
        self.row[sensor] = if value.abs() <= LARGEST { value } else { f64::NAN };
    }

    /// The rows of a table; `ids` are those of their keys.
    pub fn read(
        &mut self,
        context: &mut Context<'_>,
        (rows, ids): (&Rows, &[u32]),
        (series, waiting): (&mut [Series], &mut Queue),
        purpose: Purpose,
        output: &mut Output,
    ) {
        let sensors = self.row.len();
        for (row, key) in ids.iter().enumerate() {
            let time = rows.times.get(row).ok();
            let silent = rows.is_silent(row);
            for (sensor, columns) in rows.measures.iter().enumerate() {
                self.set(sensor, if silent { f64::NAN } else { columns.get(row).value });
            }
            let machine = &mut series[*key as usize * sensors];
            self.verdicts.fill(Verdict::NONE);
            let mut speaks = None;
            // A machine is judged and learned in one: what is maintained isn't judged either.
            let maintained = |time| context.settings.filters.is_maintained(context.keys, *key, time);
            if let Some(time) = time.filter(|time| !rows.is_revised(row) && !maintained(*time)) {
                if context.every == 0 {
                    // Only its time counts.
                    waiting.push(*key, 0, time, &Input::NONE);
                }
                speaks = self.take(context, machine, *key, time, purpose);
            }
            if purpose == Purpose::Judge {
                for (sensor, verdict) in self.verdicts.iter().enumerate() {
                    if speaks == Some(sensor) {
                        std::mem::swap(&mut output.reason, &mut context.reason);
                    }
                    let observed = rows.measures[sensor].get(row).value;
                    output.push(
                        *key,
                        time,
                        observed,
                        verdict,
                        machine.state(context.every, context.settings),
                    );
                }
                context.reason.clear();
            }
        }
    }

    /// One row to be learned: a value for each sensor.
    pub fn learn_one(
        &mut self,
        context: &mut Context<'_>,
        series: &mut Series,
        key: u32,
        time: Timestamp,
        inputs: &[Input],
    ) {
        let sensors = self.row.len();
        inputs.iter().enumerate().take(sensors).for_each(|(sensor, input)| self.set(sensor, input.value));
        self.take(context, series, key, time, Purpose::Teach);
        if let Memory::Joint(machine) = &mut series.memory {
            machine.fit(sensors, context.settings.fit_rows);
        }
    }

    /// What a row would score, one for each sensor; nothing changes.
    pub fn score_one(
        mut self,
        machine: &Machine,
        (time, local): (Timestamp, f64),
        pace: &Pace,
        inputs: &[Input],
    ) -> Vec<f64> {
        let sensors = self.row.len();
        inputs.iter().enumerate().take(sensors).for_each(|(sensor, input)| self.set(sensor, input.value));
        if machine.is_fitted() {
            let room = &mut self.room;
            let patience = Patience { fit_rows: MOST_ROWS, adopt: i64::MAX };
            machine.clone().take(&self.row, (time, local), pace, patience, room, &mut self.verdicts);
        }
        self.verdicts.iter().map(|verdict| verdict.score).collect()
    }

    /// The row at hand; handed back is the sensor that [`Context::reason`] is about, where there is one.
    fn take(
        &mut self,
        context: &mut Context<'_>,
        series: &mut Series,
        key: u32,
        time: Timestamp,
        purpose: Purpose,
    ) -> Option<usize> {
        let Self { room, row, verdicts } = self;
        let Series { memory, alarm, standing } = series;
        if matches!(memory, Memory::Empty) {
            *memory = Memory::Joint(Box::default());
        }
        let Memory::Joint(machine) = memory else { return None };
        let Settings { fit_rows, adopt, .. } = *context.settings;
        // What is taught is fitted as a whole, by whoever teaches.
        let fit_rows = if purpose == Purpose::Teach { MOST_ROWS } else { fit_rows };
        let patience = Patience { fit_rows, adopt };
        let local = context.wall.seconds(time);
        let found = machine.take(row, (time, local), &context.pace, patience, room, verdicts);
        if is_missing(row) {
            standing.miss();
        } else {
            standing.hear(time);
        }
        if purpose == Purpose::Teach {
            return None;
        }
        context.records.groups.pass(time);
        let mut place = Place { key, measure: machine.named as usize, measures: row.len() };
        let Some(found) = found else {
            if is_missing(row) && alarm.has_begun() {
                context.step(alarm, place, time, None, &Verdict::NONE, f64::NAN);
            }
            return None;
        };
        let farthest = found.farthest;
        if alarm.state() != State::Alarm {
            place.measure = farthest.sensor;
        }
        let names = &context.settings.measures;
        let mut verdict = verdicts[farthest.sensor];
        let judges_severity = context.settings.alarm.judges_severity();
        let value = if judges_severity { verdict.severity } else { farthest.score };
        let point = Point {
            time,
            local,
            holiday: false,
            value: row[farthest.sensor],
            extremes: [row[farthest.sensor]; 2],
            predicted: f64::NAN,
            share: 1.0,
        };
        let farthest_place = Place { measure: farthest.sensor, ..place };
        let (value, _) = context.filtered(
            alarm.state(),
            farthest_place,
            &point,
            &mut verdict,
            (value, farthest.score.abs()),
            false,
        );
        verdicts[farthest.sensor].lowered = verdict.lowered;
        let rare = verdict.severity > 0.0 && verdict.severity >= context.remarkable;
        let speaks = rare || farthest.score.abs() >= OUT;
        if speaks {
            let sensor = place.measure;
            Machine::reason(&names[sensor].name, row[sensor], &verdicts[sensor], &mut context.reason);
        }
        let told = Verdict { severity: verdict.severity, ..verdicts[place.measure] };
        let state = context.step(alarm, place, time, value, &told, row[place.measure]);
        if state == State::Alarm {
            machine.named = place.measure as u32;
            context.group(place, time, row[place.measure], &told, farthest.score.abs());
        }
        for (kind, of) in [(EventKind::ChangePoint, found.change), (EventKind::LevelShift, found.adopted)] {
            if let Some(Farthest { sensor, score }) = of {
                let place = Place { measure: sensor, ..place };
                context.moment(kind, place, time, score, &verdicts[sensor], row[sensor]);
            }
        }
        if speaks && place.measure != farthest.sensor {
            context.reason.clear();
            let sensor = farthest.sensor;
            Machine::reason(&names[sensor].name, row[sensor], &verdict, &mut context.reason);
        }
        speaks.then_some(farthest.sensor)
    }
}

impl Context<'_> {
    /// An event that is over as soon as it is there.
    #[cold]
    fn moment(
        &mut self,
        kind: EventKind,
        place: Place,
        time: Timestamp,
        score: f64,
        verdict: &Verdict,
        observed: f64,
    ) {
        let known = |value: f64| (!value.is_nan()).then_some(value);
        let name = &self.settings.measures[place.measure].name;
        let mut owner = self.keys.bytes(place.key).to_vec();
        owner.extend_from_slice(name.as_bytes());
        let series = alarm::Series { id: place.series() as u32, name: &owner };
        let judged = Judged {
            value: known(score),
            observed: known(observed),
            expected: known(verdict.expected),
            lower: known(verdict.lower),
            upper: known(verdict.upper),
            severity: None,
            channel: if kind == EventKind::LevelShift { "level shift" } else { "change point" },
            lowered_by: "",
            reason: &match kind {
                EventKind::LevelShift => {
                    format!("{name} has been out for {}: that is its level now", print(self.settings.adopt))
                }
                _ => format!("the sensors go together in another way from here on, {name} most of all"),
            },
        };
        let rule = || match kind {
            EventKind::LevelShift => {
                format!("out for {} and as many rows as the fit", print(self.settings.adopt))
            }
            _ => "averages of 10 and 100 rows part beyond 1.0".to_owned(),
        };
        self.records.events.raise(series, kind, time, &judged, rule);
        self.records.events.close(series.id, kind, time, State::Ok);
    }
}
