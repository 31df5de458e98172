//! `plimsoll init`: a commented starter scenario.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use super::console::Console;
use super::exit::Exit;
use super::failure::Failure;

const STARTER: &str = include_str!("starter.yaml");

/// The name in the template.
const NAME: &str = "my-platform";

const EXAMPLES: &str = "\
Examples:
  plimsoll init                     writes my-platform.yaml
  plimsoll init staging             writes staging.yaml
  plimsoll init staging --stdout    prints it";

/// Arguments of `init`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Name of the scenario; the file is NAME.yaml
    #[arg(default_value = NAME)]
    name: String,
    /// Print the scenario instead of writing a file
    #[arg(long)]
    stdout: bool,
}

/// Runs the command.
pub fn run(args: &Args, console: &Console) -> Result<Exit, Failure> {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if args.name.is_empty() || !args.name.chars().all(safe) {
        let message = format!("`{}` is no name of a scenario", args.name);
        return Err(
            Failure::new(Exit::Usage, message).help("use letters, digits, `-`, `_` and `.`")
        );
    }
    let text = STARTER.replace(NAME, &args.name);
    if args.stdout {
        console.answer(&text);
        return Ok(Exit::Yes);
    }
    let path = PathBuf::from(format!("{}.yaml", args.name));
    let file = OpenOptions::new().write(true).create_new(true).open(&path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => {
            console.answer(&format!("{}\n", path.display()));
            console
                .note(&format!("next: plimsoll check {0}, then plimsoll run {0}", path.display()));
            Ok(Exit::Yes)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let message = format!("{} is there already, and is left as it is", path.display());
            Err(Failure::new(Exit::Usage, message).help("give another name: `plimsoll init NAME`"))
        }
        Err(error) => {
            let message = format!("cannot write {}: {error}", path.display());
            Err(Failure::new(Exit::Environment, message))
        }
    }
}
