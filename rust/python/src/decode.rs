//! `decode`: bytes of tracker messages as rows.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, Int64Array, RecordBatch, RecordBatchOptions, StringArray, TimestampNanosecondArray,
};
use arrow_schema::{Field, Schema};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBool, PyDateTime, PyDict, PyMapping, PyString};
use windrow_core::column::{Scalar, parsed};
use windrow_core::decode::{Beside, Decoded as Block, Decoder, Joined, Rename, Setting};
use windrow_core::window::Sign;

use crate::arguments::names;
use crate::arrow::read_table_as;
use crate::batch::Batch;
use crate::error::{OrRaise, config, data as data_error};

/// Blocks longer than this are read detached from the interpreter: a few thousand short messages.
const LONG: usize = 1 << 19;

/// Read messages of object trackers (whole lines) into rows.
///
/// A line that can't be read is a reject and never spoils the lines around it.
///
/// Parameters
/// ----------
/// data : bytes
///     JSON lines (`"mot"`: lines of text), shorter than 2 GiB; the last one may lack its newline.
/// decoder : str or mapping
///     A name, or a mapping of `kind` and options:
///
///     - `"axis"`: AXIS Scene Metadata: `axis.scene.frame_v1`, `axis.scene.object_track_v1` (a row at the object's
///       `end_time`) and the older `{"frame": {"observations"}}`, told apart message by message. Boxes are in parts of
///       the picture. Option `camera`: the camera of all messages (default each message's `channel_id`).
///     - `"deepstream"`: NVIDIA DeepStream, minimal (a message a frame) and full (a message an object), told
///       apart message by message. In the full form `class` is the name of the part that describes the object
///       (`vehicle`, `person`, `face`, ...).
///     - `"frigate"`: the messages of Frigate's topic `frigate/events`: a row for each change of an object, at its
///       `frame_time`. What Frigate marks as `false_positive` is a sign of its camera's life, not a row.
///     - `"mot"`: MOTChallenge's text, a line an object of a frame. Options `frames_per_second` and `start` (the time of
///       frame 1), without which there are no times, and `camera`.
///     - `"panorama"`: a field for each class, holding the object's id. Options `classes` (list of fields, or
///       mapping of fields to classes; default person, car), `camera`, `time` (a field, or several to be tried
///       in turn; default event_time, timestamp, time), `time_unit` (of integer times; default ms).
///     - `"rows"`: any JSON lines. Options `columns` (mapping of names to `bool`, `float64`, `int64`, `text`,
///       `time`, or a list of names typed by the block; default all fields), `time` (default the column of type
///       `time`, else `time`), `time_unit` (default ns).
///
///     All but `"mot"` have the option `fields`, a mapping of columns to the fields they are read from: for `"rows"`
///     other names, for the others further columns, the same for all rows of a message.
///
///     A dot in a field's name goes one level down: `"object.id"`. Times are ISO 8601 text, integers in
///     `time_unit`, or epoch seconds with a fraction.
/// columns : sequence of str, optional
///     Build only these, in this order; `time` comes first if it isn't named. Fewer are quicker.
/// beside : table, optional
///     What is known of each line besides its bytes (a topic's parts, say): a row for each line of `data`, blank ones
///     included. Its columns become columns of the rows and win over those that the messages bring, except where they
///     are null. With `arrival` (integers, nanoseconds since the epoch) `lag` can be asked for as well: the seconds from a
///     row's time to its arrival.
///
/// Returns
/// -------
/// Decoded
///     Its `rows` have the columns of `rows`' configuration, or `time`, `camera`, `class`, `track` (null where
///     the object isn't tracked), `event`, `score`, `zones` (names joined by commas), `speed`, `left`, `top`,
///     `right`, `bottom` (pixels, unless said otherwise), `renamed_from`. Ids keep their own digits. `event` is `seen`,
///     `new` or `end` of a sighting. What Axis says of a track beside its detections is a row as well: `end`, or
///     `rename`, where `track` is the new id and `renamed_from` the old one. `TumblingWindows.push_messages` counts
///     sightings alone.
///
/// Raises
/// ------
/// ConfigError
///     A decoder, an option or a column that doesn't exist; all mistakes at once.
/// DataError
///     `data` isn't bytes, or `beside` no table with a row for each of its lines.
/// LimitError
///     `data` is 2 GiB or longer.
///
/// Notes
/// -----
/// Formats: NVIDIA DeepStream SDK, "Gst-nvmsgconv" (minimal and full schema); AWS Panorama's people-counter
/// sample for the field per class; AXIS Scene Metadata, "Analytics Data Format"; Frigate, "MQTT"; MOTChallenge, "Data
/// format" (MOT16).
///
/// Examples
/// --------
/// >>> import windrow as wr
/// >>> line = b'{"@timestamp": "2018-09-12T17:20:38.026Z", "sensorId": "a", "objects": ["7|0|0|9|9|car"]}'
/// >>> found = wr.decode(line + b"\noops", "deepstream", columns=["time", "camera", "track"])
/// >>> found.rows
/// windrow.Batch: 1 rows
/// time                         camera  track
/// 2018-09-12T17:20:38.026000Z  a       7
/// >>> found.rejects.to_pydict()
/// {'line': [1], 'reason': ['json_invalid'], 'bytes': [b'oops']}
/// >>> topics = {"site": ["north"], "arrival": [1_536_772_839_026_000_000]}
/// >>> wr.decode(line, "deepstream", columns=["site", "camera", "lag"], beside=topics).rows
/// windrow.Batch: 1 rows
/// time                         site   camera  lag
/// 2018-09-12T17:20:38.026000Z  north  a       1
#[pyfunction]
#[pyo3(signature = (data, decoder, columns=None, beside=None))]
pub fn decode(
    py: Python<'_>,
    data: &Bound<'_, PyAny>,
    decoder: &Bound<'_, PyAny>,
    columns: Option<&Bound<'_, PyAny>>,
    beside: Option<&Bound<'_, PyAny>>,
) -> PyResult<Decoded> {
    let columns = columns.map(|columns| names(columns, "columns")).transpose()?;
    let out = read_block(py, data, read_decoder(decoder)?, columns.as_deref(), beside)?.0;
    let wrap = |record| Py::new(py, Batch::new(record));
    Ok(Decoded {
        rows: wrap(out.plain_record().or_raise()?)?,
        heartbeats: wrap(heartbeats(&out)?)?,
        rejects: wrap(rejects(&out)?)?,
        out,
    })
}

