//! The parts that a bench's program plays when it is started again.

use std::process::ExitCode;

/// The first argument of a process that plays a part; its name comes next.
const FLAG: &str = "--part";

/// The part that the command line gives to this process, if it does, and the part's arguments.
pub fn part() -> Option<(String, Vec<String>)> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != FLAG {
        return None;
    }
    Some((arguments.next()?, arguments.collect()))
}

/// The arguments that make this program play a part.
pub fn arguments_of<'a>(part: &'a str, arguments: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let named = [FLAG, part].into_iter().chain(arguments);
    named.map(str::to_owned).collect()
}

/// How a process ends that has played a part.
pub fn played(part: &str, result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {part}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
