//! AWS Panorama's example tracker, and any home-made one like it: one message a detection, a field for each
//! class whose value is the object's id, null or not there at all.
//!
//! `{"person": 17, "car": null, "camera": "north", "event_time": 1609459200000}` is one sighting of a person.
//! Times are ISO 8601 text or integers in the configured unit (default milliseconds). A message that names no
//! object is a heartbeat. The columns `score`, `zones`, `speed` and the box are null.

use crate::times::Unit;

use super::deepstream::OBJECT_UNREADABLE;
use super::fields::{Fields, Raw};
use super::options::PanoramaOptions;
use super::sightings::{Sighting, Sightings, name, track};
use super::{Decoded, Heartbeat, clock};

/// Where in a message everything is found.
#[derive(Debug, Clone)]
pub struct Panorama {
    pub fields: Fields,
    /// The first of these that is there is the time.
    times: Vec<usize>,
    unit: Unit,
    camera: usize,
    classes: Vec<(String, usize)>,
}

impl Panorama {
    pub fn new(options: &PanoramaOptions) -> Self {
        let mut fields = Fields::default();
        let times = options.time.iter().map(|name| fields.ask(name)).collect();
        let camera = fields.ask(&options.camera);
        let classes =
            options.classes.iter().map(|(field, class)| (class.clone(), fields.ask(field))).collect();
        Self { fields, times, unit: options.time_unit, camera, classes }
    }

    /// Reads one message; the error is why it can't be read.
    pub fn read(
        &self,
        found: &[Raw<'_>],
        rows: &mut Sightings,
        out: &mut Decoded,
    ) -> Result<(), &'static str> {
        let times = self.times.iter().map(|slot| found[*slot]);
        let time = times.into_iter().find(|value| !value.is_nothing()).unwrap_or(Raw::Absent);
        let time = clock::time(time, self.unit)?;
        let camera = name(found[self.camera], "camera", out);
        let (mut seen, mut unreadable) = (false, false);
        for (class, slot) in &self.classes {
            match found[*slot] {
                Raw::Absent | Raw::Null | Raw::Text { inner: "", .. } | Raw::Number("NaN") => {}
                value => match value.name() {
                    Some(id) => {
                        seen = true;
                        rows.push(&Sighting {
                            time,
                            camera: camera.as_deref(),
                            class: Some(class),
                            track: track(&id),
                            ..Sighting::default()
                        });
                    }
                    None => unreadable = true,
                },
            }
        }
        match (seen, unreadable) {
            (_, true) => Err(OBJECT_UNREADABLE),
            (false, false) => {
                let camera = camera.map(std::borrow::Cow::into_owned);
                out.heartbeats.push(Heartbeat { camera, time, row: rows.len(), line: out.line });
                Ok(())
            }
            (true, false) => Ok(()),
        }
    }
}
