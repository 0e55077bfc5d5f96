//! `Detector`, continued: what people say of what they want to be told.
#![allow(clippy::doc_markdown, clippy::doc_link_with_quotes)]

use pyo3::prelude::*;

use crate::detector::Detector;
use crate::error::OrRaise;
use crate::filters;

#[pymethods]
impl Detector {
    /// Replace the filters: what isn't given isn't filtered any more. What was learned stays.
    ///
    /// Parameters
    /// ----------
    /// min_deviation, min_relative_deviation : float or dict of str to float
    ///     As for the class.
    /// direction : {"both", "up", "down"} or dict of str to str
    ///     As for the class.
    /// sensitivity : dict of str to dict, optional
    ///     As for the class.
    /// quiet_hours : str or list of str, optional
    ///     As for the class.
    /// maintenance : list of tuple, optional
    ///     As for the class.
    ///
    /// Raises
    /// ------
    /// ConfigError
    ///     If an argument can't be meant; nothing changes then.
    /// BusyError
    ///     If another thread is at work on this detector.
    ///
    /// Examples
    /// --------
    /// >>> import windrow as wr
    /// >>> detector = wr.Detector("counts", measures="cars", by="camera", min_deviation=20)
    /// >>> detector.filter(quiet_hours="22:00-06:00")
    /// >>> detector
    /// Detector('counts', measures=['cars'], by=['camera'], alarm=Alarm(severity=50.0), quiet_hours=['22:00-06:00'])
    #[pyo3(
        signature = (*, min_deviation=None, min_relative_deviation=None, direction=None, sensitivity=None,
            quiet_hours=None, maintenance=None),
        text_signature = "($self, *, min_deviation=0.0, min_relative_deviation=0.0, direction='both', \
            sensitivity=None, quiet_hours=None, maintenance=None)"
    )]
    fn filter(
        &self,
        min_deviation: Option<&Bound<'_, PyAny>>,
        min_relative_deviation: Option<&Bound<'_, PyAny>>,
        direction: Option<&Bound<'_, PyAny>>,
        sensitivity: Option<&Bound<'_, PyAny>>,
        quiet_hours: Option<&Bound<'_, PyAny>>,
        maintenance: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let arguments = filters::Arguments {
            min_deviation,
            min_relative_deviation,
            direction,
            sensitivity,
            quiet_hours,
            maintenance,
        };
        let mut core = self.lock().or_raise()?;
        let filters = arguments.read(&core.settings().measures, core.settings().unit)?;
        core.filter(filters).or_raise()
    }
}
