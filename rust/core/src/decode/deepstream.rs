//! NVIDIA DeepStream's message converter: the minimal form, one message a frame, and the full form, one
//! message an object. Each message says by its fields which of them it is.
//!
//! - Minimal: `@timestamp`, `sensorId` and `objects`, each `"track|left|top|right|bottom|label"`, optionally
//!   followed by `|#|` and what a classifier added; a number from 0 to 1 at its very end is the score. A frame
//!   without objects is a heartbeat of its camera.
//! - Full: `@timestamp`, `sensor.id` and `object`. The class is the name of the part that describes the object
//!   (`vehicle`, `person`, `face`, ...), never its `type`, which is `UNKNOWN` on most cameras and would make
//!   one street two classes. Every `event.type` is a sighting, also `empty` (a spot that was left). `object`
//!   null is a heartbeat.
//!
//! The columns `zones` (and in the minimal form `speed`) are null.

use crate::times::Unit;

use super::fields::{Fields, Raw};
use super::sightings::{Sighting, Sightings, measure, name, track};
use super::{Decoded, Heartbeat, Wanted, clock, scan};

/// Neither `objects` nor `object` is there.
pub const NO_OBJECTS: &str = "objects_missing";
/// An entry of `objects` isn't `"track|left|top|right|bottom|label"`.
pub const OBJECT_UNREADABLE: &str = "object_unreadable";

/// What the converter can describe an object as.
const CLASSES: [&str; 7] = ["vehicle", "person", "face", "bag", "bicycle", "roadsign", "product"];

const CORNERS: [(&str, &str); 4] = [
    ("left", "object.bbox.topleftx"),
    ("top", "object.bbox.toplefty"),
    ("right", "object.bbox.bottomrightx"),
    ("bottom", "object.bbox.bottomrighty"),
];

/// Where in a message everything is found.
#[derive(Debug, Clone)]
pub struct DeepStream {
    pub fields: Fields,
    time: usize,
    sensor_id: usize,
    sensor: usize,
    objects: usize,
    object: usize,
    id: Option<usize>,
    speed: Option<usize>,
    /// With its confidence, if that is wanted.
    classes: Vec<(&'static str, usize, Option<usize>)>,
    corners: [Option<usize>; 4],
    class: bool,
    score: bool,
}

impl DeepStream {
    pub fn new(wanted: &Wanted) -> Self {
        let mut fields = Fields::default();
        let time = fields.ask("@timestamp");
        let sensor_id = fields.ask("sensorId");
        let sensor = fields.ask("sensor.id");
        let objects = fields.ask("objects");
        let object = fields.ask("object");
        let (class, score) = (wanted.has("class"), wanted.has("score"));
        let mut classes = Vec::new();
        if class || score {
            for name in CLASSES {
                let path = format!("object.{name}");
                let part = fields.ask(&path);
                classes.push((name, part, score.then(|| fields.ask(&format!("{path}.confidence")))));
            }
        }
        let mut ask = |column: &str, path: &str| wanted.has(column).then(|| fields.ask(path));
        let id = ask("track", "object.id");
        let speed = ask("speed", "object.speed");
        let corners = CORNERS.map(|(column, path)| ask(column, path));
        Self { fields, time, sensor_id, sensor, objects, object, id, speed, classes, corners, class, score }
    }

    /// Reads one message; the error is why it can't be read.
    pub fn read(
        &self,
        found: &[Raw<'_>],
        rows: &mut Sightings,
        out: &mut Decoded,
    ) -> Result<(), &'static str> {
        let time = clock::time(found[self.time], Unit::Millisecond)?;
        let minimal = found[self.objects] != Raw::Absent;
        let sensor =
            if minimal && found[self.sensor_id] != Raw::Absent { self.sensor_id } else { self.sensor };
        let camera = name(found[sensor], "camera", out);
        let camera = camera.as_deref();
        match if minimal { found[self.objects] } else { found[self.object] } {
            Raw::Null => {
                let camera = camera.map(str::to_owned);
                out.heartbeats.push(Heartbeat { camera, time, row: rows.len(), line: out.line });
            }
            Raw::Nested(list) if minimal && list.starts_with('[') => {
                self.frame(list, Sighting { time, camera, ..Sighting::default() }, rows, out)?;
            }
            Raw::Nested(object) if !minimal && object.starts_with('{') => {
                let mut row = Sighting { time, camera, ..Sighting::default() };
                if let Some((class, _, confidence)) =
                    self.classes.iter().find(|(_, slot, _)| !found[*slot].is_nothing())
                {
                    row.class = Some(class);
                    row.score = confidence.and_then(|slot| measure(found[slot], "score", out));
                }
                let id = self.id.and_then(|slot| name(found[slot], "track", out));
                row.track = id.as_deref().and_then(track);
                row.speed = self.speed.and_then(|slot| measure(found[slot], "speed", out));
                for (corner, (slot, (column, _))) in
                    row.corners.iter_mut().zip(self.corners.iter().zip(CORNERS))
                {
                    *corner = slot.and_then(|slot| measure(found[slot], column, out));
                }
                rows.push(&row);
            }
            Raw::Absent => return Err(NO_OBJECTS),
            _ => return Err(OBJECT_UNREADABLE),
        }
        Ok(())
    }

    /// The objects of one frame. One that can't be read is a reject of its own and leaves the others be.
    fn frame(
        &self,
        list: &str,
        frame: Sighting<'_>,
        rows: &mut Sightings,
        out: &mut Decoded,
    ) -> Result<(), &'static str> {
        let mut empty = true;
        for (value, text) in scan::elements(list)? {
            empty = false;
            let entry = if let Raw::Text { .. } = value { value.name() } else { None };
            let sighted = entry.is_some_and(|entry| self.sighting(&entry, frame, rows, out));
            if !sighted {
                out.reject(OBJECT_UNREADABLE, text.as_bytes());
            }
        }
        if empty {
            let camera = frame.camera.map(str::to_owned);
            out.heartbeats.push(Heartbeat { camera, time: frame.time, row: rows.len(), line: out.line });
        }
        Ok(())
    }

    fn sighting<'a>(
        &self,
        entry: &'a str,
        frame: Sighting<'a>,
        rows: &mut Sightings,
        out: &mut Decoded,
    ) -> bool {
        let mut parts = entry.split('|').map(str::trim);
        let mut next = || parts.next();
        let (Some(id), Some(left), Some(top), Some(right), Some(bottom), Some(label)) =
            (next(), next(), next(), next(), next(), next())
        else {
            return false;
        };
        let mut row = frame;
        row.track = track(id);
        row.class = (self.class && !label.is_empty()).then_some(label);
        for (corner, (slot, ((column, _), text))) in row
            .corners
            .iter_mut()
            .zip(self.corners.iter().zip(CORNERS.into_iter().zip([left, top, right, bottom])))
        {
            if slot.is_some() && !text.is_empty() {
                *corner = measure(Raw::Number(text), column, out);
            }
        }
        if self.score && parts.next() == Some("#") {
            row.score = parts
                .next_back()
                .and_then(|last| last.parse::<f64>().ok())
                .filter(|score| (0.0..=1.0).contains(score));
        }
        rows.push(&row);
        true
    }
}
