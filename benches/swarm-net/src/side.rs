//! Who brings the content.

use bench_peers::Program;

/// One side of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Real agents, a manager and a store.
    Ours,
    /// Another program.
    Other(Program),
}

impl Side {
    /// Ours, which reports take to be the first, and every other program.
    pub(crate) fn all() -> Vec<Self> {
        let others = Program::ALL.map(Self::Other);
        std::iter::once(Self::Ours).chain(others).collect()
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Ours => "starling",
            Self::Other(program) => program.name(),
        })
    }
}