/// Reads a block, and what is known of its lines if that was given.
fn read_block<S: AsRef<str>>(
    py: Python<'_>,
    data: &Bound<'_, PyAny>,
    decoder: Decoder,
    columns: Option<&[S]>,
    beside: Option<&Bound<'_, PyAny>>,
) -> PyResult<(Block, Option<Beside>)> {
    let Ok(bytes) = data.extract::<PyBackedBytes>() else {
        return Err(data_error(format!("`data` must be bytes, got {}", data.get_type().qualname()?)));
    };
    let mut out = Block::default();
    let mut read = |decode: &(dyn Fn(&mut Block) -> windrow_core::Result<()> + Sync)| {
        if bytes.len() > LONG { py.detach(|| decode(&mut out)) } else { decode(&mut out) }.or_raise()
    };
    let Some(beside) = beside else {
        let decoder = match columns {
            Some(columns) => decoder.with_columns(columns).or_raise()?,
            None => decoder,
        };
        read(&|out| decoder.decode(&bytes, out))?;
        return Ok((out, None));
    };
    let beside = Beside::new(&read_table_as(beside, "beside")?).or_raise()?;
    let joined = Joined::new(decoder, beside, columns).or_raise()?;
    read(&|out| joined.decode(&bytes, out))?;
    Ok((out, Some(joined.into_beside())))
}

