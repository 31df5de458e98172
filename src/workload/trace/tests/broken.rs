//! Broken traces, each with the exact error that a person reads.

use super::*;

/// The rendered error of a text read as a format; the file's folder is left out.
fn error_of(format: TraceFormat, bytes: impl AsRef<[u8]>) -> String {
    error_as(&trace(format), bytes.as_ref())
}

fn error_as(trace: &Trace, bytes: &[u8]) -> String {
    let (folder, path) = write_file("broken.trace", bytes);
    let known = Known::new(&["reviewer", "default"], &["default", "gpt-5.5"]);
    let error = read(&path, trace, &known.names()).expect_err("the trace is broken");
    error.render().replace(&format!("{}/", folder.path().display()), "")
}

const AZURE: &str =
    "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n";
const AGENTS: &str = "session_id,parent_id,seq,t_s,input_tokens,cached_tokens,output_tokens,\
                      api_time_s,think_time_s,model,input_types\na,,0,0,10,0,1,1,0,gpt-5.5,text\n";

fn azure(rows: &str) -> String {
    error_of(TraceFormat::AzureLlm, format!("{AZURE}{rows}"))
}

fn agents(rows: &str) -> String {
    error_of(TraceFormat::AgentSessions, format!("{AGENTS}{rows}"))
}

fn mooncake(text: &str) -> String {
    error_of(TraceFormat::Mooncake, text)
}

/// One session with parts replaced.
fn plans(from: &str, to: &str) -> String {
    let line = r#"{"session": 0, "class": "reviewer", "arrival_s": 0.5, "end": "close", "turns": [{"think_s": 0.0, "steps": [{"model": {"name": "gpt-5.5", "input": 120, "output": 40, "latency_s": null}, "tools": [{"cpu_s": 1.0, "cores": 1, "io_s": 0.5, "memory_bytes": 0, "dirty_bytes": 0}]}]}]}"#;
    assert!(line.contains(from), "{from} is not in the line");
    error_of(TraceFormat::Plans, format!("\n{}\n", line.replace(from, to)))
}

