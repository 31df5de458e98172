//! The floors of the house: a module uses what stands below it, never above, never a sibling's
//! inside. Read off the source, where the compiler does not look.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules by floor, from the ground up.
const FLOORS: &[&[&str]] = &[
    &["units", "random", "dist", "stats", "engine"],
    &["scenario"],
    &["workload", "control", "provider", "measure", "billing"],
    &["conduct"],
    &["sim", "drive", "boundary"],
    &["study", "check", "calibrate"],
    &["plan", "gate"],
    &["report"],
    &["cli"],
];

/// The highest floor on the way from a seed to a number.
const LAST_EXACT_FLOOR: usize = 4;

/// Where real time may be read.
const REAL_TIME: &[&str] = &["drive", "cli"];

/// Lines that a reader holds in mind at once.
const LONGEST_FILE: usize = 450;

/// Files that are longer and wait to be split: they may shrink, and leave the list when they fit.
const TO_SPLIT: &[(&str, usize)] = &[];

/// std's functions whose last digits differ with the C library and the processor.
const TRANSCENDENTAL: &[&str] = &[
    "ln", "log", "log2", "log10", "ln_1p", "exp", "exp2", "exp_m1", "powf", "powi", "sin", "cos",
    "tan", "sin_cos", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh",
    "atanh", "cbrt", "hypot", "gamma", "ln_gamma",
];