/// Only these columns of messages, for an engine that calls its time column `time`.
pub fn read_messages(
    py: Python<'_>,
    data: &Bound<'_, PyAny>,
    decoder: &Bound<'_, PyAny>,
    time: &str,
    columns: &[&String],
    beside: Option<&Bound<'_, PyAny>>,
) -> PyResult<(Block, Option<Beside>)> {
    let decoder = if decoder.is_instance_of::<PyString>() && decoder.eq("rows")? && time != "time" {
        Decoder::configured(&[
            ("kind".to_owned(), Setting::Text("rows".to_owned())),
            ("time".to_owned(), Setting::Text(time.to_owned())),
        ])
        .or_raise()?
    } else {
        read_decoder(decoder)?
    };
    read_block(py, data, decoder.sightings(), Some(columns), beside)
}

/// What stands between the rows of messages, in line order. Heartbeats name their source where that is the camera, or
/// known of their line.
pub fn signs(found: &Block, beside: Option<&Beside>, source: Option<&str>) -> Vec<(usize, Sign)> {
    let alive = found.heartbeats.iter().map(|beat| {
        let known = beside.zip(source).and_then(|(beside, source)| beside.value(source, beat.line));
        let camera = beat.camera.clone().map(Scalar::Str).filter(|_| source == Some("camera"));
        (beat.row, Sign::Alive(known.filter(|_| source != Some("camera")).or(camera), beat.time))
    });
    let renamed = found.renames.iter().map(|rename| {
        let Rename { camera, from, to, time, row, heartbeat, .. } = rename.clone();
        (heartbeat, (row, Sign::Renamed(windrow_core::window::Rename { camera, from, to, time })))
    });
    // A frame's renames come before its own sign of life, which may close windows.
    let mut signs: Vec<_> = renamed.chain(alive.enumerate()).collect();
    signs.sort_by_key(|(heartbeat, (row, _))| (*row, *heartbeat));
    signs.into_iter().map(|(_, sign)| sign).collect()
}

/// The rows of messages, their time column called as the engine calls it. Text in the columns that are `numbers` is
/// read as such: a value that is none is null, and the rows around it count.
pub fn named_rows(found: &Block, time: &str, numbers: &[&str]) -> PyResult<RecordBatch> {
    let rows = found.record().or_raise()?;
    let mut columns = Vec::with_capacity(rows.num_columns());
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        let name = if field.name() == "time" { time } else { field.name().as_str() };
        let number = numbers.contains(&field.name().as_str());
        let column = if number { parsed(column, name).or_raise()? } else { column.clone() };
        columns.push((Field::new(name, column.data_type().clone(), true), column));
    }
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
        .map_err(|error| data_error(error.to_string()))
}

/// A decoder as Python names it: its name, or a mapping with `kind` and options.
pub fn read_decoder(decoder: &Bound<'_, PyAny>) -> PyResult<Decoder> {
    if let Ok(name) = decoder.cast::<PyString>() {
        return Decoder::parse(&name.to_cow()?).or_raise();
    }
    let Ok(options) = decoder.cast::<PyMapping>() else {
        return Err(config(format!(
            "`decoder` must be a name or a mapping with `kind` and options, got {}",
            decoder.get_type().qualname()?
        )));
    };
    let mut settings = Vec::new();
    for item in options.items()?.iter() {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
        settings.push((name.str()?.extract()?, setting(&value)?));
    }
    Decoder::configured(&settings).or_raise()
}

fn setting(value: &Bound<'_, PyAny>) -> PyResult<Setting> {
    if let Ok(text) = value.extract::<String>() {
        return Ok(Setting::Text(text));
    }
    if !value.is_instance_of::<PyBool>()
        && let Ok(number) = value.extract::<f64>()
    {
        return Ok(Setting::Number(number));
    }
    if value.is_instance_of::<PyDateTime>() {
        return Ok(Setting::Text(value.call_method0("isoformat")?.extract()?));
    }
    if let Ok(map) = value.cast::<PyMapping>() {
        let pairs =
            map.items()?.iter().map(|item| item.extract::<(String, String)>()).collect::<PyResult<_>>();
        return Ok(pairs.map_or_else(
            |_| Setting::Other("a mapping of other things than text".to_owned()),
            Setting::Map,
        ));
    }
    if let Ok(list) = value.extract::<Vec<String>>() {
        return Ok(Setting::List(list));
    }
    Ok(Setting::Other(value.get_type().qualname()?.extract()?))
}

