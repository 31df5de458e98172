//! Options that mean the same everywhere.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How the answer is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables for people.
    #[default]
    Table,
    /// The whole record.
    Json,
    /// One row a statistic, full precision.
    Csv,
    /// Tables for a summary page.
    Markdown,
}

/// When colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Everywhere {
    /// How to print the answer: table, unless said otherwise
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "table|json|csv|markdown",
        hide_possible_values = true,
        hide_default_value = true,
        env = "PLIMSOLL_FORMAT",
        hide_env_values = true,
        help_heading = "Output"
    )]
    pub format: Format,
    /// Print errors and the answer only
    #[arg(
        long,
        short,
        global = true,
        env = "PLIMSOLL_QUIET",
        hide_env_values = true,
        help_heading = "Output"
    )]
    pub quiet: bool,
    /// When to use colours: auto obeys NO_COLOR and pipes
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "auto|always|never",
        hide_possible_values = true,
        hide_default_value = true,
        help_heading = "Output"
    )]
    pub color: Colour,
}

/// Which scenario.
#[derive(Clone, Debug, Args)]
pub struct ScenarioOptions {
    /// The scenario, a YAML file
    pub scenario: PathBuf,
    /// Override a value: `platform.idle.timeout=5m`; may be repeated
    #[arg(long, value_name = "PATH=VALUE", help_heading = "Scenario")]
    pub set: Vec<String>,
    /// Seed, short for `--set experiment.seed=N`
    #[arg(
        long,
        value_name = "N",
        env = "PLIMSOLL_SEED",
        hide_env_values = true,
        help_heading = "Scenario"
    )]
    pub seed: Option<u64>,
}

/// How it is run and where results go.
#[derive(Clone, Debug, Args)]
pub struct RunOptions {
    /// Threads, all cores if not said; results do not depend on it
    #[arg(long, value_name = "N", env = "PLIMSOLL_THREADS", hide_env_values = true, help_heading = "Statistics", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Directory of results, else results/<scenario>/<run>
    #[arg(
        long,
        value_name = "DIR",
        env = "PLIMSOLL_OUT",
        hide_env_values = true,
        help_heading = "Output"
    )]
    pub out: Option<PathBuf>,
}

impl ScenarioOptions {
    /// All overrides, the seed among them.
    pub fn sets(&self) -> Vec<String> {
        let seed = self.seed.map(|seed| format!("experiment.seed={seed}"));
        self.set.iter().cloned().chain(seed).collect()
    }
}

impl RunOptions {
    /// Threads to simulate with.
    pub fn thread_count(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(all, usize::from)
    }
}
