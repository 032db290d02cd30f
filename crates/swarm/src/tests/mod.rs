//! Whole nodes with real connections on loopback, in one process.

mod bulk;
mod calls;
mod exchange;
mod faults;
mod handshake;
mod liar;
mod limits;
mod raw;
mod region;
mod reuse;
mod sample;
mod store;
mod strangers;
