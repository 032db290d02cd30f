//! Real Postgres, real etcd and a real container runtime as child processes, for `starling dev` and for tests.
//!
//! Each server lives in a folder of its own, listens on a Unix socket or on loopback only, and ends
//! with the process that started it, however that ends. A second start on the same folder finds the
//! data of the first.
//!
//! This crate never reaches a server that it did not start, and is no part of a real installation,
//! where Postgres and etcd are managed by others.

mod child;
mod error;
mod etcd;
mod gate;
mod podman;
mod port;
mod postgres;

pub use child::{Child, ParentDeath};
pub use error::Error;
pub use etcd::Etcd;
pub use gate::Gate;
pub use podman::Podman;
pub use port::{free_port, remembered_port};
pub use postgres::Postgres;
