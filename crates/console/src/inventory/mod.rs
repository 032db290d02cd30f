//! Programs that speak for themselves: let in with a join token, known by a secret of their own from then on.

mod read;
mod secrets;

pub(crate) use read::{Wanted, instance, list};

use crate::app::App;
use crate::attempts::Attempts;
use crate::refusal::Refusal;
use crate::wire::{Heartbeat, HeartbeatAccepted, InstanceRegistered, InstanceStatus, NewInstance};
use database::Builds;
use database::builds::{Beat, Heard, Heartbeats, Registration, RegistrationRefused};
use model::InstanceId;
use model::inventory::HEARTBEAT_SEQUENCE_MAX;
use secrets::{Known, Secrets};
use std::sync::Arc;

/// How often a program should send a heartbeat, in seconds.
const HEARTBEAT_SECONDS: u32 = 10;
/// Begins a program's secret, so that people and secret scanners know what they see.
const SECRET_PREFIX: &str = "starling-instance-";

/// Why a heartbeat counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeartbeatRefused {
    #[error("the secret is not this instance's")]
    Stranger,
    #[error("this instance has retired")]
    Retired,
    #[error("heartbeat {sent} comes after heartbeat {known}")]
    Late { sent: u64, known: u64 },
}

/// Hears programs. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Inventory {
    heartbeats: Heartbeats,
    secrets: Arc<Secrets>,
    /// Of registrations, and of heartbeats with a wrong secret.
    attempts: Arc<Attempts>,
}

impl Inventory {
    /// Begins to hear, on the present runtime.
    pub(crate) fn start(builds: &Builds) -> Self {
        Self {
            heartbeats: Heartbeats::start(builds),
            secrets: Arc::default(),
            attempts: Arc::default(),
        }
    }

    /// Takes an instance's next heartbeat to the database, since it was changed there.
    pub(crate) async fn forget(&self, instance: InstanceId) {
        self.secrets.forget(instance);
        self.heartbeats.forget(instance).await;
    }
}

/// Takes a join token for a place in the inventory.
pub(crate) async fn register(app: &App, new: NewInstance) -> Result<InstanceRegistered, Refusal> {
    let inventory = &app.inventory;
    let _place = inventory.attempts.begin()?;
    // An identifier stands where a name may stand.
    if new.name.as_str().parse::<InstanceId>().is_ok() {
        let words = "name: a name that reads as an identifier would be taken for one".to_owned();
        return Err(Refusal::Invalid(words));
    }
    let bytes: [u8; 32] = rand::random();
    let secret = format!("{SECRET_PREFIX}{}", hex::encode(bytes));
    let registration = Registration {
        token_hash: new.token.hash(),
        name: new.name,
        address: new.ip,
        zone: new.zone,
        labels: new.labels,
        secret_hash: *blake3::hash(secret.as_bytes()).as_bytes(),
    };
    let registered = match app.builds.register_instance(&registration).await {
        Ok(registered) => registered,
        Err(error) => {
            if let database::Error::Registration(RegistrationRefused::UnknownToken) = &error {
                inventory.attempts.note_failure();
            }
            return Err(error.into());
        }
    };
    inventory.forget(registered.id).await;
    tracing::info!(
        instance.id = %registered.id, instance.name = %registered.name, instance.region = %registered.region,
        "an instance was registered"
    );
    Ok(InstanceRegistered {
        id: registered.id,
        name: registered.name,
        region: registered.region,
        secret,
        heartbeat_seconds: HEARTBEAT_SECONDS,
    })
}

/// Takes a heartbeat from whoever knows the instance's secret.
pub(crate) async fn hear(
    app: &App,
    name_or_id: &str,
    secret: &str,
    heartbeat: Heartbeat,
) -> Result<HeartbeatAccepted, Refusal> {
    let sequence = heartbeat.sequence;
    if sequence.is_some_and(|sequence| !(1..=HEARTBEAT_SEQUENCE_MAX).contains(&sequence)) {
        let words = format!("sequence: give 1 to {HEARTBEAT_SEQUENCE_MAX}");
        return Err(Refusal::Invalid(words));
    }
    let known = authenticate(app, name_or_id, secret).await?;
    let beat = Beat {
        instance: known.id,
        registration: known.registration,
        sequence,
        status: heartbeat.status.map(|InstanceStatus(status)| status),
        code_version: heartbeat.code_version,
        configuration_version: heartbeat.configuration_version,
    };
    match app.inventory.heartbeats.hear(beat).await? {
        Heard::Newest(sequence) => Ok(accepted(sequence, false)),
        Heard::Again(sequence) => Ok(accepted(sequence, true)),
        Heard::Late(known) => Err(late(sequence, known).into()),
        Heard::Retired => {
            app.inventory.secrets.forget(known.id);
            Err(HeartbeatRefused::Retired.into())
        }
        Heard::Replaced => {
            app.inventory.secrets.forget(known.id);
            Err(HeartbeatRefused::Stranger.into())
        }
    }
}

const fn accepted(sequence: u64, repeated: bool) -> HeartbeatAccepted {
    HeartbeatAccepted { sequence, repeated }
}

fn late(sent: Option<u64>, known: u64) -> HeartbeatRefused {
    HeartbeatRefused::Late {
        sent: sent.unwrap_or_default(),
        known,
    }
}

/// Whose secret it is, as far as it is this instance's. What was looked up once is remembered: whether the secret still
/// counts is for the heartbeat's own statement to say.
async fn authenticate(app: &App, name_or_id: &str, secret: &str) -> Result<Known, Refusal> {
    let inventory = &app.inventory;
    let hash = blake3::hash(secret.as_bytes());
    if let Some(known) = inventory.secrets.find(name_or_id)
        && known.opens(&hash)
    {
        return Ok(known);
    }
    // Whoever comes with a wrong secret costs a look at the database, so only so many may.
    inventory.attempts.check()?;
    let found = app.builds.instance_secret(name_or_id).await?.map(Known::from);
    match found {
        Some(known) if known.opens(&hash) => {
            inventory.secrets.remember(name_or_id, known.clone());
            Ok(known)
        }
        _ => {
            inventory.attempts.note_failure();
            Err(HeartbeatRefused::Stranger.into())
        }
    }
}
