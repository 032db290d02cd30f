//! How the command line speaks: JSON for programs, tables and progress for people, plain lines where
//! nobody watches.

use serde::Serialize;
use std::io::IsTerminal as _;

/// The form of a command's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON value on standard output.
    Json,
    /// Text for a person.
    Text,
}

impl Form {
    /// Prints `value` as JSON, or what `text` makes of it.
    pub fn print<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
        match self {
            Self::Json => anstream::println!("{}", serde_json::to_string_pretty(value)?),
            Self::Text => anstream::println!("{}", text(value).trim_end()),
        }
        Ok(())
    }

    /// Whether a progress bar makes sense: a person, on a terminal.
    pub fn is_watched(self) -> bool {
        self == Self::Text && std::io::stderr().is_terminal()
    }
}

/// A table with a header, aligned, without lines: easy on the eye and on `awk`.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    // Each cell is padded on both sides; the outermost padding is of no use.
    let lines = table
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// Bytes as people say them: `2.0 GiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{count} B")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

/// Seconds with a tenth, or minutes: `12.3 s`, `2 min 05 s`.
pub fn seconds(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    format!("{} min {:02} s", seconds as u64 / 60, seconds as u64 % 60)
}

/// The time between two moments, in seconds; none while one is missing.
pub fn between(from: Option<jiff::Timestamp>, to: Option<jiff::Timestamp>) -> Option<f64> {
    Some(to?.duration_since(from?).as_secs_f64())
}
