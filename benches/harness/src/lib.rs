//! Beside the house: what every bench shares.
//!
//! A bench is a package `benches/NAME` whose `main` is a [`Bench`]. It says its progress and findings to people on
//! stderr, and writes one JSON object a line ([`Line`]) on stdout. `benches/NAME/cases` lists its cases, one a line as
//! `NAME  what it measures`; `benches/NAME/needs` what `scripts/bench` installs and builds for it beforehand, as
//! `debian PACKAGE`, `package CRATE` and `tool CRATE VERSION [OPTIONS]`.
//!
//! How long it takes is said before it begins, and everything has a limit ([`Estimate`]). A comparison runs all sides
//! in turn, several times ([`in_turn`]), while a [`Meter`] looks at the processes, and takes medians ([`Report`]). Nothing
//! here ever judges a figure: a bench fails only when it can't measure.

mod arguments;
mod bench;
mod busy;
mod comparison;
mod content;
mod estimate;
mod line;
mod machine;
mod median;
mod meter;
mod report;
mod scratch;
mod usage;

pub use arguments::Plan;
pub use bench::Bench;
pub use comparison::{Runs, in_turn};
pub use content::write_content;
pub use estimate::Estimate;
pub use line::{Better, Line};
pub use machine::machine;
pub use median::{median, percentile};
pub use meter::{Meter, Race, Spent};
pub use report::Report;
pub use scratch::{Scratch, settle};

/// The unit of memory in lines and in the limits that the benches hold: 10⁶ bytes, as network rates count.
pub const MB: f64 = 1e6;
/// The unit of content in lines: 10⁹ bytes.
pub const GB: f64 = 1e9;
