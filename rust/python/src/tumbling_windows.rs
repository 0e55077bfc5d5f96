//! `TumblingWindows`.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyType};
use windrow_core::times::Unit;
use windrow_core::window::{Spec, TumblingWindows as Core};

use crate::arguments::{bytes, flag, names, size, text};
use crate::batch::Batch;
use crate::error::OrRaise;
use crate::known_keys::KnownKeys;
use crate::lane;
use crate::spec::{self, represent};
use crate::stats;
use crate::time;
use crate::writer::Writer;

/// Tumbling windows over events, in event time.
///
/// Rows are pushed in any order; each belongs to the one window `[start, end)` that holds its time. A window
/// fires when the watermark (the largest time seen less ``out_of_orderness``) reaches its end, and comes out of
/// `drain` as one row a series.
///
/// Parameters
/// ----------
/// every : str or datetime.timedelta
///     Length of a window, such as ``"5m"``.
/// aggregates : dict of str to Aggregate
///     Output columns by name: `count`, `sum`, `mean`, `min`, `max`, `std`, `var`, `first`, `last`, `distinct`,
///     `quantile`.
/// by : str or list of str, optional
///     Columns whose values make a series. A null is a value of its own.
/// time : str, default "time"
///     The column of event times: timestamps of any unit and zone (naive ones are UTC), integers in
///     ``time_unit``, ISO 8601 text, or epoch seconds as floats.
/// time_unit : {"ns", "us", "ms", "s"}, default "ns"
///     Unit of integer times.
/// source : str, optional
///     The column whose values have watermarks of their own; the slowest one that is alive holds windows open.
/// offset : str or datetime.timedelta, default "0s"
///     Shift of all windows; may be negative.
/// zone : str, optional
///     IANA time zone whose civil time windows align to. Days are 23 or 25 hours long when clocks change.
/// label : {"start", "end"}, default "start"
///     Which end later stages treat as the window's time.
/// out_of_orderness : str or datetime.timedelta, default "0s"
///     How far rows may lag behind the largest time seen without being late.
/// allowed_lateness : str or datetime.timedelta, default "0s"
///     How long after its end a window still takes rows; each drain gives a changed one anew, with ``revision`` one
///     higher. What comes later still is late: counted, and handed out by `late`.
/// idle_timeout : str or datetime.timedelta, optional
///     Silence, by the clock that ``now`` brings, after which a source stops holding windows open.
/// max_ahead : str or datetime.timedelta, optional
///     How far beyond ``now`` a row may lie; one further ahead is a reject (``leap``).
/// fill : bool, default False
///     Whether series seen before get a row for windows without rows: zero counts where their source was alive, nulls
///     and ``silent`` where it wasn't.
/// fill_limit : int, optional
///     Silent rows in a run, by default a day's worth, at most 86,400; where nothing comes, ``max_cells`` of all series.
/// rollup : list of list of str, optional
///     Coarser keys, such as ``[["camera"], []]``; their rows have ``level`` 1, 2, ...
/// max_cells : int, default 10_000_000
///     Open windows times series, of all lanes together. Once a batch has reached them, `push` raises and reads nothing.
/// max_series : int, optional
///     Series of each lane; rows of new ones beyond are rejects (``series_limit``). Needed where keys come from outside:
///     a key once let in is remembered for good. Values of ``source`` are not limited.
///
/// Raises
/// ------
/// ConfigError
///     An argument can't be meant.
///
/// Notes
/// -----
/// Windows, watermarks and lateness are those of Apache Flink's TUMBLE, but judged row by row.
///
/// Examples
/// --------
/// >>> import windrow as wr
/// >>> w = wr.TumblingWindows(
/// ...     every="5m", aggregates={"cars": wr.distinct("track"), "n": wr.count()}, by="camera", time_unit="s"
/// ... )
/// >>> w.push({"time": [0, 10, 299, 300], "camera": ["a", "a", "a", "a"], "track": [7, 7, 8, 9]})
/// >>> w.drain()
/// windrow.Batch: 1 rows
/// camera  window_start          window_end            revision  cars  n
/// a       1970-01-01T00:00:00Z  1970-01-01T00:05:00Z  0         2     3
#[pyclass(frozen, module = "windrow")]
pub struct TumblingWindows {
    core: Arc<Core>,
    known: KnownKeys,
}

