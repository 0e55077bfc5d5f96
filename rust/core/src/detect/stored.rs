//! `Detector`, continued: what is stored of it, and what a restored one has to be.
//!
//! Owns what is left out: the memory of a series that is kept as it was before an alarm follows from that and the rows
//! since.

use serde::ser::{Serialize, SerializeSeq, Serializer};

use super::choose::Queue;
use super::detector::Detector;
use super::judging::pace_of;
use super::one_series::{Memory, Series};
use super::records::Records;
use super::relearn::Keeping;
use super::settings::{Method, Settings};
use super::states::Standing;
use crate::alarm::AlarmState;
use crate::error::{Error, Result};
use crate::expect::trained::History;
use crate::key::Keys;
use crate::snapshot;

/// A detector as it is stored, in the order in which it is read.
#[derive(serde::Serialize)]
struct Stored<'a> {
    settings: &'a Settings,
    keys: &'a Keys,
    series: AllSeries<'a>,
    every: &'a Option<i64>,
    methods: &'a [Option<Method>],
    waiting: &'a Queue,
    records: &'a Records,
    histories: &'a [Option<Box<History>>],
    has_level: bool,
}

/// A series without what it remembers where that is kept.
#[derive(serde::Serialize)]
struct OneSeries<'a> {
    memory: &'a Memory,
    alarm: &'a AlarmState,
    standing: &'a Standing,
}

struct AllSeries<'a>(&'a [Series], &'a Keeping);

impl Serialize for AllSeries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let Self(series, keeping) = self;
        let mut all = serializer.serialize_seq(Some(series.len()))?;
        for (id, one) in series.iter().enumerate() {
            let memory = if keeping.has(id as u32) { &Memory::Empty } else { &one.memory };
            all.serialize_element(&OneSeries { memory, alarm: &one.alarm, standing: &one.standing })?;
        }
        all.end()
    }
}

impl Serialize for Detector {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let Self { settings, keys, series, every, methods, waiting, records, histories, has_level } = self;
        let series = AllSeries(series, &records.keeping);
        let has_level = *has_level;
        Stored { settings, keys, series, every, methods, waiting, records, histories, has_level }
            .serialize(serializer)
    }
}

impl Detector {
    /// The state, with what it takes to go on.
    pub fn snapshot(&self) -> Result<Vec<u8>> {
        snapshot::write(snapshot::Kind::Detector, self)
    }

    fn histories_fit(&self) -> bool {
        let admitted = |history| self.settings.model.as_ref().is_some_and(|model| model.admits(history));
        self.histories.len() <= self.keys.len()
            && self.histories.iter().flatten().all(|history| admitted(history))
    }

    /// Whether all series can be used.
    fn series_fit(&self) -> bool {
        let measures = self.settings.measures.len();
        self.series.iter().enumerate().all(|(at, series)| {
            // All of a machine is in the place of its first sensor.
            let place = !matches!(series.memory, Memory::Joint(_)) || at.is_multiple_of(measures);
            place && series.memory.is_sound(&self.settings)
        })
    }

    /// The detector of a snapshot.
    pub fn restore(bytes: &[u8]) -> Result<Self> {
        let mut detector: Self = snapshot::read(snapshot::Kind::Detector, bytes)?;
        detector.settings.check().map_err(|error| Error::snapshot(error.to_string()))?;
        let Self { settings, keys, series, every, methods, .. } = &detector;
        let measures = settings.measures.len();
        let by = keys.names().split_last().is_some_and(|(level, by)| level == "level" && by == settings.by);
        let unfit = || Error::snapshot("the series of the detector don't fit its settings");
        if !by
            || keys.len().checked_mul(measures) != Some(series.len())
            || methods.len() != measures
            || methods.contains(&Some(Method::Auto))
            || every.is_some_and(|every| every <= 0)
            || !detector.series_fit()
            || !detector.histories_fit()
            || !detector.waiting.is_sound(keys.len(), measures)
        {
            return Err(unfit());
        }
        series.iter().try_for_each(|series| series.alarm.check(&settings.alarm))?;
        detector.records.check(series, settings)?;
        detector.remember()?;
        if detector.series_fit() { Ok(detector) } else { Err(unfit()) }
    }

    /// Makes anew what kept series remember.
    fn remember(&mut self) -> Result<()> {
        let mut pace = pace_of(self.every.unwrap_or(1_000_000_000), &self.settings);
        let keeping = &self.records.keeping;
        for id in keeping.ids() {
            let memory = keeping.present(id, &mut pace);
            let series = self.series.get_mut(id as usize).filter(|one| one.memory == Memory::Empty);
            let (Some(series), Some(memory)) = (series, memory) else {
                return Err(Error::snapshot("what a series remembers doesn't fit what is kept of it"));
            };
            series.memory = memory;
        }
        Ok(())
    }
}
