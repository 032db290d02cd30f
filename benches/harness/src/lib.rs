//! Beside the house: what every bench shares.
//!
//! A bench is a package `benches/NAME` whose `main` calls [`run`]. It says its progress and findings to people on
//! stderr, and writes one JSON object a line ([`Line`]) on stdout. `benches/NAME/cases` lists its cases, one a line as
//! `NAME  what it measures`; `benches/NAME/needs` what `scripts/bench` installs and builds for it beforehand, as
//! `debian PACKAGE` and `package CRATE`.
//!
//! A comparison runs all sides in turn, several times, and takes medians ([`in_turn`], [`median`]). Nothing here ever
//! judges a figure: a bench fails only when it can't measure.

mod arguments;
mod busy;
mod content;
mod line;
mod machine;
mod median;
mod usage;

pub use arguments::{Case, Plan, run};
pub use busy::Busy;
pub use content::write_content;
pub use line::{Better, Line};
pub use machine::machine;
pub use median::{in_turn, median, percentile};
pub use usage::{Usage, Watch};

/// The unit of memory in lines and in the limits that the benches hold: 10⁶ bytes, as network rates count.
pub const MB: f64 = 1e6;
/// The unit of content in lines: 10⁹ bytes.
pub const GB: f64 = 1e9;
