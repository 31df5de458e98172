//! The preset files of `scenarios/presets`, embedded. A test checks that none is forgotten.

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../scenarios/presets/", $path)))),*]
    };
}

/// Path below `scenarios/presets` and text of each file.
pub(super) const FILES: &[(&str, &str)] = files![
    "models/gpt-5.5@2026-11.yaml",
    "platforms/foundry-agent-service@2026-09.yaml",
    "rates/azure@2026-09.yaml",
    "workloads/claude-code-requests@2026-11.yaml",
    "workloads/claude-code-weka@2026-11.yaml",
];
