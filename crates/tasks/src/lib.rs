//! The only room that starts the processes of builds and services.
//!
//! Two kinds of process live here, and they need opposite things:
//!
//! - A **build** ([`sandbox`]) must never outlive the worker that runs it. It sees a read-only system
//!   and one writable folder, and when it ends, for whatever reason, every process that it left behind
//!   is killed.
//! - A **service's task** ([`task`]) must outlive the agent that started it, so that an upgraded or
//!   crashed agent finds its services still serving, and adopts them.
//!
//! A task's process is started here, or by a container runtime ([`container`]), which then stands in between.
//!
//! [`health`] asks a task how it is, [`port`] finds it a port to listen on, [`pressure`] says how busy the machine is.
//!
//! This crate never decides what to run, never reads the environment that it was started in, and hands
//! none of that environment on: a process gets exactly the variables that its caller names.

pub mod container;
mod error;
pub mod health;
pub mod port;
pub mod pressure;
pub mod sandbox;
pub mod task;

pub use error::Error;
