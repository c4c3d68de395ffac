//! The command line of the attestation backends.
//!
//! Exit codes: 0 accepted or done, 1 the evidence was refused, 2 usage or environment.

mod cli;
mod commands;
mod endorsements;
mod event_log;
mod files;
mod output;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error),
    };
    let answer = commands::run(&cli.command).unwrap_or_else(|error| output::Answer::failure(&error));
    answer.print(cli.json)
}
