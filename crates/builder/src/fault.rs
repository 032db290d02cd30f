//! Why an attempt made no artifact, by whose fault it is: that decides what happens to the build.

use std::error::Error;
use std::fmt::Write;

/// Why an attempt made no artifact.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The build's: it is FAILED, with these words for the engineer.
    Build(String),
    /// The machine's, or that of a part that is away: the build is tried again.
    Infrastructure {
        /// Completes "failed to …".
        action: &'static str,
        source: Box<dyn Error + Send + Sync>,
    },
    /// The attempt was told to stop; whoever told it knows why.
    Stopped,
    /// The build is no longer ours, and nothing may be written any more.
    LeaseLost,
}

impl Fault {
    /// For `map_err`: the machine's fault while doing `action`.
    pub(crate) fn infrastructure<E>(action: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        move |error| Self::Infrastructure {
            action,
            source: error.into(),
        }
    }
}

/// An error and all its sources in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a string does not fail.
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}
