//! Session plans for small scenarios, as lines of a `plans` file. Times are seconds.

/// A turn of one model call that lasts `busy`, after `think`.
pub fn turn(think: f64, busy: f64) -> String {
    turn_with(think, busy, "")
}

/// The same with tool calls after it.
pub fn turn_with(think: f64, busy: f64, tools: &str) -> String {
    format!(r#"{{"think_s": {think:.9}, "steps": [{}]}}"#, step(busy, tools))
}

/// A step of one model call, whose latency is given, and tool calls.
pub fn step(busy: f64, tools: &str) -> String {
    format!(
        r#"{{"model": {{"name": "default", "input": 1, "output": 1, "latency_s": {busy}}}, "tools": [{tools}]}}"#
    )
}

/// A tool call: CPU seconds, cores, I/O seconds, bytes dirtied.
pub fn tool(cpu: f64, cores: f64, io: f64, dirty: u64) -> String {
    format!(
        r#"{{"cpu_s": {cpu}, "cores": {cores}, "io_s": {io}, "memory_bytes": 0, "dirty_bytes": {dirty}}}"#
    )
}

/// A model call by the model's formula; `extra` are further keys.
pub fn call(input: u64, output: u64, extra: &str) -> String {
    format!(r#"{{"model": {{"name": "default", "input": {input}, "output": {output}{extra}}}}}"#)
}

/// Turns of one such call each; the first thinks for no time.
pub fn calls(turns: &[(f64, String)]) -> String {
    let turn =
        |(think, step): &(f64, String)| format!(r#"{{"think_s": {think:.9}, "steps": [{step}]}}"#);
    turns.iter().map(turn).collect::<Vec<_>>().join(", ")
}

/// A tool call that waits for `io` and holds `memory` bytes.
pub fn hungry(io: f64, memory: u64) -> String {
    format!(
        r#"{{"cpu_s": 0, "cores": 1, "io_s": {io}, "memory_bytes": {memory}, "dirty_bytes": 0}}"#
    )
}

/// Turns in a row.
pub fn turns(all: &[String]) -> String {
    all.join(", ")
}
