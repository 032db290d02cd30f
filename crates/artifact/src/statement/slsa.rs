//! The statement's JSON: <https://in-toto.io/Statement/v1> around <https://slsa.dev/provenance/v1>.

use super::{BuildRun, InvalidStatement, STATEMENT_LENGTH_MAX, Statement};
use crate::manifest::Provenance;
use jiff::Timestamp;
use model::ArtifactId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";
/// What `externalParameters` mean: a target of a `starling.toml` at a commit of a registered repository.
const BUILD_TYPE: &str = "urn:starling:build:v1";
const BLAKE3: &str = "blake3";
const GIT_COMMIT: &str = "gitCommit";
/// The key of the program's version in `builder.version`.
const VERSION: &str = "starling";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Form {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Resource>,
    predicate_type: String,
    predicate: Predicate,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Predicate {
    build_definition: BuildDefinition,
    run_details: RunDetails,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition {
    build_type: String,
    external_parameters: Parameters,
    #[serde(default)]
    internal_parameters: BTreeMap<String, String>,
    #[serde(default)]
    resolved_dependencies: Vec<Resource>,
}

#[derive(Serialize, Deserialize)]
struct Parameters {
    repository: String,
    commit: String,
    target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
}

#[derive(Serialize, Deserialize, Default)]
struct Resource {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    #[serde(default)]
    digest: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct RunDetails {
    builder: Builder,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Serialize, Deserialize)]
struct Builder {
    id: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    version: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    invocation_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_on: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finished_on: Option<Timestamp>,
}

fn digest(kind: &str, value: &impl ToString) -> BTreeMap<String, String> {
    BTreeMap::from([(kind.to_owned(), value.to_string())])
}

pub(super) fn encode(statement: &Statement) -> Vec<u8> {
    let Statement {
        artifact,
        provenance,
        run,
    } = statement;
    let Provenance {
        repository,
        commit,
        target,
    } = provenance;
    let source = Resource {
        name: Some(repository.to_string()),
        uri: run.source.as_ref().map(|source| format!("git+{source}")),
        digest: digest(GIT_COMMIT, commit),
    };
    let form = Form {
        kind: STATEMENT_TYPE.to_owned(),
        subject: vec![Resource {
            name: Some(format!("{repository} {target}")),
            uri: None,
            digest: digest(BLAKE3, artifact),
        }],
        predicate_type: PREDICATE_TYPE.to_owned(),
        predicate: Predicate {
            build_definition: BuildDefinition {
                build_type: BUILD_TYPE.to_owned(),
                external_parameters: Parameters {
                    repository: repository.to_string(),
                    commit: commit.to_string(),
                    target: target.to_string(),
                    revision: run.revision.clone(),
                },
                internal_parameters: run.environment.clone(),
                resolved_dependencies: vec![source],
            },
            run_details: RunDetails {
                builder: Builder {
                    id: run.builder.clone(),
                    version: run
                        .version
                        .iter()
                        .map(|version| (VERSION.to_owned(), version.clone()))
                        .collect(),
                },
                metadata: Metadata {
                    invocation_id: run.invocation.clone(),
                    started_on: run.started_on,
                    finished_on: run.finished_on,
                },
            },
        },
    };
    // Proof: texts, lists and maps with text keys are all that is in it, and a vector takes any of them.
    serde_json::to_vec(&form).expect("a statement is written to memory")
}

pub(super) fn decode(bytes: &[u8]) -> Result<Statement, InvalidStatement> {
    if bytes.len() > STATEMENT_LENGTH_MAX {
        return Err(InvalidStatement::TooLong);
    }
    let form: Form =
        serde_json::from_slice(bytes).map_err(|error| InvalidStatement::Form(error.to_string()))?;
    let definition = form.predicate.build_definition;
    for (found, known) in [
        (form.kind, STATEMENT_TYPE),
        (form.predicate_type, PREDICATE_TYPE),
        (definition.build_type, BUILD_TYPE),
    ] {
        if found != known {
            return Err(InvalidStatement::Kind(found.chars().take(100).collect()));
        }
    }
    let parameters = definition.external_parameters;
    let details = form.predicate.run_details;
    let refused = InvalidStatement::Parameter;
    let source = definition.resolved_dependencies.into_iter().next();
    Ok(Statement {
        artifact: subject(&form.subject)?,
        provenance: Provenance {
            repository: parameters.repository.parse().map_err(|_| refused("repository"))?,
            commit: parameters.commit.parse().map_err(|_| refused("commit"))?,
            target: parameters.target.parse().map_err(|_| refused("target"))?,
        },
        run: BuildRun {
            builder: details.builder.id,
            version: details.builder.version.get(VERSION).cloned(),
            source: source
                .and_then(|source| source.uri)
                .map(|uri| uri.strip_prefix("git+").map(str::to_owned).unwrap_or(uri)),
            revision: parameters.revision,
            invocation: details.metadata.invocation_id,
            started_on: details.metadata.started_on,
            finished_on: details.metadata.finished_on,
            environment: definition.internal_parameters,
        },
    })
}

fn subject(subjects: &[Resource]) -> Result<ArtifactId, InvalidStatement> {
    let [one] = subjects else {
        return Err(InvalidStatement::Subject);
    };
    let name = one.digest.get(BLAKE3).ok_or(InvalidStatement::Subject)?;
    name.parse().map_err(|_| InvalidStatement::Subject)
}
