//! `Detector`, continued: groups and what people say of them.
//!
//! Owns the tables of both. What belongs together is [`crate::group`]'s affair, what feedback changes
//! [`super::feedback`]'s and [`super::relearn`]'s.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, ListArray, RecordBatch, StringArray, StructArray,
    TimestampNanosecondArray, UInt32Array, UInt64Array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field, Fields};

use super::detector::Detector;
use super::feedback::Feedback;
use super::judging::pace_of;
use super::output::{batch, key_table};
use super::reason::{self, Short};
use super::wall_clock::WallClock;
use crate::column::Scalar;
use crate::duration;
use crate::error::{Error, Result};
use crate::group::{Group, Member, shares};
use crate::key::Keys;
use crate::time::Timestamp;

/// Series that an error lists.
const LISTED: usize = 5;

/// A value as text; none of a null.
fn text(value: &Scalar) -> Option<String> {
    Some(match value {
        Scalar::Null => return None,
        Scalar::Bool(value) => value.to_string(),
        Scalar::Int(value) => value.to_string(),
        Scalar::Float(value) => format!("{value:?}"),
        Scalar::Str(value) => value.clone(),
    })
}

/// A key as errors and sentences show it: `north, 3`.
fn shown(keys: &Keys, key: u32) -> String {
    let mut values = keys.values(key);
    values.pop();
    joined(&values)
}

fn joined(values: &[Scalar]) -> String {
    let texts: Vec<String> =
        values.iter().map(|value| text(value).unwrap_or_else(|| "null".to_owned())).collect();
    texts.join(", ")
}

fn floats(values: impl Iterator<Item = f64>) -> ArrayRef {
    Arc::new(values.map(|value| (!value.is_nan()).then_some(value)).collect::<Float64Array>())
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn times(values: impl Iterator<Item = Option<Timestamp>>) -> ArrayRef {
    Arc::new(values.collect::<TimestampNanosecondArray>().with_timezone("UTC"))
}

fn records(columns: Vec<(&str, ArrayRef)>) -> Result<ArrayRef> {
    let field = |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), true);
    let fields: Fields = columns.iter().map(field).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let records = StructArray::try_new(fields, arrays, None);
    Ok(Arc::new(records.map_err(|error| Error::data(error.to_string()))?))
}

fn lists(lengths: impl IntoIterator<Item = usize>, values: ArrayRef) -> Result<ArrayRef> {
    let field = Arc::new(Field::new("item", DataType::clone(values.data_type()), true));
    let lists = ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), values, None);
    Ok(Arc::new(lists.map_err(|error| Error::data(error.to_string()))?))
}

/// One dimension's values, each with its share; largest first.
struct Dimension<'a> {
    name: &'a str,
    shares: Vec<(Option<String>, f64)>,
}

/// The dimensions of a group; of a roll-up, those that it keeps.
fn dimensions<'a>(keys: &'a Keys, group: &Group, measures: usize) -> Vec<Dimension<'a>> {
    let members: Vec<(Vec<Scalar>, f64)> = group
        .members
        .iter()
        .map(|(series, member)| (keys.values(series / measures as u32), member.peak.distance()))
        .collect();
    let dimension = |(at, name): (usize, &'a String)| Dimension {
        name,
        shares: shares(members.iter().map(|(values, distance)| (values.get(at).and_then(text), *distance))),
    };
    let by = keys.names().len().saturating_sub(1);
    let all = keys.names().iter().take(by).enumerate().map(dimension);
    all.filter(|one| group.scope.level == 0 || one.shares.iter().any(|(value, _)| value.is_some())).collect()
}

