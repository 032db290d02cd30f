//! What a release is told beside its spec: variables under a version of their own.

use crate::ConfigurationVersion;
use crate::service::{SPEC_ITEMS_MAX, SPEC_TEXT_LENGTH_MAX, is_variable_name};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One version of a service's configuration. Without a version there is none, and no variables.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Configuration {
    /// Its name, which never means other variables than it did first.
    pub version: Option<ConfigurationVersion>,
    /// Variables of the process; they stand above those of the spec.
    pub variables: BTreeMap<String, String>,
}

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfiguration {
    /// A name that no environment can hold.
    #[error("{0:?} is not a variable name: use letters, digits and '_'")]
    VariableName(String),
    /// More than a configuration may hold.
    #[error(
        "a configuration has at most {SPEC_ITEMS_MAX} variables of {SPEC_TEXT_LENGTH_MAX} bytes without NUL"
    )]
    TooLarge,
}

impl Configuration {
    /// Checks what the types alone cannot.
    pub fn validate(&self) -> Result<(), InvalidConfiguration> {
        if let Some(bad) = self.variables.keys().find(|name| !is_variable_name(name)) {
            let bad = bad.chars().take(80).collect();
            return Err(InvalidConfiguration::VariableName(bad));
        }
        let text_ok = |text: &String| text.len() <= SPEC_TEXT_LENGTH_MAX && !text.contains('\0');
        if self.variables.len() > SPEC_ITEMS_MAX || !self.variables.values().all(text_ok) {
            return Err(InvalidConfiguration::TooLarge);
        }
        Ok(())
    }
}
