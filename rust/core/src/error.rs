//! The one error type of the engine.
//!
//! Messages are lower case, say what was expected and then what came, and carry the argument's name in
//! backticks. Each variant becomes one Python exception; nothing here knows which.

/// What the error says. In a box, so that results that go well are two words and travel in registers.
type Message = Box<String>;

/// What can go wrong, by who has to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An argument or an option that can't be meant.
    #[error("{0}")]
    Config(Message),
    /// Rows of a shape or type that can't be read.
    #[error("{0}")]
    Data(Message),
    /// Bytes that are no snapshot, or none of this engine.
    #[error("{0}")]
    Snapshot(Message),
    /// A model's file that can't be used.
    #[error("{0}")]
    Model(Message),
    /// A stated limit is reached.
    #[error("{0}")]
    Limit(Message),
    /// Another thread is at work on the same lane.
    #[error("{0}")]
    Busy(Message),
}

/// The engine's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An argument or an option that can't be meant.
    pub fn config(message: impl Into<String>) -> Self {
        Self::Config(Box::new(message.into()))
    }

    /// Rows of a shape or type that can't be read.
    pub fn data(message: impl Into<String>) -> Self {
        Self::Data(Box::new(message.into()))
    }

    /// Bytes that are no snapshot, or none of this engine.
    pub fn snapshot(message: impl Into<String>) -> Self {
        Self::Snapshot(Box::new(message.into()))
    }

    /// A model's file that can't be used.
    pub fn model(message: impl Into<String>) -> Self {
        Self::Model(Box::new(message.into()))
    }

    /// A stated limit is reached.
    pub fn limit(message: impl Into<String>) -> Self {
        Self::Limit(Box::new(message.into()))
    }

    /// Another thread is at work on the same lane.
    pub fn busy(message: impl Into<String>) -> Self {
        Self::Busy(Box::new(message.into()))
    }
}
