//! How a state looks: a word, a shape and a colour, always together.

use crate::wire::Node;
use askama::filters::HtmlSafe;
use model::{BuildState, DeploymentState, InstanceHealth, ReplicaState, TaskState};
use std::fmt;

/// What a state means for whoever looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Its turn has not come.
    Wait,
    /// Something is being done.
    Busy,
    /// All is there, and waits to be used.
    Ready,
    /// It is as it should be.
    Good,
    /// It failed.
    Bad,
    /// It ended because somebody wanted it to.
    Stopped,
    /// Nobody knows.
    Lost,
}

impl Tone {
    const fn class(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Busy => "busy",
            Self::Ready => "ready",
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Stopped => "stopped",
            Self::Lost => "lost",
        }
    }

    /// The outline in a square of 12 by 12.
    const fn path(self) -> &'static str {
        match self {
            // A ring.
            Self::Wait => "M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1zm0 1.5a3.5 3.5 0 1 1 0 7a3.5 3.5 0 0 1 0-7z",
            // A disc, half of it open.
            Self::Busy => "M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1zm0 1.5v7a3.5 3.5 0 0 1 0-7z",
            // A diamond.
            Self::Ready => "M6 .5L11.5 6L6 11.5L.5 6z",
            // A disc with a tick.
            Self::Good => "M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1zM5.2 8.7L2.7 6.2l1-1l1.5 1.5l3.1-3.1l1 1z",
            // A square with a cross.
            Self::Bad => {
                "M1 1h10v10H1zM3.9 3l-.9.9L5.1 6L3 8.1l.9.9L6 6.9L8.1 9l.9-.9L6.9 6L9 3.9L8.1 3L6 5.1z"
            }
            // A disc with a bar.
            Self::Stopped => "M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1zM3.2 5.3h5.6v1.4H3.2z",
            // A triangle with a mark.
            Self::Lost => "M6 .8L11.7 11H.3zM5.4 4.3v3.2h1.2V4.3zM5.4 8.6v1.2h1.2V8.6z",
        }
    }
}

/// Only the shape, where the word stands beside it already or in a title.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape(pub(crate) Tone);

impl fmt::Display for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            r#"<svg class="shape {}" viewBox="0 0 12 12" aria-hidden="true"><path fill-rule="evenodd" d="{}"/></svg>"#,
            self.0.class(),
            self.0.path()
        )
    }
}

/// Both are made of constants only.
impl HtmlSafe for Shape {}
impl HtmlSafe for Badge {}

/// Shape and word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Badge {
    tone: Tone,
    word: &'static str,
}

impl fmt::Display for Badge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tone, word } = *self;
        write!(
            formatter,
            r#"<span class="state {}">{}{word}</span>"#,
            tone.class(),
            Shape(tone)
        )
    }
}

pub(crate) const fn node(node: &Node) -> Badge {
    let (tone, word) = match (node.revoked_at, node.expired) {
        (Some(_), _) => (Tone::Stopped, "REVOKED"),
        (None, true) => (Tone::Lost, "EXPIRED"),
        (None, false) => (Tone::Good, "ENROLLED"),
    };
    Badge { tone, word }
}

pub(crate) const fn instance(&status: &InstanceHealth) -> Badge {
    let tone = match status {
        InstanceHealth::Unknown => Tone::Lost,
        InstanceHealth::Healthy => Tone::Good,
        InstanceHealth::Degraded => Tone::Busy,
        InstanceHealth::Failed => Tone::Bad,
    };
    Badge {
        tone,
        word: status.as_str(),
    }
}

/// Beside a time that is far longer than usual.
pub(crate) const fn slow() -> Badge {
    Badge {
        tone: Tone::Lost,
        word: "SLOW",
    }
}

pub(crate) const fn build(&state: &BuildState) -> Badge {
    let tone = match state {
        BuildState::Queued => Tone::Wait,
        BuildState::Running => Tone::Busy,
        BuildState::Succeeded => Tone::Good,
        BuildState::Failed => Tone::Bad,
        BuildState::Cancelled => Tone::Stopped,
    };
    Badge {
        tone,
        word: state.as_str(),
    }
}

pub(crate) const fn deployment(&state: &DeploymentState) -> Badge {
    let tone = match state {
        DeploymentState::Pending => Tone::Wait,
        DeploymentState::Precheck
        | DeploymentState::Staging
        | DeploymentState::Wave
        | DeploymentState::Bake
        | DeploymentState::RollingBack => Tone::Busy,
        DeploymentState::Succeeded => Tone::Good,
        DeploymentState::Failed => Tone::Bad,
        DeploymentState::Paused
        | DeploymentState::RolledBack
        | DeploymentState::Superseded
        | DeploymentState::Cancelled => Tone::Stopped,
    };
    Badge {
        tone,
        word: state.as_str(),
    }
}

pub(crate) const fn replica(&state: &ReplicaState) -> Badge {
    let tone = match state {
        ReplicaState::Pending => Tone::Wait,
        ReplicaState::Copying => Tone::Busy,
        ReplicaState::Verified => Tone::Good,
        ReplicaState::Failed => Tone::Bad,
    };
    Badge {
        tone,
        word: state.as_str(),
    }
}

pub(crate) const fn task(&state: &TaskState) -> Badge {
    Badge {
        tone: task_tone(state),
        word: state.as_str(),
    }
}

pub(crate) const fn task_shape(&state: &TaskState) -> Shape {
    Shape(task_tone(state))
}

const fn task_tone(state: TaskState) -> Tone {
    match state {
        TaskState::Pending => Tone::Wait,
        TaskState::Fetching | TaskState::Starting | TaskState::Running | TaskState::Draining => Tone::Busy,
        TaskState::Staged | TaskState::Warm => Tone::Ready,
        TaskState::Healthy => Tone::Good,
        TaskState::Error => Tone::Bad,
        TaskState::Done => Tone::Stopped,
        TaskState::Lost => Tone::Lost,
    }
}

/// Whether a region's leader speaks.
pub(crate) const fn region(&silent: &bool) -> Badge {
    let (tone, word) = if silent {
        (Tone::Lost, "SILENT")
    } else {
        (Tone::Good, "REPORTING")
    };
    Badge { tone, word }
}
