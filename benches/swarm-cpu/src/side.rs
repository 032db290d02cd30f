//! Who copies.

use bench_peers::Program;

/// One side of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Our swarm.
    Ours,
    /// TLS and nothing else.
    BareTls,
    /// Another program.
    Other(Program),
}

impl Side {
    /// All of them, ours first, as reports take them.
    pub const ALL: [Self; 4] = [
        Self::Ours,
        Self::BareTls,
        Self::Other(Program::Libtorrent),
        Self::Other(Program::Rqbit),
    ];
}

impl std::fmt::Display for Side {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Ours => "starling",
            Self::BareTls => "bare-tls",
            Self::Other(program) => program.name(),
        })
    }
}
