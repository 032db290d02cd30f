//! libFuzzer's side: one program for all targets, which `STARLING_FUZZ_TARGET` chooses from. Built by `scripts/fuzz`
//! alone, with the coverage that libFuzzer steers by.
#![no_main]

use fuzz::target;
use std::sync::OnceLock;

static READ: OnceLock<fn(&[u8])> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("STARLING_FUZZ_TARGET").unwrap_or_default();
        let target = target(&name).unwrap_or_else(|| panic!("there is no target {name:?}"));
        // Set once: libFuzzer initialises once.
        let _ = READ.set(target.read);
    },
    |bytes: &[u8]| {
        if let Some(read) = READ.get() {
            read(bytes);
        }
    }
);
