//! What a detector asks of a method: judge a window, say the verdict, then learn.

use super::filters::Lowered;
use crate::alarm::Direction;
use crate::expect;
use crate::group::Anomaly;
use crate::residual;
use crate::residual::level_shift::LevelShift;
use crate::time::Timestamp;

/// Values of a larger magnitude count as missing: their squares have to fit a float with room to spare.
pub const LARGEST: f64 = 1e100;
/// Half the width of a band of about 99 %, in standard deviations.
pub const BAND: f64 = 2.6;

/// One value of one series.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// Its event time.
    pub time: Timestamp,
    /// Seconds of local wall time.
    pub local: f64,
    /// Whether that day is a named holiday.
    pub holiday: bool,
    /// What came; finite, at most [`LARGEST`].
    pub value: f64,
    /// The smallest and the largest value behind it; both are `value` where there is but one.
    pub extremes: [f64; 2],
    /// What was predicted, by a column of the input; NaN for methods that expect by themselves.
    pub predicted: f64,
    /// How much of the window was observed: above 0, at most 1.
    pub share: f64,
}

/// How residuals of brought predictions are judged, whatever RMSE and mean were asked for.
type Brought = residual::series::Kernel<residual::rmse::Kernel, residual::smooth::Smooth>;

/// The length of a window, and what follows from the time since the window before.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Seconds of a window.
    pub every: f64,
    /// How many windows a day has.
    pub a_day: f64,
    /// The hours that the rates below are of.
    elapsed: f64,
    recent: expect::recent::Rates,
    channels: residual::channels::Rates,
    /// How residuals of brought predictions are judged.
    pub kernel: Brought,
    /// How many days make a level.
    pub adopt: usize,
}

impl Pace {
    /// Of windows of so many seconds.
    pub fn new(every: f64, kernel: Brought, adopt: usize) -> Self {
        let hours = (every / 3600.0).min(24.0);
        Self {
            every,
            a_day: 86_400.0 / every,
            kernel,
            adopt,
            elapsed: hours,
            recent: expect::recent::Rates::over(hours),
            channels: residual::channels::Rates::over(hours),
        }
    }

    /// Rates over so many hours; at a steady pace they are those of the window before.
    #[inline(always)]
    pub fn rates(&mut self, hours: f64) -> (&expect::recent::Rates, &residual::channels::Rates) {
        if hours != self.elapsed {
            self.elapsed = hours;
            self.recent = expect::recent::Rates::over(hours);
            self.channels = residual::channels::Rates::over(hours);
        }
        (&self.recent, &self.channels)
    }
}

/// What is said of a value; NaN stands for null.
#[derive(Debug, Clone, Copy)]
pub struct Verdict {
    /// What was expected.
    pub expected: f64,
    /// The band of about 99 %.
    pub lower: f64,
    /// Its upper edge.
    pub upper: f64,
    /// On the method's own scale; null where there is nothing to tell.
    pub score: f64,
    /// 0 to 100; null before there is a verdict.
    pub severity: f64,
    /// How much history stands behind it, 0 to 1.
    pub confidence: f64,
    /// Days until the like comes again by chance.
    pub days: f64,
    /// What spoke: a channel's name.
    pub channel: &'static str,
    /// How far the stretch that the channel looks at is above (or below) what is usual, as a share of that; NaN where it
    /// looks at the window alone.
    pub change: f64,
    /// What kept it from the alarm.
    pub lowered: Option<Lowered>,
}

impl Verdict {
    /// Nothing to say.
    pub const NONE: Self = Self {
        expected: f64::NAN,
        lower: f64::NAN,
        upper: f64::NAN,
        score: f64::NAN,
        severity: f64::NAN,
        confidence: f64::NAN,
        days: f64::NAN,
        channel: "",
        change: f64::NAN,
        lowered: None,
    };

    /// What is said of a value, as groups and feedback know it.
    pub fn anomaly(&self, time: Timestamp, observed: f64, size: f64) -> Anomaly {
        let Self { expected, lower, upper, severity, channel, .. } = *self;
        let side = self.side(observed).sign();
        Anomaly { time, observed, expected, lower, upper, severity, size, side, channel: channel.to_owned() }
    }

    /// Whether there is something to tell from this severity on.
    #[inline(always)]
    pub fn is_remarkable(&self, from: f64) -> bool {
        self.severity > 0.0 && self.severity >= from && !self.channel.is_empty()
    }

    /// The side of the expectation that it is about: the channel's, else the value's own.
    pub fn side(&self, observed: f64) -> Direction {
        match self.channel {
            channel if channel.ends_with(" up") => Direction::Up,
            channel if channel.ends_with(" down") || channel == "silence" => Direction::Down,
            _ if observed > self.expected => Direction::Up,
            _ if observed < self.expected => Direction::Down,
            _ => Direction::Both,
        }
    }
}

/// How much `days` of history are worth: `days^2 / (days^2 + 25)`; 0 at the first window, 0.66 after a week, 0.95
/// after three.
#[inline]
pub fn confidence(days: f64) -> f64 {
    let square = days * days;
    square / (square + 25.0)
}

/// One series under one method.
pub trait Model {
    /// What judging leaves for learning.
    type Judged;
    /// Whether it stops learning while the series is in alarm.
    const HELD: bool;
    /// How large what it says is, on a scale without an end on which the like of it comes out alike.
    fn size(verdict: &Verdict) -> f64 {
        verdict.score.abs()
    }

    /// Whether its values are numbers of things.
    const COUNTS: bool = false;

    /// Judges a point that comes next, before it is learned.
    fn judge(&mut self, point: &Point, pace: &mut Pace) -> (Verdict, Self::Judged);

    /// What [`Model::judge`] would say; nothing changes.
    fn score(&self, point: &Point, pace: &mut Pace) -> Verdict;

    /// Takes the point in.
    fn learn(&mut self, point: &Point, judged: &Self::Judged, pace: &mut Pace);

    /// Takes in of a point in alarm what a series that is held learns all the same.
    fn count(&mut self, _point: &Point, _judged: &Self::Judged, _pace: &Pace) {}

    /// Takes a point that was learned into what lasts; a new level, once it has stood long enough.
    #[inline(always)]
    fn lasting(&mut self, _point: &Point, _judged: &Self::Judged, _pace: &Pace) -> Option<LevelShift> {
        None
    }

    /// Whether what was learned can't be computed with any longer: sums beyond all floats. It begins anew then.
    fn is_lost(&self) -> bool;

    /// Windows until the first verdict; 0 once there are verdicts.
    fn wanted(&self, every: f64) -> u64;
}