impl TumblingWindows {
    fn of(core: windrow_core::Result<Core>) -> PyResult<Self> {
        Ok(Self { core: Arc::new(core.or_raise()?), known: KnownKeys::default() })
    }
}

#[pymethods]
impl TumblingWindows {
    #[new]
    #[pyo3(
        signature = (
            *, every, aggregates, by=None, time=None, time_unit=None, source=None, offset=None, zone=None, label=None,
            out_of_orderness=None, allowed_lateness=None, idle_timeout=None, max_ahead=None, fill=None, fill_limit=None,
            rollup=None, max_cells=None, max_series=None
        ),
        text_signature = "(*, every, aggregates, by=None, time='time', time_unit='ns', source=None, offset='0s', \
            zone=None, label='start', out_of_orderness='0s', allowed_lateness='0s', idle_timeout=None, max_ahead=None, \
            fill=False, fill_limit=None, rollup=None, max_cells=10_000_000, max_series=None)"
    )]
    #[allow(clippy::too_many_arguments)]
    fn new(
        every: &Bound<'_, PyAny>,
        aggregates: &Bound<'_, PyAny>,
        by: Option<&Bound<'_, PyAny>>,
        time: Option<&Bound<'_, PyAny>>,
        time_unit: Option<&Bound<'_, PyAny>>,
        source: Option<&Bound<'_, PyAny>>,
        offset: Option<&Bound<'_, PyAny>>,
        zone: Option<&Bound<'_, PyAny>>,
        label: Option<&Bound<'_, PyAny>>,
        out_of_orderness: Option<&Bound<'_, PyAny>>,
        allowed_lateness: Option<&Bound<'_, PyAny>>,
        idle_timeout: Option<&Bound<'_, PyAny>>,
        max_ahead: Option<&Bound<'_, PyAny>>,
        fill: Option<&Bound<'_, PyAny>>,
        fill_limit: Option<&Bound<'_, PyAny>>,
        rollup: Option<&Bound<'_, PyAny>>,
        max_cells: Option<&Bound<'_, PyAny>>,
        max_series: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let spec = Spec {
            every: time::duration(every, "every")?,
            offset: time::optional(offset, "offset")?.unwrap_or(0),
            zone: text(zone, "zone")?,
            label: spec::label(label)?,
            aggregates: spec::aggregates(aggregates)?,
            by: by.map(|by| names(by, "by")).transpose()?.unwrap_or_default(),
            time: text(time, "time")?.unwrap_or_else(|| "time".to_owned()),
            time_unit: Unit::parse(text(time_unit, "time_unit")?.as_deref().unwrap_or("ns")).or_raise()?,
            source: text(source, "source")?,
            out_of_orderness: time::optional(out_of_orderness, "out_of_orderness")?.unwrap_or(0),
            allowed_lateness: time::optional(allowed_lateness, "allowed_lateness")?.unwrap_or(0),
            idle_timeout: time::optional(idle_timeout, "idle_timeout")?,
            max_ahead: time::optional(max_ahead, "max_ahead")?,
            fill: fill.map(|fill| flag(fill, "fill")).transpose()?.unwrap_or(false),
            fill_limit: size(fill_limit, "fill_limit")?,
            rollup: spec::rollup(rollup)?,
            max_cells: size(max_cells, "max_cells")?.unwrap_or(10_000_000),
            max_series: size(max_series, "max_series")?,
        };
        Self::of(Core::new(spec))
    }

    /// Columns that the aggregates read, in order of first mention.
    #[getter]
    fn inputs(&self) -> Vec<String> {
        self.core.inputs().to_vec()
    }

    /// Which end of a window is its time: ``"start"`` or ``"end"``.
    #[getter]
    fn label(&self) -> &'static str {
        self.core.spec().label.name()
    }

    /// Counts of what was read and is held.
    ///
    /// ``read`` rows and unreadable messages, of which ``counted``, ``late`` or ``rejected``; ``nan`` values among the
    /// inputs, which count as null; ``overflow``, integer sums beyond 64 bits, which are null; ``open`` windows x
    /// series; ``series``; ``watermark`` as a datetime, or None.
    #[getter]
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        stats::to_dict(py, py.detach(|| self.core.stats()))
    }

    /// Reads rows.
    ///
    /// Parameters
    /// ----------
    /// batch : table
    ///     Anything with the Arrow PyCapsule interface (pyarrow, polars, pandas, duckdb, windrow), or a dict of columns.
    /// now : datetime.datetime or int, optional
    ///     The clock, for ``idle_timeout`` and ``max_ahead``.
    ///
    /// Raises
    /// ------
    /// DataError
    ///     A column is missing or of a type that can't be read; nothing was read.
    /// LimitError
    ///     ``max_cells`` is reached; nothing was read.
    /// BusyError
    ///     Another thread is pushing.
    #[pyo3(signature = (batch, now=None))]
    fn push(&self, py: Python<'_>, batch: &Bound<'_, PyAny>, now: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        lane::push(py, &*self.core, batch, now)
    }

    /// Reads one row.
    ///
    /// Parameters
    /// ----------
    /// time : datetime.datetime, int or None
    ///     Its event time; a row without one is a reject.
    /// key : scalar, tuple or None
    ///     The series: a value for one column of ``by``, a tuple for several, None for none.
    /// values : sequence or mapping
    ///     Input values in the order of `inputs`, or by name.
    ///
    /// Examples
    /// --------
    /// >>> import windrow as wr
    /// >>> w = wr.TumblingWindows(every="1m", aggregates={"hottest": wr.max("celsius")}, by="motor", time_unit="s")
    /// >>> w.push_one(5, "m1", [71.5])
    /// >>> w.push_one(6, "m1", {"celsius": 72.25})
    /// >>> w.flush().to_pydict()["hottest"]
    /// [72.25]
    fn push_one(
        &self,
        time: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        values: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        lane::push_one(&*self.core, &self.known, time, key, values)
    }

    /// Reads tracker messages: whole lines, straight to windows.
    ///
    /// A frame without objects is a heartbeat of its camera (of the lane, where ``source`` is not the camera). A line that
    /// can't be read is a reject, with its bytes; the lines around it are kept.
    ///
    /// A rename makes two ids one object for every ``distinct`` of the column ``track``; see there.
    ///
    /// Parameters
    /// ----------
    /// data : bytes
    ///     Lines; the last one may lack its newline.
    /// decoder : str or mapping
    ///     ``"axis"``, ``"deepstream"``, ``"frigate"``, ``"mot"``, ``"panorama"``, ``"rows"``, or a mapping of ``kind`` and
    ///     options, as of `decode`.
    /// now : datetime.datetime or int, optional
    ///     The clock, for ``idle_timeout`` and ``max_ahead``.
    /// beside : table, optional
    ///     What is known of each line besides its bytes, as of `decode`: a row for each line, columns for the keys and
    ///     aggregates.
    ///
    /// Returns
    /// -------
    /// int
    ///     Messages read; blank lines are none.
    ///
    /// Examples
    /// --------
    /// >>> import windrow as wr
    /// >>> w = wr.TumblingWindows(every="1m", aggregates={"cars": wr.distinct("track", where={"class": "car"})}, by="camera")
    /// >>> frame = b'{"@timestamp": "2018-09-12T17:20:38.026Z", "sensorId": "a", "objects": ["7|0|0|9|9|car"]}'
    /// >>> w.push_messages(frame, "deepstream")
    /// 1
    /// >>> w.flush().to_pydict()["cars"]
    /// [1]
    #[pyo3(signature = (data, decoder, now=None, beside=None))]
    fn push_messages(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        decoder: &Bound<'_, PyAny>,
        now: Option<&Bound<'_, PyAny>>,
        beside: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<usize> {
        lane::push_messages(py, &*self.core, data, decoder, now, beside)
    }

    /// Reads the rows of an Arrow IPC stream, as engines that host this one send them between processes.
    ///
    /// Parameters
    /// ----------
    /// data : bytes
    ///     A whole stream: its schema, then record batches; not compressed.
    /// now : datetime.datetime or int, optional
    ///     The clock, for ``idle_timeout`` and ``max_ahead``.
    ///
    /// Raises
    /// ------
    /// DataError
    ///     The bytes are no such stream or end within a batch, or as of `push`; nothing was read.
    #[pyo3(signature = (data, now=None))]
    fn push_ipc(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        lane::push_ipc(py, &*self.core, data, now)
    }

    /// Tells the clock: silent sources stop holding windows open, and when all are silent, windows close by it.
    ///
    /// Parameters
    /// ----------
    /// now : datetime.datetime or int
    ///     The time by the clock.
    fn advance(&self, now: &Bound<'_, PyAny>) -> PyResult<()> {
        let now = time::time(now, self.core.spec().time_unit, "now")?;
        self.core.advance(now);
        Ok(())
    }

    /// Sets the watermark, which never falls: windows up to `time` close.
    fn watermark(&self, time: &Bound<'_, PyAny>) -> PyResult<()> {
        let time = time::time(time, self.core.spec().time_unit, "time")?;
        self.core.watermark(time);
        Ok(())
    }

    /// Notes a heartbeat: the source was alive at that event time, whether or not it saw anything.
    ///
    /// Parameters
    /// ----------
    /// source : scalar
    ///     A value of the ``source`` column; None where there is none.
    /// time : datetime.datetime or int
    ///     Event time of the heartbeat. It moves the watermark as a row would.
    fn alive(&self, source: &Bound<'_, PyAny>, time: &Bound<'_, PyAny>) -> PyResult<()> {
        lane::alive(&*self.core, source, time)
    }

    /// Rows of the windows that fired or changed since the last call.
    ///
    /// Returns
    /// -------
    /// Batch
    ///     Columns: ``by``, ``window_start``, ``window_end``, ``level`` (with ``rollup``; 0 is the finest), ``revision``,
    ///     ``silent`` (with ``fill``), the aggregates. In the order of window, key, level, revision.
    fn drain(&self, py: Python<'_>) -> PyResult<Batch> {
        py.detach(|| self.core.drain()).or_raise().map(Batch::new)
    }

    /// Fires all windows, also those that the watermark has not passed; it counts as having passed them.
    ///
    /// Returns
    /// -------
    /// Batch
    ///     As of `drain`.
    fn flush(&self, py: Python<'_>) -> PyResult<Batch> {
        py.detach(|| self.core.flush()).or_raise().map(Batch::new)
    }

    /// Hands out the late rows since the last call, the newest 100,000 of them.
    ///
    /// Returns
    /// -------
    /// Batch
    ///     The time, ``by``, the inputs, and ``reason``.
    fn late(&self, py: Python<'_>) -> PyResult<Batch> {
        py.detach(|| self.core.take_late()).or_raise().map(Batch::new)
    }

    /// Hands out the rejects since the last call, the newest 100,000 of them.
    ///
    /// Returns
    /// -------
    /// Batch
    ///     The time, ``by``, the inputs, and ``reason``: ``time_null``, ``time_unreadable``, ``time_out_of_range``,
    ///     ``window_out_of_range``, ``leap`` or ``series_limit``. Once messages were pushed also ``message``, the bytes of
    ///     those that could not be read.
    fn rejects(&self, py: Python<'_>) -> PyResult<Batch> {
        py.detach(|| self.core.take_rejects()).or_raise().map(Batch::new)
    }

    /// A lane of one's own for a producer's thread: no lane waits for another, nor for `drain`.
    ///
    /// Each lane has its own watermark, and windows fire when the slowest open lane has passed them. A lane starts at
    /// the watermark that stands when it opens: open all before the first push for the same results run after run.
    ///
    /// Parameters
    /// ----------
    /// name : str
    ///     The lane's name. Shares of lanes merge in the order of names.
    ///
    /// Returns
    /// -------
    /// Writer
    ///     Closes its lane at the end of a ``with`` block, by `Writer.close`, or when it is forgotten.
    ///
    /// Raises
    /// ------
    /// BusyError
    ///     The lane has a writer already.
    ///
    /// Examples
    /// --------
    /// >>> import windrow as wr
    /// >>> w = wr.TumblingWindows(every="1m", aggregates={"n": wr.count()}, by="camera", time_unit="s")
    /// >>> with w.writer("north") as north, w.writer("south") as south:
    /// ...     north.push({"time": [0, 61], "camera": ["a", "a"]})
    /// ...     south.push({"time": [5, 130], "camera": ["b", "b"]})
    /// ...     w.drain().to_pydict()["n"]
    /// [1, 1]
    fn writer(&self, name: &Bound<'_, PyAny>) -> PyResult<Writer> {
        let name = text(Some(name), "name")?.unwrap_or_default();
        self.core.writer(&name).or_raise().map(Writer::new)
    }

    /// Takes in the state of others with the same parameters: windows of a series that both have merge.
    ///
    /// A lane that both have goes on at the lesser of its two watermarks, but not from before what has fired here. For
    /// engines that spread series over fewer workers.
    ///
    /// Parameters
    /// ----------
    /// snapshot : bytes
    ///     Of `snapshot` or `split`.
    ///
    /// Raises
    /// ------
    /// SnapshotError
    ///     The bytes are damaged, or of windows with other parameters; nothing was taken in.
    ///
    /// Examples
    /// --------
    /// >>> import windrow as wr
    /// >>> def windows():
    /// ...     return wr.TumblingWindows(every="1m", aggregates={"n": wr.count()}, by="camera", time_unit="s")
    /// >>> one, other = windows(), windows()
    /// >>> one.push({"time": [0, 1], "camera": ["a", "b"]})
    /// >>> other.push({"time": [2], "camera": ["b"]})
    /// >>> one.merge(other.snapshot())
    /// >>> one.flush().to_pydict()["n"]
    /// [1, 2]
    fn merge(&self, py: Python<'_>, snapshot: &Bound<'_, PyAny>) -> PyResult<()> {
        let bytes = bytes(snapshot, "snapshot")?;
        py.detach(|| self.core.merge(&bytes)).or_raise()
    }

    /// Gives series away: their state leaves these windows and is returned as a snapshot, to be restored or merged elsewhere.
    ///
    /// What was read stays counted here; late rows and rejects stay too. For engines that spread series over more workers.
    ///
    /// Parameters
    /// ----------
    /// keys : iterable
    ///     Series as in the data: values of the column of ``by``, tuples for several. One that was never seen is no error.
    ///
    /// Returns
    /// -------
    /// bytes
    ///     Of windows with the same parameters, that hold these series alone.
    ///
    /// Examples
    /// --------
    /// >>> import windrow as wr
    /// >>> w = wr.TumblingWindows(every="1m", aggregates={"n": wr.count()}, by="camera", time_unit="s")
    /// >>> w.push({"time": [0, 1, 2], "camera": ["a", "b", "b"]})
    /// >>> other = wr.TumblingWindows.restore(w.split(["b"]))
    /// >>> w.flush().to_pydict()["n"], other.flush().to_pydict()["n"]
    /// ([1], [2])
    fn split<'py>(&self, py: Python<'py>, keys: &Bound<'_, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let keys = crate::row::keys(keys, &self.core.spec().by)?;
        let bytes = py.detach(|| self.core.split(&keys)).or_raise()?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The end of the next window that has not fired, or None: before the watermark is there, `drain` has nothing new but
    /// revisions. For engines that call by timers.
    fn next_deadline<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        // A datetime has whole microseconds; a timer must not ring early.
        let up = |time: i64| time.saturating_add(999).div_euclid(1_000) * 1_000;
        py.detach(|| self.core.next_deadline()).map(|time| time::to_datetime(py, up(time))).transpose()
    }

    /// The whole state as bytes: versioned, checksummed, the same on every machine.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = py.detach(|| self.core.snapshot()).or_raise()?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Windows that go on where `snapshot` was taken.
    ///
    /// Raises
    /// ------
    /// SnapshotError
    ///     The bytes are cut off, altered, of another kind or of a newer version.
    #[classmethod]
    fn restore(class: &Bound<'_, PyType>, data: &Bound<'_, PyAny>) -> PyResult<Self> {
        let _ = class;
        Self::of(Core::restore(&bytes(data, "data")?))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((slf.get_type().getattr("restore")?, (slf.get().snapshot(slf.py())?,)))
    }

    fn __repr__(&self) -> String {
        represent(self.core.spec())
    }
}
