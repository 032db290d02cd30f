//! Where an artifact comes from, as it stands beside the artifact in the main store.

use crate::app::App;
use crate::refusal::Refusal;
use artifact::Envelope;
use model::ArtifactId;

/// The signed statement about an artifact; `None` where the main store has no such artifact. Its signature is
/// not checked: this server places and runs nothing.
pub(crate) async fn envelope(app: &App, artifact: &ArtifactId) -> Result<Option<Envelope>, Refusal> {
    let stored = app.store.get_manifest(artifact).await?;
    Ok(stored.map(|stored| stored.signed.envelope().clone()))
}
