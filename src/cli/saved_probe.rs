//! What was observed of sandboxes, as `probe --measure --out` and `compare --live` keep it.

use std::path::Path;

use serde_json::Value;

use super::exit::Exit;
use super::failure::Failure;
use crate::calibrate::Number;
use crate::units::{Bytes, Quantity};

/// The memory that the host loses to a sandbox of this runtime beside what its work asks for.
///
/// # Errors
/// If the file cannot be read, or tells nothing of it.
pub fn memory_overhead(file: &Path, runtime: &str) -> Result<Number, Failure> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::new(Exit::Usage, format!("cannot read {shown}: {error}")))?;
    let all: Value = serde_json::from_str(&text)
        .map_err(|error| Failure::new(Exit::Usage, format!("{shown} is no JSON: {error}")))?;
    // A comparison has each observation beside its scale.
    let kept = [&all["observations"], &all["observed"]];
    let seen = kept.iter().filter_map(|kept| kept.as_array()).flatten();
    let mut seen = seen.map(|one| one.get("observation").unwrap_or(one));
    let help = format!(
        "`plimsoll probe --runtime {runtime} --measure --out DIR` writes DIR/probe.json, which tells it"
    );
    let Some(cost) = seen.find(|one| one["runtime"] == runtime).map(|one| &one["cost"]) else {
        let message = format!("{shown} tells nothing of the runtime {runtime}");
        return Err(Failure::new(Exit::Usage, message).help(help));
    };
    let Some(overhead) = cost["overhead"].as_str().and_then(|text| Bytes::parse(text).ok()) else {
        let message = format!("{shown} tells no memory overhead of {runtime}");
        return Err(Failure::new(Exit::Usage, message).help(help));
    };
    Ok(Number {
        key: "memory_overhead".to_owned(),
        value: overhead.to_string(),
        base: overhead.0 as f64,
        ci95: None,
        n: 1,
        how: "PSS and memory files of all its host processes while a call held memory, less what that asked for",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str, runtime: &str) -> Result<Number, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("probe.json");
        std::fs::write(&file, text).unwrap();
        memory_overhead(&file, runtime)
    }

    #[test]
    fn observations_and_comparisons_tell_it() {
        let cost = r#""runtime": "runc", "cost": {"overhead": "10921KiB"}"#;
        let probe =
            format!(r#"{{"observations": [{{"runtime": "process", "cost": null}}, {{{cost}}}]}}"#);
        let compared =
            format!(r#"{{"observed": [{{"runtime": "runc", "observation": {{{cost}}}}}]}}"#);
        for text in [&probe, &compared] {
            let found = kept(text, "runc").unwrap();
            assert_eq!((found.value.as_str(), found.base), ("10921KiB", 10_921.0 * 1024.0));
        }
        for runtime in ["process", "microvm"] {
            assert!(kept(&probe, runtime).is_err(), "{runtime}");
        }
    }
}
