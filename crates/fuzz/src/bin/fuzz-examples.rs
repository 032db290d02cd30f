//! Writes every target's examples below a folder, each target's into a folder of its name, and names the targets on
//! stdout: `fuzz-examples FOLDER`.

use std::io::Write as _;
use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let usage = std::io::Error::other("usage: fuzz-examples FOLDER");
    let root = std::env::args_os().nth(1).map(PathBuf::from).ok_or(usage)?;
    for target in fuzz::TARGETS {
        let folder = root.join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (number, example) in (target.examples)().into_iter().enumerate() {
            std::fs::write(folder.join(format!("example-{number}")), example)?;
        }
        writeln!(std::io::stdout(), "{}", target.name)?;
    }
    Ok(())
}
