//! The command tree and its help.

use clap::{CommandFactory, Parser};

use super::Cli;

fn command() -> clap::Command {
    Cli::command()
}

#[test]
fn the_command_tree_is_well_formed() {
    command().debug_assert();
}

#[test]
fn short_help_fits_a_screen_and_long_help_has_examples() {
    let mut tree = command();
    tree.build();
    for name in [
        "run",
        "simulate",
        "drive",
        "check",
        "init",
        "show",
        "plan",
        "gate",
        "probe",
        "doctor",
        "clean",
        "calibrate",
    ] {
        let command = tree.find_subcommand_mut(name).unwrap();
        let short = command.render_help().to_string();
        assert!(short.lines().count() <= 40, "{name}: {} lines", short.lines().count());
        assert!(short.lines().all(|line| line.chars().count() <= 100), "{name}:\n{short}");
        let long = command.render_long_help().to_string();
        assert!(long.contains("Examples:"), "{name} has no examples");
        assert!(long.matches(&format!("plimsoll {name}")).count() >= 2, "{name}:\n{long}");
    }
}

#[test]
fn help() {
    let mut tree = command();
    insta::assert_snapshot!("help", tree.render_help().to_string());
    tree.build();
    let run = tree.find_subcommand_mut("run").unwrap();
    insta::assert_snapshot!("help_run", run.render_long_help().to_string());
}

#[test]
fn options_stand_before_and_behind_the_command() {
    for args in [
        ["plimsoll", "--format", "json", "check", "a.yaml"],
        ["plimsoll", "check", "a.yaml", "--format", "json"],
    ] {
        let cli = Cli::try_parse_from(args).unwrap();
        assert_eq!(cli.everywhere.format, super::options::Format::Json);
    }
}
