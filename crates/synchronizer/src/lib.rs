//! synchronizer
