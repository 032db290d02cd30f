//! A task's output, asked for from afar: an engineer asks the API, the region's leading manager takes the question from
//! there to the host, and brings the answer back.
//!
//! A log is one release's output on one host, through all restarts. A place in it is a number of bytes from its
//! beginning, and stays so for good, though a host keeps only the newest part.

use crate::{HostName, ReleaseNumber, ServiceName};
use serde::{Deserialize, Serialize};

/// The most bytes of output in one answer.
pub const LOG_PART_BYTES_MAX: usize = 64 << 10;
/// The most lines that can be asked for from a log's end.
pub const LOG_TAIL_LINES_MAX: u32 = 2_000;
/// How long a host waits for output that is still to come before it answers that there is none, in milliseconds.
pub const LOG_WAIT_MS_MAX: u32 = 5_000;
/// The most questions that a manager is handed at once.
pub const LOG_QUESTIONS_MAX: usize = 16;
/// How long a manager that asks for questions is kept waiting for one, in seconds.
pub const LOG_QUESTIONS_WAIT_SECONDS: u32 = 20;
/// What the agent itself writes into a log begins with this. A task may write so too, so it decides nothing but the look.
pub const LOG_OURS: &str = "[starling] ";

/// From where a log is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStart {
    /// Its last lines, as many as this and at most [`LOG_TAIL_LINES_MAX`].
    Tail(u32),
    /// This place.
    At(u64),
}

/// A question for a part of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogQuestion {
    /// Whose output.
    pub service: ServiceName,
    /// Which release's; the newest that was started there unless it is named.
    pub release: Option<ReleaseNumber>,
    /// From where.
    pub start: LogStart,
    /// How long to wait for output beyond [`LogStart::At`], in milliseconds; at most [`LOG_WAIT_MS_MAX`].
    pub wait_ms: u32,
}

/// A part of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogPart {
    /// Whose output this is.
    pub release: ReleaseNumber,
    /// The newest release that was started on the host.
    pub newest: ReleaseNumber,
    /// How many bytes before this part were asked for and are gone, because newer output took their room.
    pub gone_bytes: u64,
    /// What was written, at most [`LOG_PART_BYTES_MAX`] bytes of it. What is no UTF-8 is replaced.
    pub text: String,
    /// The place behind it: where to go on.
    pub next: u64,
    /// The place where the log ended when it was read.
    pub end: u64,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogAnswer {
    /// A part, perhaps an empty one.
    Part(LogPart),
    /// Nothing, and why; at most [`REASON_LENGTH_MAX`](crate::instance::REASON_LENGTH_MAX) bytes.
    Refused(String),
}

/// A question on its way to a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogAsked {
    /// What the answer must name.
    pub id: u64,
    /// Who is asked.
    pub host: HostName,
    /// What.
    pub question: LogQuestion,
}

/// The questions that wait for a region's manager, at most [`LOG_QUESTIONS_MAX`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogsAsked {
    /// The oldest first.
    pub asked: Vec<LogAsked>,
}

/// What a manager may ask a host of its region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ManagerRequest {
    /// A part of a log.
    Log(LogQuestion),
}

/// The host's answer to a [`ManagerRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ManagerResponse {
    /// The answer to [`ManagerRequest::Log`].
    Log(LogAnswer),
}
