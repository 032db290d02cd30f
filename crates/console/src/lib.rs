//! The engineers' way in: the HTTP API under `/v1` and the web console at `/`.

pub mod wire;
