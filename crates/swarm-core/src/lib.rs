//! swarm-core