fn table(columns: Vec<(&str, ArrayRef)>) -> PyResult<RecordBatch> {
    let field = |(name, column): &(&str, ArrayRef)| Field::new(*name, column.data_type().clone(), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns.into_iter().map(|(_, column)| column).collect())
        .map_err(|error| data_error(error.to_string()))
}

fn heartbeats(out: &Block) -> PyResult<RecordBatch> {
    let times = TimestampNanosecondArray::from_iter_values(out.heartbeats.iter().map(|beat| beat.time));
    let cameras: StringArray = out.heartbeats.iter().map(|beat| beat.camera.as_deref()).collect();
    table(vec![("time", Arc::new(times.with_timezone("UTC"))), ("camera", Arc::new(cameras))])
}

fn rejects(out: &Block) -> PyResult<RecordBatch> {
    let lines = Int64Array::from_iter_values(out.rejects.iter().map(|reject| reject.line as i64));
    let reasons = StringArray::from_iter_values(out.rejects.iter().map(|reject| reject.reason));
    let bytes = BinaryArray::from_iter_values(out.rejects.iter().map(|reject| &reject.bytes));
    table(vec![("line", Arc::new(lines)), ("reason", Arc::new(reasons)), ("bytes", Arc::new(bytes))])
}

/// What a block of messages held; `decode` returns it.
///
/// Attributes
/// ----------
/// rows : Batch
///     The rows, in line order.
/// heartbeats : Batch
///     Frames in which nothing was seen: columns `time`, `camera`.
/// rejects : Batch
///     What couldn't be read: columns `line` (from 0, blank lines included), `reason`, `bytes` (cut to 1 KiB).
///     Reasons: `json_invalid`, `json_truncated`, `json_too_deep`, `utf8_invalid`, `not_an_object`,
///     `objects_missing`, `object_unreadable`, `line_unreadable`, `time_null`, `time_unreadable`,
///     `time_out_of_range`.
/// rejected : int
///     How many rejects there were; `rejects` has the newest 100,000.
/// messages : int
///     Lines read; blank ones are none.
/// unreadable : dict of str to int
///     By column, how many values were there and couldn't be read as its type; they are null in `rows`.
#[pyclass(frozen, module = "windrow")]
pub struct Decoded {
    /// The rows.
    #[pyo3(get)]
    rows: Py<Batch>,
    /// Frames in which nothing was seen.
    #[pyo3(get)]
    heartbeats: Py<Batch>,
    /// What couldn't be read.
    #[pyo3(get)]
    rejects: Py<Batch>,
    out: Block,
}

#[pymethods]
impl Decoded {
    /// Lines read; blank ones are none.
    #[getter]
    fn messages(&self) -> usize {
        self.out.messages
    }

    /// How many rejects there were, those beyond the newest 100,000 included.
    #[getter]
    fn rejected(&self) -> u64 {
        self.out.dropped + self.out.rejects.len() as u64
    }

    /// By column, how many values were there and couldn't be read as its type.
    #[getter]
    fn unreadable<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = PyDict::new(py);
        for (column, count) in &self.out.unreadable {
            counts.set_item(column, count)?;
        }
        Ok(counts)
    }

    fn __repr__(&self) -> String {
        format!(
            "windrow.Decoded: {} messages, {} rows, {} heartbeats, {} rejects",
            self.out.messages,
            self.out.rows,
            self.out.heartbeats.len(),
            self.rejected()
        )
    }
}
