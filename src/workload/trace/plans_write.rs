//! Writing session plans, so that a third tool can be given the very same demand.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::Names;
use super::decimal::push_seconds;
use crate::units::Span;
use crate::workload::plan::{CallPlan, End, SessionPlan, StepPlan, ToolPlan, TurnPlan};

/// Writes sessions as `plans`: one JSON object a line, times as exact decimal seconds. Read back
/// with the same names they are equal. What was not recorded is `null` or left out.
///
/// # Errors
/// If `out` cannot be written to.
pub fn write_plans<'a>(
    out: &mut impl Write,
    sessions: impl IntoIterator<Item = &'a SessionPlan>,
    names: &Names<'_>,
) -> io::Result<()> {
    let mut line = String::new();
    for session in sessions {
        line.clear();
        push_session(session, names, &mut line);
        line.push('\n');
        out.write_all(line.as_bytes())?;
    }
    out.flush()
}

fn push_session(session: &SessionPlan, names: &Names<'_>, out: &mut String) {
    let end = match session.end {
        End::Close => "close",
        End::Abandon => "abandon",
    };
    push(out, format_args!("{{\"session\": {}, \"class\": ", session.session));
    push_text(names.class_name(session.class), out);
    out.push_str(", \"arrival_s\": ");
    push_seconds(session.arrival.nanos(), out);
    push(out, format_args!(", \"end\": \"{end}\", \"turns\": "));
    push_list(&session.turns, out, |turn, out| push_turn(turn, session, names, out));
    let faults = [("boot", &session.boot_faults), ("restore", &session.restore_faults)];
    if faults.iter().any(|(_, list)| !list.is_empty()) {
        out.push_str(", \"faults\": {");
        let mut separator = "";
        for (kind, list) in faults.iter().filter(|(_, list)| !list.is_empty()) {
            push(out, format_args!("{separator}\"{kind}\": "));
            push_list(list, out, |failed, out| push(out, format_args!("{failed}")));
            separator = ", ";
        }
        out.push('}');
    }
    out.push('}');
}

fn push_turn(turn: &TurnPlan, session: &SessionPlan, names: &Names<'_>, out: &mut String) {
    out.push_str("{\"think_s\": ");
    push_seconds(turn.think.nanos(), out);
    out.push_str(", \"steps\": ");
    push_list(&turn.steps, out, |step, out| push_step(step, session, names, out));
    out.push('}');
}

/// A sub-agent of the session, with those that it has itself.
fn push_child(place: u16, session: &SessionPlan, names: &Names<'_>, out: &mut String) {
    let child = &session.sub_agents[usize::from(place)];
    out.push_str("{\"class\": ");
    push_text(names.class_name(child.class), out);
    push(out, format_args!(", \"session\": {}, \"turns\": ", child.session));
    push_list(&child.turns, out, |turn, out| push_turn(turn, session, names, out));
    out.push('}');
}

fn push_step(step: &StepPlan, session: &SessionPlan, names: &Names<'_>, out: &mut String) {
    let CallPlan { model, input, output, latency, context } = step.call;
    out.push_str("{\"model\": {\"name\": ");
    push_text(names.model_name(model), out);
    push(out, format_args!(", \"input\": {input}, \"output\": {output}, \"latency_s\": "));
    match latency.map(Span::nanos) {
        Some(nanos) => push_seconds(nanos, out),
        None => out.push_str("null"),
    }
    if let Some(context) = context {
        push(out, format_args!(", \"context\": {context}"));
    }
    if !step.backoff.is_empty() {
        out.push_str(", \"u\": ");
        push_list(&step.backoff, out, |u, out| push(out, format_args!("{u:?}")));
    }
    if !step.errors.is_empty() {
        out.push_str(", \"errors\": ");
        push_list(&step.errors, out, |failed, out| push(out, format_args!("{failed}")));
    }
    out.push_str("}, \"tools\": ");
    push_list(&step.tools, out, push_tool);
    if !step.children.is_empty() {
        out.push_str(", \"children\": ");
        push_list(&step.children, out, |place, out| push_child(*place, session, names, out));
    }
    out.push('}');
}

fn push_tool(tool: &ToolPlan, out: &mut String) {
    out.push_str("{\"cpu_s\": ");
    push_seconds(tool.cpu.nanos(), out);
    // The shortest decimal that reads back as the same number.
    push(out, format_args!(", \"cores\": {:?}, \"io_s\": ", tool.cores.0));
    push_seconds(tool.io.nanos(), out);
    let (memory, dirty) = (tool.memory.0, tool.dirty.0);
    push(out, format_args!(", \"memory_bytes\": {memory}, \"dirty_bytes\": {dirty}}}"));
}

fn push_list<T>(items: &[T], out: &mut String, mut each: impl FnMut(&T, &mut String)) {
    out.push('[');
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            out.push_str(", ");
        }
        each(item, out);
    }
    out.push(']');
}

fn push_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("text is JSON"));
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes all that is written");
}
