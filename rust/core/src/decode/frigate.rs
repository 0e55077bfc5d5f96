//! Frigate's `frigate/events`: one message a change of a tracked object, of which `after` is read.
//!
//! `type` says whether the object is `new`, seen again (`update`) or at its `end`; its time is `frame_time`, when it was
//! last seen, in epoch seconds. `zones` are those it is in (`current_zones`), the speed is `current_estimated_speed`. What
//! Frigate itself holds for a false positive is nobody's row: its message is a heartbeat of its camera. An object that
//! stands still is a row like any other.

use crate::times::Unit;

use super::deepstream::{NO_OBJECTS, OBJECT_UNREADABLE};
use super::fields::{Fields, Raw};
use super::sightings::{Event, Sighting, Sightings, measure, name, track};
use super::{Decoded, Heartbeat, Wanted, clock, scan};

const CORNERS: [&str; 4] = ["left", "top", "right", "bottom"];

/// Where in a message everything is found.
#[derive(Debug, Clone)]
pub struct Frigate {
    pub fields: Fields,
    kind: usize,
    after: usize,
    camera: usize,
    time: usize,
    false_positive: usize,
    class: Option<usize>,
    track: Option<usize>,
    score: Option<usize>,
    zones: Option<usize>,
    speed: Option<usize>,
    corners: Option<usize>,
}

impl Frigate {
    pub fn new(wanted: &Wanted) -> Self {
        let mut fields = Fields::default();
        let kind = fields.ask("type");
        let after = fields.ask("after");
        let camera = fields.ask("after.camera");
        let time = fields.ask("after.frame_time");
        let false_positive = fields.ask("after.false_positive");
        let corners = CORNERS.iter().any(|corner| wanted.has(corner)).then(|| fields.ask("after.box"));
        let mut ask = |column: &str, path: &str| wanted.has(column).then(|| fields.ask(path));
        let class = ask("class", "after.label");
        let track = ask("track", "after.id");
        let score = ask("score", "after.score");
        let zones = ask("zones", "after.current_zones");
        let speed = ask("speed", "after.current_estimated_speed");
        Self { fields, kind, after, camera, time, false_positive, class, track, score, zones, speed, corners }
    }

    /// Reads one message; the error is why it can't be read.
    pub fn read(
        &self,
        found: &[Raw<'_>],
        rows: &mut Sightings,
        out: &mut Decoded,
    ) -> Result<(), &'static str> {
        match found[self.after] {
            Raw::Absent | Raw::Null => return Err(NO_OBJECTS),
            Raw::Nested(after) if after.starts_with('{') => {}
            _ => return Err(OBJECT_UNREADABLE),
        }
        let time = clock::time(found[self.time], Unit::Second)?;
        let camera = name(found[self.camera], "camera", out);
        if found[self.false_positive] == Raw::Bool(true) {
            let camera = camera.map(std::borrow::Cow::into_owned);
            out.heartbeats.push(Heartbeat { camera, time, row: rows.len(), line: out.line });
            return Ok(());
        }
        let event = match found[self.kind].name().as_deref() {
            Some("new") => Event::New,
            Some("end") => Event::End,
            _ => Event::Seen,
        };
        let class = self.class.and_then(|slot| name(found[slot], "class", out));
        let id = self.track.and_then(|slot| name(found[slot], "track", out));
        let score = self.score.and_then(|slot| measure(found[slot], "score", out));
        let zones = self.zones.and_then(|slot| joined(found[slot], out));
        let speed = self.speed.and_then(|slot| measure(found[slot], "speed", out));
        rows.push(&Sighting {
            time,
            camera: camera.as_deref(),
            class: class.as_deref(),
            track: id.as_deref().and_then(track),
            event,
            score,
            zones: zones.as_deref(),
            speed,
            corners: self.corners.map_or([None; 4], |slot| corners(found[slot], out)),
            ..Sighting::default()
        });
        Ok(())
    }
}

/// Names of a list, joined by commas; nothing of none.
fn joined(value: Raw<'_>, out: &mut Decoded) -> Option<String> {
    let names = match value {
        Raw::Absent | Raw::Null => return None,
        Raw::Nested(list) if list.starts_with('[') => scan::elements(list).ok(),
        _ => None,
    };
    let Some(names) = names else {
        out.unreadable("zones");
        return None;
    };
    let names: Vec<_> = names.filter_map(|(value, _)| name(value, "zones", out)).collect();
    (!names.is_empty()).then(|| names.join(","))
}

/// The box: four numbers in a list.
fn corners(value: Raw<'_>, out: &mut Decoded) -> [Option<f64>; 4] {
    let mut corners = [None; 4];
    match value {
        Raw::Absent | Raw::Null => {}
        Raw::Nested(list) if list.starts_with('[') => {
            for ((corner, (value, _)), column) in
                corners.iter_mut().zip(scan::elements(list).into_iter().flatten()).zip(CORNERS)
            {
                *corner = measure(value, column, out);
            }
        }
        _ => CORNERS.iter().for_each(|column| out.unreadable(column)),
    }
    corners
}