#[test]
fn files_that_cannot_be_read() {
    let known = Known::new(&[], &[]);
    let absent =
        read(Path::new("nowhere/trace.csv"), &trace(TraceFormat::AzureLlm), &known.names());
    insta::assert_snapshot!(absent.unwrap_err().render(), @r"
    error: cannot open the trace: No such file or directory (os error 2)
      --> nowhere/trace.csv
       = help: the path is relative to the scenario; another file: `--set workload.trace.file=PATH`
    ");
    let folder = read(Path::new("/"), &trace(TraceFormat::AzureLlm), &known.names());
    insta::assert_snapshot!(folder.unwrap_err().render(), @r"
    error: cannot open the trace: Is a directory (os error 21)
      --> /
    ");
    insta::assert_snapshot!(error_of(TraceFormat::AzureLlm, ""), @r"
    error: the trace has no lines
      --> broken.trace
    ");
    insta::assert_snapshot!(error_of(TraceFormat::AzureLlm, AZURE.lines().next().unwrap()), @r"
    error: the trace has no rows
      --> broken.trace
    ");
    insta::assert_snapshot!(error_of(TraceFormat::Mooncake, "\n\n"), @r"
    error: the trace has no lines
      --> broken.trace
    ");
    insta::assert_snapshot!(error_of(TraceFormat::AzureLlm, b"\xff\xfeT\0I\0M\0E\0"), @r"
    error: the line is not UTF-8 text
      --> broken.trace:1
       = help: traces are UTF-8 text, plain or gzipped
    ");
    let packed = gzip(AZURE.as_bytes());
    insta::assert_snapshot!(error_of(TraceFormat::AzureLlm, &packed[..packed.len() - 9]), @r"
    error: the gzip data are cut short or damaged after this line: incomplete deflate stream
      --> broken.trace:1
       = help: fetch the file again; `gzip -t` checks it
    ");
    let mut damaged = gzip(AZURE.as_bytes());
    let checksum = damaged.len() - 8;
    damaged[checksum] ^= 1;
    insta::assert_snapshot!(error_of(TraceFormat::AzureLlm, &damaged), @r"
    error: the gzip data are cut short or damaged after this line: corrupt gzip stream does not have a matching checksum
      --> broken.trace:2
       = help: fetch the file again; `gzip -t` checks it
    ");
}

#[test]
fn headers_that_do_not_fit() {
    let rows = AZURE.lines().nth(1).unwrap();
    insta::assert_snapshot!(error_of(TraceFormat::AzureLlm, rows), @r"
    error: the first line is no header of this format
      --> broken.trace:1
       = help: the first line must name the columns `TIMESTAMP,ContextTokens,GeneratedTokens`
    ");
    let typo = AZURE.replace("ContextTokens", "Context_Tokens");
    insta::assert_snapshot!(error_of(TraceFormat::AzureLlm, typo), @r"
    error: the header lacks the column `ContextTokens`
      --> broken.trace:1
       = help: is `Context_Tokens` meant to be `ContextTokens`? the first line must name the columns `TIMESTAMP,ContextTokens,GeneratedTokens`
    ");
    let twice = AZURE.replace("ContextTokens", "GeneratedTokens,ContextTokens");
    insta::assert_snapshot!(error_of(TraceFormat::AzureLlm, twice), @r"
    error: the header names column `GeneratedTokens` twice
      --> broken.trace:1
       = help: keep one of them
    ");
    insta::assert_snapshot!(error_of(TraceFormat::AgentSessions, AZURE), @r"
    error: the first line is no header of this format
      --> broken.trace:1
       = help: the first line must name the columns `session_id,parent_id,seq,t_s,input_tokens,cached_tokens,output_tokens,api_time_s,think_time_s,model,input_types`
    ");
    let fewer = AGENTS.replace(",think_time_s", "").replace(",api_time_s", "");
    insta::assert_snapshot!(error_of(TraceFormat::AgentSessions, fewer), @r"
    error: the header lacks the columns `api_time_s`, `think_time_s`
      --> broken.trace:1
       = help: the first line must name the columns `session_id,parent_id,seq,t_s,input_tokens,cached_tokens,output_tokens,api_time_s,think_time_s,model,input_types`
    ");
}

#[test]
fn azure_rows_that_do_not_fit() {
    insta::assert_snapshot!(azure("2023-11-16 18:17:04.0319600,3180\n"), @r"
    error: the row has 2 fields, the header 3
      --> broken.trace:3
    ");
    insta::assert_snapshot!(azure("\n2023-11-16 18:17:04.0319600,3180,8,1\n"), @r"
    error: the row has 4 fields, the header 3
      --> broken.trace:4
    ");
    insta::assert_snapshot!(azure("2023-11-16 18:17:04.0319600,-3180,8\n"), @r"
    error: column `ContextTokens`: found `-3180`, expected a whole number, 0 or more
      --> broken.trace:3
    ");
    insta::assert_snapshot!(azure("2023-11-16 18:17:04.0319600,NaN,8\n"), @r"
    error: column `ContextTokens`: found `NaN`, expected a whole number, 0 or more
      --> broken.trace:3
    ");
    insta::assert_snapshot!(azure("2023-11-16 18:17:04.0319600,3180,\n"), @r"
    error: column `GeneratedTokens`: found nothing, expected a whole number, 0 or more
      --> broken.trace:3
       = help: absent is not zero: leave the row out, or write the number
    ");
    insta::assert_snapshot!(azure("2023-11-16 18:17:04.0319600,3180.0,8\n"), @r"
    error: column `ContextTokens`: found `3180.0`, expected a whole number, 0 or more
      --> broken.trace:3
    ");
    insta::assert_snapshot!(azure("2023-11-16T18:17:04+02:00,3180,8\n"), @r"
    error: column `TIMESTAMP`: found `2023-11-16T18:17:04+02:00`, expected a time such as `2023-11-16 18:17:03.9799600`, in UTC
      --> broken.trace:3
    ");
    insta::assert_snapshot!(azure("1700158623.97,3180,8\n"), @r"
    error: column `TIMESTAMP`: found `1700158623.97`, expected a time such as `2023-11-16 18:17:03.9799600`, in UTC
      --> broken.trace:3
    ");
    insta::assert_snapshot!(azure("2023-11-31 18:17:04,3180,8\n"), @r"
    error: column `TIMESTAMP`: found `2023-11-31 18:17:04`, expected a time such as `2023-11-16 18:17:03.9799600`, in UTC
      --> broken.trace:3
    ");
}

#[test]
fn mooncake_lines_that_do_not_fit() {
    insta::assert_snapshot!(mooncake("timestamp,input_length\n"), @r"
    error: expected ident
      --> broken.trace:1:2
       = help: each line is a JSON object of its own: is `format` the file's?
    ");
    insta::assert_snapshot!(mooncake("{\"timestamp\": 0, \"input_length\": 5"), @r"
    error: EOF while parsing an object
      --> broken.trace:1:34
       = help: the line ends within the object: is the file cut short?
    ");
    insta::assert_snapshot!(mooncake("{\"timestamp\": 0, \"input_tokens\": 5, \"output_length\": 5}"), @r"
    error: key `input_length`: found nothing, expected a number
      --> broken.trace:1
       = help: the line has the keys `timestamp`, `input_tokens`, `output_length`
    ");
    insta::assert_snapshot!(mooncake("{\"timestamp\": -1, \"input_length\": 5, \"output_length\": 5}"), @r"
    error: key `timestamp`: found `-1`, expected a number of milliseconds, 0 or more
      --> broken.trace:1
    ");
    insta::assert_snapshot!(mooncake("{\"timestamp\": 0, \"input_length\": \"5\", \"output_length\": 5}"), @r#"
    error: key `input_length`: found `"5"`, expected a whole number, 0 or more
      --> broken.trace:1
    "#);
    insta::assert_snapshot!(mooncake("{\"timestamp\": 0, \"input_length\": 5, \"output_length\": 5, \"hash_ids\": [1, -2]}"), @r"
    error: key `hash_ids`: found `[1, -2]`, expected a list of whole numbers
      --> broken.trace:1
    ");
    insta::assert_snapshot!(mooncake("{\"timestamp\": 0, \"session_id\": \"s\", \"input_length\": 5, \"output_length\": 5}"), @r"
    error: `session_id` joins lines to sessions of several turns
      --> broken.trace:1
       = help: this reader takes each line as a session of its own; write the sessions as `plans`
    ");
}

#[test]
fn agent_rows_that_do_not_fit() {
    insta::assert_snapshot!(agents("a,,one,0,10,0,1,1,0,gpt-5.5,text\n"), @r"
    error: column `seq`: found `one`, expected a whole number, 0 or more
      --> broken.trace:3
    ");
    insta::assert_snapshot!(agents("a,,1,0,10,0,1,-1,0,gpt-5.5,text\n"), @r"
    error: column `api_time_s`: found `-1`, expected a number of seconds, 0 or more
      --> broken.trace:3
    ");
    insta::assert_snapshot!(agents("a,,1,0,10,0,1,1,nan,gpt-5.5,text\n"), @r"
    error: column `think_time_s`: found `nan`, expected a number of seconds, 0 or more
      --> broken.trace:3
    ");
    insta::assert_snapshot!(agents("a,,1,0,,0,1,1,0,gpt-5.5,text\n"), @r"
    error: column `input_tokens`: found nothing, expected a whole number, 0 or more
      --> broken.trace:3
       = help: absent is not zero: leave the row out, or write the number
    ");
    insta::assert_snapshot!(agents(",,1,0,10,0,1,1,0,gpt-5.5,text\n"), @r"
    error: column `session_id`: found nothing, expected the identifier of a session
      --> broken.trace:3
    ");
    insta::assert_snapshot!(agents("b,,0,0,10,0,1,1,0,gpt-5.5,text\na,,0,5,10,0,1,1,0,gpt-5.5,text\n"), @r"
    error: request 0 of session `a` is there twice
      --> broken.trace:4
       = help: the other one is on line 2
    ");
    insta::assert_snapshot!(agents("a,,1,0,10,0,1,1,0,gpt-5.5,\"text\n"), @r"
    error: a quoted field does not end on its line
      --> broken.trace:3
       = help: close the quote: a field cannot hold a line break here
    ");
    let starts = Trace { timing: TraceTiming::StartTimes, ..trace(TraceFormat::AgentSessions) };
    let text = format!("{AGENTS}a,,1,,10,0,1,1,0,gpt-5.5,text\n");
    insta::assert_snapshot!(error_as(&starts, text.as_bytes()), @r"
    error: `t_s` is not recorded
      --> broken.trace:3
       = help: `timing: start_times` needs it; `timing: api_and_think` does not
    ");
}

#[test]
fn plans_that_do_not_fit() {
    insta::assert_snapshot!(plans("\"think_s\"", "\"thinks\""), @r"
    error: `turns[0].thinks`: unknown field `thinks`, expected `think_s` or `steps`
      --> broken.trace:2:89
    ");
    insta::assert_snapshot!(plans(", \"io_s\": 0.5", ""), @r"
    error: `turns[0].steps[0].tools[0]`: missing field `io_s`
      --> broken.trace:2:258
    ");
    insta::assert_snapshot!(plans("\"arrival_s\": 0.5", "\"arrival_s\": -0.5"), @r"
    error: `arrival_s`: found `-0.5`, expected a number of seconds, 0 or more
      --> broken.trace:2:53
    ");
    insta::assert_snapshot!(plans("\"cpu_s\": 1.0", "\"cpu_s\": \"1s\""), @r#"
    error: `turns[0].steps[0].tools[0].cpu_s`: found `"1s"`, expected a number of seconds, 0 or more
      --> broken.trace:2:209
    "#);
    insta::assert_snapshot!(plans("\"cpu_s\": 1.0", "\"cpu_s\": NaN"), @r"
    error: `turns[0].steps[0].tools[0].cpu_s`: expected value
      --> broken.trace:2:206
       = help: each line is a JSON object of its own: is `format` the file's?
    ");
    insta::assert_snapshot!(plans("\"input\": 120", "\"input\": 1.5"), @r"
    error: `turns[0].steps[0].model.input`: invalid type: floating point `1.5`, expected u64
      --> broken.trace:2:149
    ");
    insta::assert_snapshot!(plans("\"cores\": 1", "\"cores\": 0"), @r"
    error: key `turns[0].steps[0].tools.cores`: found `0`, expected a number of cores above 0
      --> broken.trace:2
    ");
    insta::assert_snapshot!(plans("\"latency_s\": null", "\"u\": [0.5, 1.5]"), @r"
    error: key `turns[0].steps[0].model.u`: found `1.5`, expected fractions from 0 to 1
      --> broken.trace:2
    ");
    insta::assert_snapshot!(plans("\"think_s\": 0.0", "\"think_s\": 3"), @r"
    error: `turns[0].think_s` is 3 s
      --> broken.trace:2
       = help: a session's first turn begins when it arrives: write 0, and a later `arrival_s`
    ");
    insta::assert_snapshot!(plans("\"close\"", "\"closed\""), @r"
    error: `end`: unknown variant `closed`, expected `close` or `abandon`
      --> broken.trace:2:69
    ");
    insta::assert_snapshot!(plans("reviewer", "reviwer"), @r"
    error: unknown class `reviwer`
      --> broken.trace:2
       = help: did you mean `reviewer`? known: `reviewer`, `default`
    ");
    insta::assert_snapshot!(plans("gpt-5.5", "gpt-5"), @r"
    error: unknown model `gpt-5`
      --> broken.trace:2
       = help: did you mean `gpt-5.5`? known: `default`, `gpt-5.5`
    ");
    insta::assert_snapshot!(plans("}]}]}]}", "}]}]}"), @r"
    error: `turns`: EOF while parsing a list
      --> broken.trace:2:275
       = help: the line ends within the object: is the file cut short?
    ");
    insta::assert_snapshot!(plans("}]}]}]}", "}]}]}]} {}"), @r"
    error: trailing characters
      --> broken.trace:2:279
       = help: each line is a JSON object of its own: is `format` the file's?
    ");
    let turns = r#"[{"think_s": 0.0, "steps": []}, {"steps": []}]"#;
    let line = format!(
        "{{\"session\": 7, \"class\": \"reviewer\", \"arrival_s\": 0, \"turns\": {turns}}}\n"
    );
    insta::assert_snapshot!(error_of(TraceFormat::Plans, &line), @r"
    error: `turns[1]` has no `think_s`
      --> broken.trace:1
       = help: absent is not zero: write the time since the turn before
    ");
    insta::assert_snapshot!(error_of(TraceFormat::Plans, line.replace(turns, "[]")), @r"
    error: the session has no turns
      --> broken.trace:1
       = help: it needs at least one
    ");
    let line = line.replace(turns, r#"[{"steps": []}]"#);
    insta::assert_snapshot!(error_of(TraceFormat::Plans, line.repeat(2)), @r"
    error: session 7 is there twice
      --> broken.trace:2
       = help: the other one is on line 1
    ");
}

#[test]
fn traces_that_the_scenario_cannot_place() {
    let (_folder, path) = write_file("azure.csv", AZURE.as_bytes());
    let read = |known: Known| {
        let error = read(&path, &trace(TraceFormat::AzureLlm), &known.names()).unwrap_err();
        format!("{}\n{}", error.problem, error.help().unwrap_or_default())
    };
    insta::assert_snapshot!(read(Known::new(&["a", "b"], &["default"])), @r"
    the trace names no classes, and the scenario has 2
    keep one class, or name the one to use `default`
    ");
    insta::assert_snapshot!(read(Known::new(&["a"], &["gpt-5.5"])), @r"
    unknown model `default`
    known: `gpt-5.5`
    ");
}
