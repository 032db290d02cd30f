//! The bare limit: a file is copied and hashed once.

use anyhow::bail;
use std::fs::File;
use std::io::{Read as _, Write as _};

/// What is read and written at once.
const BUFFER: usize = 1 << 20;

/// The part `bare` with the arguments FROM TO `flushed`|`kept`: what dd and b3sum do together, on one thread.
pub fn copy(arguments: &[String]) -> anyhow::Result<()> {
    let [from, to, how] = arguments else {
        bail!("a copy is told from where, to where, and whether it is flushed")
    };
    let (mut from, mut to) = (File::open(from)?, File::create_new(to)?);
    let (mut buffer, mut hasher) = (vec![0; BUFFER], blake3::Hasher::new());
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        to.write_all(&buffer[..read])?;
    }
    if how == "flushed" {
        to.sync_all()?;
    }
    eprintln!("{}", hasher.finalize());
    Ok(())
}
