//! The machine's readings for [`Admission`], and what it decided, told to whoever looks.

use crate::admission::{Admission, Readings, Shortage};
use crate::{Config, metrics};
use model::ByteSize;
use std::path::PathBuf;
use std::time::Instant;
use tasks::pressure::Pressure;
use tasks::sandbox::free_bytes;

/// Lets builds in as the machine has room.
#[derive(Debug)]
pub(crate) struct Gate {
    admission: Admission,
    work_folder: PathBuf,
    began: Instant,
    /// Why it is closed, as it was last told.
    told: Option<Shortage>,
}

impl Gate {
    pub(crate) fn new(config: &Config) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            admission: Admission::new(config.admission, config.slots, processors),
            work_folder: config.work_folder.clone(),
            began: Instant::now(),
            told: None,
        }
    }

    /// How many builds to take beside those that run; 0 for none now.
    pub(crate) async fn room(&mut self, running: usize) -> usize {
        let folder = self.work_folder.clone();
        let read = tokio::task::spawn_blocking(move || (Pressure::now(), free_bytes(&folder)));
        let Ok((pressure, free)) = read.await else {
            // The runtime is closing.
            return 0;
        };
        let pressure = pressure.unwrap_or_else(|error| {
            tracing::warn!(%error, "failed to read how busy the machine is");
            None
        });
        let free = free.unwrap_or_else(|error| {
            tracing::warn!(%error, "failed to read how full the disk is");
            0
        });
        let readings = Readings {
            cpu: pressure.map(|pressure| pressure.cpu),
            memory: pressure.map(|pressure| pressure.memory),
            disk_free: ByteSize(free),
            running,
        };
        let room = self.admission.room(&readings, self.began.elapsed());
        self.tell(room.err());
        room.unwrap_or(0)
    }

    /// Once for each reason, not once for each look.
    fn tell(&mut self, shortage: Option<Shortage>) {
        let word = shortage.map(|shortage| shortage.word());
        if word == self.told.map(|told| told.word()) {
            return;
        }
        for one in Shortage::WORDS {
            let waits = if Some(one) == word { 1.0 } else { 0.0 };
            ::metrics::gauge!(metrics::WAITING, "for" => one).set(waits);
        }
        match shortage {
            Some(Shortage::Growing) => {}
            Some(shortage) => tracing::info!(
                worker.waits_for = shortage.word(),
                "no more builds now: {shortage}"
            ),
            None => tracing::info!("the machine has room for builds"),
        }
        self.told = shortage;
    }
}