/// One source file without its comments and its inline tests.
struct File {
    /// From the crate's root, with `/`.
    name: String,
    /// `["drive", "runtime", "process"]`.
    module: Vec<String>,
    lines: usize,
    code: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the source is there") {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// All files of the library but the front page, tests left out.
fn files() -> Vec<File> {
    let mut paths = Vec::new();
    walk(&root().join("src"), &mut paths);
    paths.sort();
    let files = paths.iter().filter_map(|path| {
        let relative = path.strip_prefix(root()).unwrap();
        let name = relative.to_str().unwrap().replace('\\', "/");
        let inner = name.strip_prefix("src/").unwrap().strip_suffix(".rs").unwrap();
        let mut module: Vec<String> = inner.split('/').map(str::to_owned).collect();
        module.pop_if(|last| last == "mod");
        let test = |part: &String| part == "tests" || part.ends_with("_tests");
        if module.iter().any(test) || ["lib", "main"].contains(&inner) {
            return None;
        }
        let text = fs::read_to_string(path).unwrap();
        Some(File { name, module, lines: text.lines().count(), code: code_of(&text) })
    });
    files.collect()
}

/// The text without comments and without an inline `mod tests`, lines kept.
fn code_of(text: &str) -> String {
    let text = text.find("#[cfg(test)]\nmod tests {").map_or(text, |at| &text[..at]);
    let without = |line: &str| line.find("//").map_or(line, |at| &line[..at]).to_owned() + "\n";
    text.lines().map(without).collect()
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The paths behind each `crate::`, those in braces each on its own, with their lines.
fn uses(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.push((line, path_at(rest))),
            Some(group) => {
                let mut depth = 0;
                let mut begins = true;
                for (at, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => begins = true,
                        _ if begins && !c.is_whitespace() => {
                            found.push((line, path_at(&group[at..])));
                            begins = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

/// The leading `a::b::C` of a text.
fn path_at(text: &str) -> String {
    let ends = |c: char| !(c.is_alphanumeric() || c == '_' || c == ':');
    let end = text.find(ends).unwrap_or(text.len());
    text[..end].trim_end_matches(':').to_owned()
}

/// The first part of a path that is a module which its parent does not make public.
fn private_part(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split("::").collect();
    let mut folder = root().join("src").join(parts[0]);
    for part in &parts[1..] {
        let inside = folder.join("mod.rs");
        let file = if inside.exists() { inside } else { folder.with_extension("rs") };
        let Ok(text) = fs::read_to_string(file) else { return None };
        let declares = |line: &str| {
            let line = line.trim_start();
            line.ends_with(&format!("mod {part};")) && !line.starts_with("//")
        };
        let line = text.lines().find(|line| declares(line))?;
        if !line.trim_start().starts_with("pub mod ") {
            return Some((*part).to_owned());
        }
        folder = folder.join(part);
    }
    None
}

fn assert_none(what: &str, found: &[String]) {
    let list = found.iter().fold(String::new(), |mut list, one| {
        write!(list, "\n  {one}").expect("text grows");
        list
    });
    assert!(found.is_empty(), "{what}:{list}");
}

#[test]
fn a_module_uses_what_stands_below_it() {
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    for File { name, module, code, .. } in files() {
        let own = &module[0];
        let Some(floor) = floor_of(own) else {
            wrong.push(format!("{name}: `{own}` has no floor"));
            continue;
        };
        for (line, path) in uses(&code) {
            looked_at += 1;
            let other = path.split("::").next().unwrap_or_default();
            // Macros and items of the crate's root are nobody's floor.
            let Some(used) = floor_of(other) else {
                let is_module = root().join(format!("src/{other}")).exists();
                if is_module {
                    wrong.push(format!("{name}:{line}: `{other}` has no floor"));
                }
                continue;
            };
            if used > floor {
                wrong.push(format!(
                    "{name}:{line}: {own} (floor {floor}) uses {path} (floor {used})"
                ));
            } else if used == floor
                && other != own
                && let Some(part) = private_part(&path)
            {
                wrong.push(format!(
                    "{name}:{line}: {own} uses the inside of a sibling: {path} ({part})"
                ));
            }
        }
    }
    assert!(looked_at > 100, "only {looked_at} paths were read: the reading is broken");
    assert_none("used from above, or from inside", &wrong);
}

#[test]
fn no_path_climbs_out_of_its_module_by_super() {
    let climbs = files().into_iter().filter_map(|File { name, module, code, .. }| {
        let deepest = (1..8).rev().find(|n| code.contains(&"super::".repeat(*n)))?;
        // An inline module adds a step of its own, so only what surely leaves is refused.
        (deepest > module.len()).then(|| format!("{name}: {deepest} times `super::`"))
    });
    assert_none("use `crate::`, which the floors are read from", &climbs.collect::<Vec<_>>());
}

#[test]
fn files_are_no_longer_than_a_reader_holds_in_mind() {
    let mut wrong = Vec::new();
    let mut waiting: Vec<&str> = TO_SPLIT.iter().map(|(name, _)| *name).collect();
    for File { name, lines, .. } in files() {
        let allowed = TO_SPLIT.iter().find(|(file, _)| *file == name).map(|(_, lines)| *lines);
        if lines > allowed.unwrap_or(LONGEST_FILE) {
            wrong.push(format!("{name}: {lines} lines"));
        } else if lines > LONGEST_FILE {
            waiting.retain(|file| *file != name);
        }
    }
    wrong.extend(
        waiting.iter().map(|file| format!("{file}: fits, or is gone: take it off the list")),
    );
    assert_none(&format!("longer than {LONGEST_FILE} lines"), &wrong);
}

#[test]
fn numbers_are_the_same_on_every_machine() {
    let mut wrong = Vec::new();
    for File { name, module, code, .. } in files() {
        if floor_of(&module[0]).is_none_or(|floor| floor > LAST_EXACT_FLOOR) {
            continue;
        }
        for (number, line) in code.lines().enumerate() {
            let called = |function: &&&str| {
                line.contains(&format!(".{function}("))
                    || line.contains(&format!("f64::{function}"))
                    || line.contains(&format!("f32::{function}"))
            };
            if let Some(function) = TRANSCENDENTAL.iter().find(called) {
                wrong.push(format!("{name}:{}: `{function}`: {}", number + 1, line.trim()));
            }
        }
    }
    assert_none("std's functions where libm's are due", &wrong);
}

#[test]
fn only_the_driver_and_the_command_line_read_the_clock() {
    let clocks = ["std::time::Instant", "SystemTime", "Instant::now", "time::{Instant", "tokio::"];
    let mut wrong = Vec::new();
    for File { name, module, code, .. } in files() {
        if REAL_TIME.contains(&module[0].as_str()) {
            continue;
        }
        for (number, line) in code.lines().enumerate() {
            if clocks.iter().any(|clock| line.contains(clock)) {
                wrong.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert_none("real time below the driver", &wrong);
}

#[test]
fn the_reading_of_paths_finds_what_it_should() {
    let code = "use crate::a::b;\nuse crate::{c::{d, e}, f::G, h};\nlet x = crate::i::j(1);\n";
    let paths: Vec<String> = uses(code).into_iter().map(|(_, path)| path).collect();
    assert_eq!(paths, ["a::b", "c", "f::G", "h", "i::j"]);
    assert_eq!(uses(code).last().unwrap().0, 3);
    assert_eq!(private_part("dist::sampler::Shape").as_deref(), Some("sampler"));
    assert_eq!(private_part("scenario::source::Path"), None);
    assert_eq!(code_of("a // b\n#[cfg(test)]\nmod tests {\nc"), "a \n");
}