impl Detector {
    /// Groups that are new or have closed since the last call.
    pub fn groups(&mut self) -> Result<RecordBatch> {
        let news = self.records.groups.take();
        let measures = self.settings.measures.len();
        let name = |measure: u32| self.settings.measures[measure as usize].name.as_str();
        let mut wall = WallClock::new(self.settings.zone.as_deref(), &self.settings.holidays)?;
        let of_groups: Vec<Vec<Dimension<'_>>> =
            news.iter().map(|group| dimensions(&self.keys, group, measures)).collect();
        let reasons: Vec<String> = news
            .iter()
            .zip(&of_groups)
            .map(|(group, dimensions)| self.reason(group, dimensions, wall.seconds(group.start)))
            .collect();
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("id", texts(news.iter().map(|group| group.id.as_str()))),
            ("measure", texts(news.iter().map(|group| name(group.scope.measure)))),
        ];
        if self.has_level {
            let levels = news.iter().map(|group| Some(group.scope.level));
            columns.push(("level", Arc::new(levels.collect::<arrow_array::Int64Array>())));
        }
        columns.extend([
            ("state", texts(news.iter().map(|group| if group.end.is_none() { "alarm" } else { "ok" }))),
            ("start", times(news.iter().map(|group| Some(group.start)))),
            ("end", times(news.iter().map(|group| group.end))),
            ("severity", floats(news.iter().map(Group::severity))),
            (
                "series_hit",
                Arc::new(UInt64Array::from_iter_values(news.iter().map(|group| group.members.len() as u64))),
            ),
            ("dimensions", dimension_lists(&of_groups)?),
            ("series", self.series_lists(&news)?),
            ("causes", self.cause_lists(&news)?),
            ("reason", texts(reasons.iter().map(String::as_str))),
        ]);
        batch(columns, news.len())
    }

    fn series_lists(&self, news: &[Group]) -> Result<ArrayRef> {
        let measures = self.settings.measures.len() as u32;
        let mut members: Vec<(u32, &Member)> = Vec::new();
        for group in news {
            let from = members.len();
            members.extend(group.members.iter().map(|(series, member)| (*series, member)));
            // What is farthest from its expectation comes first.
            members[from..]
                .sort_by(|(_, one), (_, other)| other.peak.distance().total_cmp(&one.peak.distance()));
        }
        let ids: Vec<u32> = members.iter().map(|(series, _)| series / measures).collect();
        let mut columns = key_table(&self.keys, &ids, false);
        let peaks = || members.iter().map(|(_, member)| &member.peak);
        columns.extend([
            ("time", times(peaks().map(|peak| Some(peak.time)))),
            ("observed", floats(peaks().map(|peak| peak.observed))),
            ("expected", floats(peaks().map(|peak| peak.expected))),
            ("lower", floats(peaks().map(|peak| peak.lower))),
            ("upper", floats(peaks().map(|peak| peak.upper))),
            ("severity", floats(peaks().map(|peak| peak.severity))),
            ("channel", texts(peaks().map(|peak| peak.channel.as_str()))),
        ]);
        lists(news.iter().map(|group| group.members.len()), records(columns)?)
    }

    fn cause_lists(&self, news: &[Group]) -> Result<ArrayRef> {
        let causes = || news.iter().flat_map(|group| &group.causes);
        let name = |measure: u32| self.settings.measures[measure as usize].name.as_str();
        let values = records(vec![
            ("measure", texts(causes().map(|cause| name(cause.measure)))),
            ("group", texts(causes().map(|cause| cause.group.as_str()))),
            ("lead_seconds", floats(causes().map(|cause| cause.lead as f64 / 1e9))),
            ("times", Arc::new(UInt32Array::from_iter_values(causes().map(|cause| cause.times)))),
        ])?;
        lists(news.iter().map(|group| group.causes.len()), values)
    }

    /// A group in one sentence.
    fn reason(&self, group: &Group, dimensions: &[Dimension<'_>], local: f64) -> String {
        let measure = &self.settings.measures[group.scope.measure as usize].name;
        let mut out = format!("{measure} off in {} series", group.members.len());
        if let (1, Some((series, member))) = (group.members.len(), group.worst()) {
            out.clone_from(measure);
            let key = shown(&self.keys, series / self.settings.measures.len() as u32);
            if !key.is_empty() {
                let _ = write!(out, " of {key}");
            }
            let peak = &member.peak;
            let _ = write!(out, " at {}", Short(peak.observed));
            if !peak.expected.is_nan() {
                let _ = write!(out, ", expected {}", Short(peak.expected));
            }
        } else {
            // The value that has most of it, of a dimension in which there are others.
            let several = dimensions.iter().filter(|one| one.shares.len() > 1);
            let top = several.filter_map(|one| Some((one.name, one.shares.first()?)));
            if let Some((name, (value, share))) = top.max_by(|(_, one), (_, other)| one.1.total_cmp(&other.1))
            {
                let _ = write!(out, ", {share:.0} % of it {name} {}", value.as_deref().unwrap_or("null"));
            }
        }
        reason::when(&mut out, self.every.unwrap_or(0) as f64 / 1e9, local);
        if let Some(cause) = group.causes.first() {
            let before = &self.settings.measures[cause.measure as usize].name;
            let lead = duration::print(cause.lead);
            let _ = write!(out, "; {before} was {lead} before, as {} times by now", cause.times);
        }
        out
    }

    /// Says of a series of a group whether it is an anomaly; nothing takes back what was said.
    pub fn feedback(&mut self, id: &str, key: &[Scalar], is_anomaly: Option<bool>) -> Result<()> {
        let measures = self.settings.measures.len();
        let Some(group) = self.records.groups.find(id) else {
            return match is_anomaly {
                Some(_) => Err(Error::data(format!(
                    "`group` must be the id of one of the newest groups, got {id:?}: it is unknown or too old"
                ))),
                None => self.take_back_of_old(id, key),
            };
        };
        let level = group.scope.level;
        let found = self.id_of(key, level, "series")?;
        let series = found.map(|key| key * measures as u32 + group.scope.measure);
        let member = series.and_then(|series| Some((series, group.members.get(&series)?)));
        let Some((series, member)) = member else {
            let mut there: Vec<String> = group
                .members
                .keys()
                .take(LISTED)
                .map(|series| shown(&self.keys, series / measures as u32))
                .collect();
            if group.members.len() > LISTED {
                there.push("...".to_owned());
            }
            return Err(Error::data(format!(
                "`series` must be one of the group's ({}), got {}",
                there.join("; "),
                joined(key)
            )));
        };
        match is_anomaly {
            Some(is_anomaly) => {
                let stretch = (member.first, member.last);
                self.records.feedback.say(series, id, stretch, &member.peak, is_anomaly)?;
            }
            None => {
                self.records.feedback.take_back(series, id).ok_or_else(nothing_said)?;
            }
        }
        self.relearn(series);
        Ok(())
    }

    /// As [`Detector::feedback`] of a group that isn't remembered any more.
    fn take_back_of_old(&mut self, id: &str, key: &[Scalar]) -> Result<()> {
        let measures = self.settings.measures.len() as u32;
        let is_it = |(series, group, _): &(u32, &str, &Feedback)| {
            let values = self.keys.values(series / measures);
            *group == id && values.split_last().is_some_and(|(_, values)| values == key)
        };
        let series = self.records.feedback.iter().find(is_it).map(|(series, ..)| series);
        let series = series.ok_or_else(nothing_said)?;
        self.records.feedback.take_back(series, id).ok_or_else(nothing_said)?;
        self.relearn(series);
        Ok(())
    }

    /// Teaches a series anew without the stretches that are anomalies, as far back as it is kept.
    fn relearn(&mut self, series: u32) {
        let mut pace = pace_of(self.every.unwrap_or(1_000_000_000), &self.settings);
        let stretches = self.records.feedback.stretches(series);
        if let Some((memory, guard)) = self.records.keeping.without(series, &stretches, &mut pace) {
            let series = &mut self.series[series as usize];
            (series.memory, series.standing.guard) = (memory, guard);
        }
    }

    /// All that people said, by series and group.
    pub fn feedbacks(&self) -> Result<RecordBatch> {
        let measures = self.settings.measures.len();
        let said: Vec<_> = self.records.feedback.iter().collect();
        let ids: Vec<u32> = said.iter().map(|(series, ..)| series / measures as u32).collect();
        let name = |series: u32| self.settings.measures[series as usize % measures].name.as_str();
        let mut columns = key_table(&self.keys, &ids, self.has_level);
        columns.extend([
            ("measure", texts(said.iter().map(|(series, ..)| name(*series)))),
            ("group", texts(said.iter().map(|(_, group, _)| *group))),
            (
                "is_anomaly",
                Arc::new(said.iter().map(|one| Some(one.2.is_anomaly)).collect::<BooleanArray>()) as ArrayRef,
            ),
            ("start", times(said.iter().map(|one| Some(one.2.start)))),
            ("end", times(said.iter().map(|one| Some(one.2.end)))),
        ]);
        batch(columns, said.len())
    }
}

fn nothing_said() -> Error {
    Error::data(
        "`is_anomaly` must be True or False, got None: nothing was said of this group's series before",
    )
}

fn dimension_lists(of_groups: &[Vec<Dimension<'_>>]) -> Result<ArrayRef> {
    let all = || of_groups.iter().flatten();
    let shares = || all().flat_map(|one| &one.shares);
    let values = records(vec![
        ("value", Arc::new(shares().map(|(value, _)| value.as_deref()).collect::<StringArray>()) as ArrayRef),
        ("share", floats(shares().map(|(_, share)| *share))),
    ])?;
    let contributions = lists(all().map(|one| one.shares.len()), values)?;
    let dimensions =
        records(vec![("dimension", texts(all().map(|one| one.name))), ("contributions", contributions)])?;
    lists(of_groups.iter().map(Vec::len), dimensions)
}
