//! Floor 2: how a host's proxy is told where to send requests.
//!
//! The proxy is a process of its own, so whoever steers it (the agent, and the next proxy that takes over) speaks to it
//! over a unix socket that only the owner may open: a line of JSON there, a line back. Here are the words of these
//! lines, the [`Client`], and how a proxy hands its listening sockets to the next ([`handover`]).
//!
//! Promises:
//! - A command that was answered with success holds even if the proxy is killed at once: it is on the disk.
//! - Commands name the whole wish, not a change of it, so repeating one does no harm.
//! - A line is bounded, in both directions.
//!
//! Keys that a reader doesn't know are passed over, since two proxies of different versions speak with each other
//! whenever one is upgraded.

mod client;
mod error;
pub mod handover;
pub mod line;
mod words;

pub use client::{Client, ask, connect};
pub use error::Error;
pub use words::{
    Command, Exchange, InvalidPoint, Mode, Point, Protocol, Reply, SHARES_MAX, ServiceStatus, Share,
    Standing, Sticky, Target, TargetStatus,
};
