//! AXIS Scene Metadata, each message saying by its fields which it is:
//!
//! - `axis.scene.frame_v1`: `timestamp`, `channel_id`, `detections` and `track_events`, one message a frame. A frame
//!   without detections is a heartbeat. A `Rename` joins two ids; a `TrackEnded` is an event without a sighting.
//! - `axis.scene.object_track_v1`: one message a finished object, seen at its `end_time`, its event `end`.
//! - `{"frame": {"timestamp", "observations", "operations"}}`, the older form of a frame.
//!
//! The camera is the message's `channel_id`, unless the configuration names it. Of several classes the one of the
//! greatest score counts. Boxes are in parts of the picture, as they come. The columns `zones` and `speed` are null.

use std::borrow::Cow;

use crate::times::Unit;

use super::deepstream::{NO_OBJECTS, OBJECT_UNREADABLE};
use super::fields::{Fields, Raw};
use super::options::AxisOptions;
use super::sightings::{Event, Sighting, Sightings, measure, name, track};
use super::{Decoded, Heartbeat, Rename, Wanted, clock, scan};

const CORNERS: [&str; 4] = ["left", "top", "right", "bottom"];

/// Where in a message everything is found.
#[derive(Debug, Clone)]
pub struct Axis {
    pub fields: Fields,
    camera: Option<String>,
    channel: usize,
    time: usize,
    detections: usize,
    track_events: usize,
    frame: usize,
    frame_time: usize,
    observations: usize,
    operations: usize,
    id: usize,
    start_time: usize,
    end_time: usize,
    classes: usize,
    detection: Detection,
    happening: Happening,
}

/// Where in a detection everything is found.
#[derive(Debug, Clone)]
struct Detection {
    fields: Fields,
    /// The first of these that is there is the id.
    ids: [usize; 2],
    class: Option<usize>,
    score: Option<usize>,
    classes: Option<usize>,
    corners: [Option<usize>; 4],
}

/// Where in a track event everything is found.
#[derive(Debug, Clone)]
struct Happening {
    fields: Fields,
    kind: usize,
    /// The first of these that is there is the id of what has ended.
    ids: [usize; 2],
    from: usize,
    to: usize,
}

impl Axis {
    pub fn new(options: &AxisOptions, wanted: &Wanted) -> Self {
        let mut fields = Fields::default();
        let mut ask = |path| fields.ask(path);
        let (channel, time, detections, track_events) =
            (ask("channel_id"), ask("timestamp"), ask("detections"), ask("track_events"));
        let (frame, frame_time) = (ask("frame"), ask("frame.timestamp"));
        let (observations, operations) = (ask("frame.observations"), ask("frame.operations"));
        let (id, start_time, end_time, classes) =
            (ask("id"), ask("start_time"), ask("end_time"), ask("classes"));
        Self {
            fields,
            camera: options.camera.clone(),
            channel,
            time,
            detections,
            track_events,
            frame,
            frame_time,
            observations,
            operations,
            id,
            start_time,
            end_time,
            classes,
            detection: Detection::new(wanted),
            happening: Happening::new(),
        }
    }

    /// Reads one message; the error is why it can't be read.
    pub fn read(
        &self,
        found: &[Raw<'_>],
        rows: &mut Sightings,
        out: &mut Decoded,
    ) -> Result<(), &'static str> {
        let camera = match &self.camera {
            Some(camera) => Some(Cow::Borrowed(camera.as_str())),
            None => name(found[self.channel], "camera", out),
        };
        let there = |slot: usize| found[slot] != Raw::Absent;
        let (time, detections, events) = if there(self.frame) {
            let Raw::Nested(frame) = found[self.frame] else { return Err(OBJECT_UNREADABLE) };
            if !frame.starts_with('{') {
                return Err(OBJECT_UNREADABLE);
            }
            (self.frame_time, self.observations, self.operations)
        } else if there(self.start_time) || there(self.end_time) {
            let time = clock::time(found[self.end_time], Unit::Millisecond)?;
            let id = name(found[self.id], "track", out);
            let (class, score) = likeliest(found[self.classes], out);
            rows.push(&Sighting {
                time,
                camera: camera.as_deref(),
                class: class.as_deref(),
                track: id.as_deref().and_then(track),
                event: Event::End,
                score,
                ..Sighting::default()
            });
            return Ok(());
        } else if [self.channel, self.detections, self.track_events].into_iter().any(there) {
            (self.time, self.detections, self.track_events)
        } else {
            return Err(NO_OBJECTS);
        };
        let time = clock::time(found[time], Unit::Millisecond)?;
        let (detections, events) = (list(found[detections])?, list(found[events])?);
        let frame = Sighting { time, camera: camera.as_deref(), ..Sighting::default() };
        for (value, text) in scan::elements(events)? {
            if self.happening.read(value, frame, rows, out).is_none() {
                out.reject(OBJECT_UNREADABLE, text.as_bytes());
            }
        }
        let mut empty = true;
        for (value, text) in scan::elements(detections)? {
            empty = false;
            if self.detection.read(value, frame, rows, out).is_none() {
                out.reject(OBJECT_UNREADABLE, text.as_bytes());
            }
        }
        if empty {
            let camera = camera.map(Cow::into_owned);
            out.heartbeats.push(Heartbeat { camera, time, row: rows.len(), line: out.line });
        }
        Ok(())
    }
}

