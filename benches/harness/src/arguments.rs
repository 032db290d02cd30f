//! What a bench is asked for: `bench-NAME [--quick] [--runs N] [CASE…]`.

use anyhow::bail;
use clap::Parser;

/// What a bench was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The bench's name, as in `scripts/bench NAME`.
    pub bench: &'static str,
    /// The cases to run, in the order of the bench's list.
    pub cases: Vec<&'static str>,
    /// Whether the command line names cases; else they are all that there are.
    pub named: bool,
    /// Whether the smaller form is asked for, which ends within a minute.
    pub quick: bool,
    /// How often each side of a comparison runs, where the command line says so.
    pub runs: Option<usize>,
}

impl Plan {
    /// How often each side of a comparison runs: as asked, else `usual` times, and once in the quick form.
    pub fn runs_or(&self, usual: usize) -> usize {
        self.runs.unwrap_or(if self.quick { 1 } else { usual })
    }
}

#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// The cases to run; all of them when none is named.
    cases: Vec<String>,
    /// Runs a smaller form that ends within a minute.
    #[arg(long)]
    quick: bool,
    /// How often each side of a comparison runs.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=100))]
    runs: Option<u16>,
}

/// The names in a file of cases: `NAME  what it measures`, one a line.
fn listed(cases: &'static str) -> impl Iterator<Item = &'static str> {
    cases.lines().filter_map(|line| line.split_whitespace().next())
}

/// What the arguments ask of a bench; `cases` is the text of its file of that name.
///
/// # Errors
/// When it has no such case.
pub(crate) fn plan(bench: &'static str, cases: &'static str, arguments: Arguments) -> anyhow::Result<Plan> {
    let names: Vec<&str> = listed(cases).collect();
    if let Some(unknown) = arguments
        .cases
        .iter()
        .find(|case| !names.contains(&case.as_str()))
    {
        bail!(
            "bench {bench} has no case {unknown:?}; it has {}",
            names.join(", ")
        );
    }
    let asked = |name: &&str| arguments.cases.is_empty() || arguments.cases.iter().any(|case| case == name);
    Ok(Plan {
        bench,
        cases: names.into_iter().filter(asked).collect(),
        named: !arguments.cases.is_empty(),
        quick: arguments.quick,
        runs: arguments.runs.map(usize::from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASES: &str = "small  a small one\nlarge  a large one\n";

    fn asked(arguments: &[&str]) -> anyhow::Result<Plan> {
        let arguments = ["bench"].iter().chain(arguments);
        plan("b", CASES, Arguments::try_parse_from(arguments).unwrap())
    }

    #[test]
    fn no_name_means_every_case_and_names_keep_the_order_of_the_list() {
        assert_eq!(asked(&[]).unwrap().cases, ["small", "large"]);
        assert_eq!(asked(&["large", "small"]).unwrap().cases, ["small", "large"]);
        assert_eq!(asked(&["large"]).unwrap().cases, ["large"]);
    }

    #[test]
    fn an_unknown_case_is_refused_with_those_that_there_are() {
        let error = asked(&["medium"]).unwrap_err().to_string();
        assert_eq!(error, r#"bench b has no case "medium"; it has small, large"#);
    }

    #[test]
    fn the_quick_form_runs_each_side_once_unless_told_otherwise() {
        assert_eq!(asked(&[]).unwrap().runs_or(3), 3);
        assert_eq!(asked(&["--quick"]).unwrap().runs_or(3), 1);
        assert_eq!(asked(&["--quick", "--runs", "5"]).unwrap().runs_or(3), 5);
    }
}
