//! The one error type of the engine.
//!
//! Messages are lower case, say what was expected and then what came, and carry the argument's name in
//! backticks. Each variant becomes one Python exception; nothing here knows which.

/// What can go wrong, by who has to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An argument or an option that can't be meant.
    #[error("{0}")]
    Config(String),
    /// Rows of a shape or type that can't be read.
    #[error("{0}")]
    Data(String),
    /// Bytes that are no snapshot, or none of this engine.
    #[error("{0}")]
    Snapshot(String),
    /// A stated limit is reached.
    #[error("{0}")]
    Limit(String),
    /// Another thread is at work on the same lane.
    #[error("{0}")]
    Busy(String),
}

/// The engine's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An argument or an option that can't be meant.
    pub fn config(message: impl Into<String>) -> Self {
        Self::Config(message.into())
    }

    /// Rows of a shape or type that can't be read.
    pub fn data(message: impl Into<String>) -> Self {
        Self::Data(message.into())
    }

    /// Bytes that are no snapshot, or none of this engine.
    pub fn snapshot(message: impl Into<String>) -> Self {
        Self::Snapshot(message.into())
    }
}
