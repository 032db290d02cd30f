//! Who carries the bytes.

use bench_stores::Tool;

/// One side of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Our client.
    Ours,
    /// A copy on the same disk and one hash, without any store.
    Bare,
    /// Another program.
    Other(Tool),
}

impl Side {
    /// All of them, ours first, as reports take them.
    pub const ALL: [Self; 5] = [
        Self::Ours,
        Self::Bare,
        Self::Other(Tool::S5cmd),
        Self::Other(Tool::Rclone),
        Self::Other(Tool::Aws),
    ];
}

impl std::fmt::Display for Side {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Ours => "starling",
            Self::Bare => "bare-copy",
            Self::Other(tool) => tool.name(),
        })
    }
}
