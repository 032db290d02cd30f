//! What was looked up of programs' secrets, so that not every heartbeat asks the database who sent it.

use database::builds::InstanceSecret;
use model::InstanceId;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use subtle::ConstantTimeEq as _;

/// The most that is remembered; then everything is forgotten, and looked up once more.
const REMEMBERED_MAX: usize = 200_000;

/// A program, and the hash of what it must show.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) id: InstanceId,
    pub(super) registration: i32,
    hash: [u8; 32],
}

impl Known {
    /// Whether a secret of this hash is its own. Takes the same time whatever differs.
    pub(super) fn opens(&self, hash: &blake3::Hash) -> bool {
        self.hash.ct_eq(hash.as_bytes()).into()
    }
}

impl From<InstanceSecret> for Known {
    fn from(secret: InstanceSecret) -> Self {
        Self {
            id: secret.id,
            registration: secret.registration,
            hash: secret.hash,
        }
    }
}

/// By what the program calls itself: its name or its identifier.
#[derive(Debug, Default)]
pub(super) struct Secrets(Mutex<HashMap<String, Known>>);

impl Secrets {
    pub(super) fn find(&self, name_or_id: &str) -> Option<Known> {
        self.lock().get(name_or_id).cloned()
    }

    /// Remembers what was looked up for a name that exists, so that names that strangers made up take no room.
    pub(super) fn remember(&self, name_or_id: &str, known: Known) {
        let mut secrets = self.lock();
        if secrets.len() >= REMEMBERED_MAX {
            secrets.clear();
        }
        secrets.insert(name_or_id.to_owned(), known);
    }

    pub(super) fn forget(&self, instance: InstanceId) {
        self.lock().retain(|_, known| known.id != instance);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        // A panic elsewhere leaves it whole: every change is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
