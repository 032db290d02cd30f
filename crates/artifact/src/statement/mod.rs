//! The provenance of an artifact: an in-toto statement that says what was built from what, by whom and how.
//!
//! The form is in-toto's Statement v1 with SLSA's provenance predicate
//! (<https://slsa.dev/spec/v1.2/build-provenance>). Its one subject is the artifact's manifest, whose BLAKE3
//! hash is the artifact's name; so one signature over the statement covers every byte of the artifact.

mod envelope;
mod slsa;

pub(crate) use envelope::pre_authentication_encoding;
pub use envelope::{ENVELOPE_LENGTH_MAX, Envelope, InvalidEnvelope};

use crate::manifest::{Manifest, Provenance};
use jiff::Timestamp;
use model::ArtifactId;
use std::collections::BTreeMap;

/// The longest encoded statement, in bytes.
pub const STATEMENT_LENGTH_MAX: usize = 64 << 10;
/// The builder's name where an installation gives itself none.
const BUILDER: &str = "urn:starling:builder";

/// What is known of the attempt that made an artifact. Only the builder's name must be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRun {
    /// Names, as a URI, those who are trusted to have run the build as it says.
    pub builder: String,
    /// The version of this program.
    pub version: Option<String>,
    /// The repository's address.
    pub source: Option<String>,
    /// What the engineer asked for, such as a branch.
    pub revision: Option<String>,
    /// Names the attempt among all of this builder.
    pub invocation: Option<String>,
    /// When the attempt began, by the worker's clock.
    pub started_on: Option<Timestamp>,
    /// When its outputs were all uploaded, by the worker's clock.
    pub finished_on: Option<Timestamp>,
    /// Where and in what it ran: the worker, its host, the sandbox.
    pub environment: BTreeMap<String, String>,
}

impl Default for BuildRun {
    fn default() -> Self {
        Self {
            builder: BUILDER.to_owned(),
            version: None,
            source: None,
            revision: None,
            invocation: None,
            started_on: None,
            finished_on: None,
            environment: BTreeMap::new(),
        }
    }
}

/// Says of one artifact where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    artifact: ArtifactId,
    provenance: Provenance,
    run: BuildRun,
}

/// Why bytes are no statement about an artifact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStatement {
    /// More bytes than one may have.
    #[error("a statement has at most {STATEMENT_LENGTH_MAX} bytes")]
    TooLong,
    /// Not the JSON of a statement.
    #[error("these bytes are no statement: {0}")]
    Form(String),
    /// A statement or predicate of another kind.
    #[error("statements of the kind {0:?} are not known here")]
    Kind(String),
    /// Not about exactly one artifact.
    #[error("a statement is about one artifact, named by its BLAKE3 hash")]
    Subject,
    /// A repository, commit or target that is none.
    #[error("the {0} in the statement is refused")]
    Parameter(&'static str),
}

impl Statement {
    /// Says where a manifest comes from.
    pub fn new(manifest: &Manifest, run: BuildRun) -> Self {
        Self {
            artifact: manifest.id(),
            provenance: manifest.provenance().clone(),
            run,
        }
    }

    /// Reads a statement; what it says beyond what is known here is ignored, as in-toto has it.
    ///
    /// # Errors
    /// See [`InvalidStatement`].
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidStatement> {
        slsa::decode(bytes)
    }

    /// The statement's JSON.
    pub fn encode(&self) -> Vec<u8> {
        slsa::encode(self)
    }

    /// The artifact that it is about.
    pub fn artifact(&self) -> ArtifactId {
        self.artifact
    }

    /// What was built.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// Who built it, and how.
    pub fn run(&self) -> &BuildRun {
        &self.run
    }

    /// Whether it is about this manifest and says the same of it.
    pub fn fits(&self, manifest: &Manifest) -> bool {
        self.artifact == manifest.id() && self.provenance == *manifest.provenance()
    }
}
