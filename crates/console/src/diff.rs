//! What a deployment would change: commits between what runs and what would run, and how it runs.

use crate::app::App;
use crate::candidate;
use crate::refusal::{Refusal, RolloutRefused};
use crate::wire::{self, DIFF_COMMITS_MAX, RegionDiff, SettingChange, ShipDiff, ShippedCommit};
use database::builds::RunningRelease;
use database::jobs::BuildRow;
use jiff::Timestamp;
use model::code::Code;
use model::version::VERSION_VARIABLE;
use model::{Commit, Configuration, ConfigurationVersion, RegionName, ServiceName, ServiceSpec};
use repository_mirror::Commits;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What changes between two commits.
type Between = Result<(Commits, Commits), String>;

/// Compares a build, with a version of the configuration or with that of what runs, with what runs of a service, region
/// by region.
pub(crate) async fn ship_diff(
    app: &App,
    service: &ServiceName,
    code: &Code,
    configuration: Option<ConfigurationVersion>,
) -> Result<ShipDiff, Refusal> {
    let found = app.builds.service(service).await?;
    let mut spec = found
        .ok_or_else(|| Refusal::UnknownService(service.clone()))?
        .spec;
    let row = candidate::build_of(app, &spec.target, code).await?;
    if let Some(version) = &row.version {
        let variable = spec.environment.entry(VERSION_VARIABLE.to_owned());
        variable.or_insert_with(|| version.to_string());
    }
    let configuration = match configuration {
        Some(version) => Some(of_version(app, service, version).await?),
        None => None,
    };
    let running = app.builds.running_releases(service).await?;
    // Regions mostly run the same, which is compared once.
    let mut compared: HashMap<Commit, Between> = HashMap::new();
    for release in &running {
        if !compared.contains_key(&release.commit) {
            let between = between(app, &row, release).await;
            compared.insert(release.commit.clone(), between);
        }
    }
    let mut regions: Vec<RegionDiff> = running
        .iter()
        .map(|release| {
            let configuration = configuration.as_ref().unwrap_or(&release.configuration);
            region_diff(release, compared.get(&release.commit), (&spec, configuration))
        })
        .collect();
    for region in app.builds.regions().await? {
        if !running.iter().any(|release| release.region == region.name) {
            regions.push(nothing_runs(region.name));
        }
    }
    regions.sort_by(|one, other| one.region.cmp(&other.region));
    Ok(ShipDiff {
        service: service.clone(),
        build: row.id,
        version: row.version,
        commit: row.commit,
        repository: row.repository,
        regions,
    })
}

async fn of_version(
    app: &App,
    service: &ServiceName,
    version: ConfigurationVersion,
) -> Result<Configuration, Refusal> {
    let known = app.builds.configurations(service).await?.into_iter();
    let mut fitting = known.filter(|row| row.configuration.version.as_ref() == Some(&version));
    match fitting.next() {
        Some(row) => Ok(row.configuration),
        None => Err(RolloutRefused::UnknownConfiguration {
            service: service.clone(),
            version,
        }
        .into()),
    }
}

/// Commits that come and commits that go; in words, why they are not known.
async fn between(app: &App, row: &BuildRow, running: &RunningRelease) -> Between {
    if row.repository != running.repository {
        return Err(format!("it runs a build of repository {}", running.repository));
    }
    let (name, from, to) = (&row.repository, &running.commit, &row.commit);
    let added = app.mirrors.commits_between(name, from, to, DIFF_COMMITS_MAX);
    let removed = app.mirrors.commits_between(name, to, from, DIFF_COMMITS_MAX);
    let both = tokio::try_join!(added, removed);
    both.map_err(|error| format!("the commits could not be compared: {error}"))
}

fn region_diff(
    running: &RunningRelease,
    between: Option<&Between>,
    after: (&ServiceSpec, &Configuration),
) -> RegionDiff {
    let (added, removed, unknown) = match between {
        Some(Ok((added, removed))) => (added.clone(), removed.clone(), None),
        Some(Err(words)) => (Commits::default(), Commits::default(), Some(words.clone())),
        None => (Commits::default(), Commits::default(), None),
    };
    RegionDiff {
        region: running.region.clone(),
        running: Some(wire::RunningRelease {
            release: running.release,
            hosts: running.hosts,
            commit: running.commit.clone(),
        }),
        more: added.more || removed.more,
        added: in_words(added),
        removed: in_words(removed),
        unknown,
        settings: settings((&running.spec, &running.configuration), after),
    }
}

fn nothing_runs(region: RegionName) -> RegionDiff {
    RegionDiff {
        region,
        running: None,
        added: Vec::new(),
        removed: Vec::new(),
        more: false,
        unknown: None,
        settings: Vec::new(),
    }
}

fn in_words(commits: Commits) -> Vec<ShippedCommit> {
    let lines = commits.lines.into_iter().map(|line| ShippedCommit {
        commit: line.commit,
        author: line.author,
        at: Timestamp::from_second(line.at).unwrap_or_default(),
        subject: line.subject,
    });
    lines.collect()
}

/// What differs between how a release runs and how the next would, by name.
fn settings(
    before: (&ServiceSpec, &Configuration),
    after: (&ServiceSpec, &Configuration),
) -> Vec<SettingChange> {
    let (before, after) = (flat(before), flat(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed = names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name));
    changed
        .map(|name| SettingChange {
            name: name.clone(),
            before: before.get(name).cloned(),
            after: after.get(name).cloned(),
        })
        .collect()
}

/// All values by their names, `environment.COLOUR`, `configuration.version` and the like.
fn flat((spec, configuration): (&ServiceSpec, &Configuration)) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    // Neither has keys that JSON could not have.
    if let Ok(value) = serde_json::to_value(spec) {
        flatten(String::new(), value, &mut flat);
    }
    if let Ok(value) = serde_json::to_value(configuration) {
        flatten("configuration".to_owned(), value, &mut flat);
    }
    flat
}

/// Its depth is that of a [`ServiceSpec`]'s types.
fn flatten(name: String, value: Value, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let name = if name.is_empty() {
                    field
                } else {
                    format!("{name}.{field}")
                };
                flatten(name, value, into);
            }
        }
        value => {
            into.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> ServiceSpec {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn only_settings_that_differ_are_told_with_what_they_were_and_will_be() {
        let none = Configuration::default();
        let before = spec(r#"{"target": "//:a", "command": ["a"], "environment": {"X": "1", "Y": "2"}}"#);
        assert_eq!(settings((&before, &none), (&before, &none)), []);
        let after = spec(
            r#"{"target": "//:a", "command": ["a", "-v"], "environment": {"X": "1", "Z": "3"},
                "health": {"path": "/ready"}}"#,
        );
        let told = settings((&before, &none), (&after, &none));
        let names: Vec<&str> = told.iter().map(|change| change.name.as_str()).collect();
        assert_eq!(
            names,
            ["command", "environment.Y", "environment.Z", "health.path"]
        );
        assert_eq!((&told[1].before, &told[1].after), (&Some("2".into()), &None));
    }
}
