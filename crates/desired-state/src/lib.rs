//! desired-state
