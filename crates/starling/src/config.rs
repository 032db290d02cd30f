//! One way for every role to be configured: a TOML file, then the environment, then flags, the later
//! the stronger. Unknown keys are refused.

use anyhow::Context as _;
use clap::Args;
use figment::Figment;
use figment::providers::{Env, Format as _, Toml};
use serde::de::DeserializeOwned;
use std::path::PathBuf;

/// Where a role's configuration comes from.
#[derive(Debug, Clone, Args)]
pub struct ConfigArguments {
    /// The role's TOML file.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Overrides one key, as in `--set slots=4` or `--set store.bucket=main`; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl ConfigArguments {
    /// Reads a role's settings. Environment variables are `STARLING_<ROLE>_<KEY>`, with two
    /// underscores between the parts of a nested key.
    pub fn read<T: DeserializeOwned>(&self, role: &str) -> anyhow::Result<T> {
        let mut figment = Figment::new();
        if let Some(file) = &self.config {
            figment = figment.merge(Toml::file_exact(file));
        }
        let prefix = format!("STARLING_{}_", role.to_uppercase());
        figment = figment.merge(Env::prefixed(&prefix).split("__"));
        for pair in &self.set {
            let (key, value) = pair
                .split_once('=')
                .with_context(|| format!("--set {pair:?} has no '='"))?;
            figment = figment.merge((key.trim(), parse_value(value)));
        }
        figment
            .extract()
            .with_context(|| format!("the configuration of role {role} is not valid"))
    }
}

/// A number, boolean, list or table where the text is one in TOML, else the text itself.
fn parse_value(text: &str) -> figment::value::Value {
    let parsed = toml::from_str::<figment::value::Dict>(&format!("value = {text}"));
    let value = parsed.ok().and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| figment::value::Value::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        slots: u32,
        store: Store,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Store {
        bucket: String,
    }

    fn arguments(set: &[&str]) -> ConfigArguments {
        ConfigArguments {
            config: None,
            set: set.iter().map(|&text| text.to_owned()).collect(),
        }
    }

    #[test]
    fn flags_reach_nested_keys_with_their_types() {
        let settings: Settings = arguments(&["slots=4", "store.bucket=main"]).read("test").unwrap();
        assert_eq!(
            settings,
            Settings {
                slots: 4,
                store: Store {
                    bucket: "main".to_owned()
                }
            }
        );
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = arguments(&["slots=4", "store.bucket=main", "slot=4"])
            .read::<Settings>("test")
            .unwrap_err();
        assert!(format!("{error:#}").contains("slot"), "{error:#}");
    }
}
