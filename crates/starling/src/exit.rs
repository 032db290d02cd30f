//! Exit codes, and the last words of a command that failed.

use crate::api_client::{self, Refusal};
use crate::output::Form;
use owo_colors::OwoColorize as _;
use std::process::ExitCode;

/// Something failed that has no code of its own.
pub const FAILURE: u8 = 1;
/// The API could not be reached.
pub const UNREACHABLE: u8 = 3;
/// The API knows no such thing.
pub const UNKNOWN: u8 = 4;
/// The API refused: bad input, no permission, or a state that does not allow it.
pub const REFUSED: u8 = 5;
/// The build or deployment that was waited for did not succeed.
pub const NOT_SUCCEEDED: u8 = 6;
/// Ended by SIGINT or SIGTERM (128 + SIGINT, as shells do).
pub const INTERRUPTED: u8 = 130;

/// The codes as `--help` shows them; 2 is clap's own.
pub const HELP: &str = "Exit codes:
  0    success
  1    failure
  2    wrong arguments
  3    the API could not be reached
  4    no such repository, target, service, build, deployment, node or join token
  5    refused: bad input, missing permission, or a state that does not allow it
  6    the build or deployment that was waited for did not succeed
  130  interrupted";

/// Prints an error with its causes and what to do next, and picks the exit code.
pub fn explain(error: &anyhow::Error, form: Form) -> ExitCode {
    let known = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<api_client::Error>());
    let next = known.and_then(api_client::Error::next);
    match form {
        Form::Json => {
            let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
            let said = serde_json::json!({
                "error": { "message": error.to_string(), "causes": causes, "next": next }
            });
            anstream::eprintln!("{said}");
        }
        Form::Text => {
            anstream::eprintln!("{} {error}", "error:".red().bold());
            for cause in error.chain().skip(1) {
                anstream::eprintln!("  because {cause}");
            }
            if let Some(next) = next {
                anstream::eprintln!("  {} {next}", "next:".bold());
            }
        }
    }
    ExitCode::from(known.map_or(FAILURE, code_of))
}

fn code_of(error: &api_client::Error) -> u8 {
    match error {
        api_client::Error::Unreachable { .. } | api_client::Error::NoContext => UNREACHABLE,
        api_client::Error::Refused(Refusal { status: 404, .. }) => UNKNOWN,
        api_client::Error::Refused(Refusal {
            status: 400..=499, ..
        }) => REFUSED,
        api_client::Error::Refused(_)
        | api_client::Error::Malformed { .. }
        | api_client::Error::Context { .. } => FAILURE,
    }
}