impl Detection {
    fn new(wanted: &Wanted) -> Self {
        let mut fields = Fields::default();
        let ids = ["object_track_id", "track_id"].map(|path| fields.ask(path));
        let mut ask = |column: &str, path: &str| wanted.has(column).then(|| fields.ask(path));
        let class = ask("class", "class.type");
        let score = ask("score", "class.score");
        let classes = ask("class", "classes").or(ask("score", "classes"));
        let corners = CORNERS.map(|corner| ask(corner, &format!("bounding_box.{corner}")));
        Self { fields, ids, class, score, classes, corners }
    }

    /// Adds a row; nothing where the value is no detection.
    fn read(
        &self,
        value: Raw<'_>,
        frame: Sighting<'_>,
        rows: &mut Sightings,
        out: &mut Decoded,
    ) -> Option<()> {
        let found = fields_of(value, &self.fields)?;
        let id = name(first(&found, self.ids), "track", out);
        let class = self.class.and_then(|slot| name(found[slot], "class", out));
        let score = self.score.and_then(|slot| measure(found[slot], "score", out));
        let (class, score) = match self.classes {
            Some(slot) if class.is_none() => likeliest(found[slot], out),
            _ => (class, score),
        };
        let mut row =
            Sighting { class: class.as_deref(), track: id.as_deref().and_then(track), score, ..frame };
        for ((corner, slot), column) in row.corners.iter_mut().zip(self.corners).zip(CORNERS) {
            *corner = slot.and_then(|slot| measure(found[slot], column, out));
        }
        rows.push(&row);
        Some(())
    }
}

impl Happening {
    fn new() -> Self {
        let mut fields = Fields::default();
        let kind = fields.ask("type");
        let ids = ["object_track_id", "id"].map(|path| fields.ask(path));
        let (from, to) = (fields.ask("from_id"), fields.ask("to_id"));
        Self { fields, kind, ids, from, to }
    }

    /// Takes note of an event, of an unknown one of nothing; `None` where it can't be read.
    fn read(
        &self,
        value: Raw<'_>,
        frame: Sighting<'_>,
        rows: &mut Sightings,
        out: &mut Decoded,
    ) -> Option<()> {
        let found = fields_of(value, &self.fields)?;
        let id = |value: Raw<'_>| value.name().filter(|id| track(id).is_some()).map(Cow::into_owned);
        match found[self.kind].name()?.as_ref() {
            "Rename" | "RenameOperation" => {
                let (from, to) = (id(found[self.from])?, id(found[self.to])?);
                let (track, renamed_from) = (Some(to.as_str()), Some(from.as_str()));
                rows.happened(&Sighting { track, renamed_from, event: Event::Rename, ..frame });
                let camera = frame.camera.map(str::to_owned);
                let (row, heartbeat) = (rows.len(), out.heartbeats.len());
                out.renames.push(Rename {
                    camera,
                    from,
                    to,
                    time: frame.time,
                    row,
                    heartbeat,
                    line: out.line,
                });
            }
            "TrackEnded" | "DeleteOperation" => {
                let id = id(first(&found, self.ids))?;
                rows.happened(&Sighting { track: Some(&id), event: Event::End, ..frame });
            }
            _ => {}
        }
        Some(())
    }
}

/// The list of that value; an empty one where there is nothing.
fn list(value: Raw<'_>) -> Result<&str, &'static str> {
    match value {
        Raw::Absent | Raw::Null => Ok("[]"),
        Raw::Nested(list) if list.starts_with('[') => Ok(list),
        _ => Err(OBJECT_UNREADABLE),
    }
}

/// The wanted fields of an object in a list; nothing where it is none.
fn fields_of<'a>(value: Raw<'a>, fields: &Fields) -> Option<Vec<Raw<'a>>> {
    let Raw::Nested(text) = value else { return None };
    let mut found = vec![Raw::Absent; fields.len()];
    scan::message(text, fields, &mut found).ok()?;
    Some(found)
}

fn first<'a>(found: &[Raw<'a>], slots: [usize; 2]) -> Raw<'a> {
    slots.map(|slot| found[slot]).into_iter().find(|value| !value.is_nothing()).unwrap_or(Raw::Absent)
}

/// The class of the greatest score, of equal ones the first.
fn likeliest<'a>(classes: Raw<'a>, out: &mut Decoded) -> (Option<Cow<'a, str>>, Option<f64>) {
    let mut fields = Fields::default();
    let (kind, score) = (fields.ask("type"), fields.ask("score"));
    let mut best: (Option<Cow<'a, str>>, Option<f64>) = (None, None);
    let Ok(classes) = list(classes).and_then(scan::elements) else {
        out.unreadable("class");
        return best;
    };
    for (value, _) in classes {
        let Some(found) = fields_of(value, &fields) else {
            out.unreadable("class");
            continue;
        };
        let score = measure(found[score], "score", out);
        if let Some(class) = name(found[kind], "class", out)
            && (best.0.is_none() || score > best.1)
        {
            best = (Some(class), score);
        }
    }
    best
}
