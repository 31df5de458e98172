//! Sessions that were captured twice.

use rustc_hash::{FxHashMap, FxHashSet};

use super::report::{Duplicate, Likeness};

/// Shared runs of three requests from which on two sessions are one conversation.
const SHARED_RUNS: u64 = 5;
/// Fewer requests than this are too few to call sessions copies: short ones agree by chance.
const FEWEST_REQUESTS: usize = 3;
/// Sessions remembered for each run of three; a run that more sessions share tells nothing apart.
const OWNERS: usize = 16;

/// Start in nanoseconds, input tokens, output tokens.
pub(super) type Request = (u64, u64, u64);

/// Finds copies among sessions, given in the order of the file.
pub(super) fn find<'a>(sessions: impl Iterator<Item = (&'a str, Vec<Request>)>) -> Vec<Duplicate> {
    let sessions: Vec<_> =
        sessions.filter(|(_, requests)| requests.len() >= FEWEST_REQUESTS).collect();
    let mut whole: FxHashMap<&[Request], usize> = FxHashMap::default();
    let mut owners: FxHashMap<[(u64, u64); 3], Vec<usize>> = FxHashMap::default();
    let mut found = Vec::new();
    for (number, (name, requests)) in sessions.iter().enumerate() {
        let duplicate = |first: usize, likeness| {
            let first = sessions[first].0.to_owned();
            Duplicate { first, second: (*name).to_owned(), likeness }
        };
        if let Some(first) = whole.get(requests.as_slice()) {
            found.push(duplicate(*first, Likeness::Identical));
            continue;
        }
        whole.insert(requests, number);
        let runs: FxHashSet<[(u64, u64); 3]> =
            requests.windows(3).map(|run| [0, 1, 2].map(|i| (run[i].1, run[i].2))).collect();
        let mut shared: FxHashMap<usize, u64> = FxHashMap::default();
        for run in runs {
            let owners = owners.entry(run).or_default();
            owners.iter().for_each(|owner| *shared.entry(*owner).or_default() += 1);
            if owners.len() < OWNERS {
                owners.push(number);
            }
        }
        let mut shared: Vec<_> = shared.into_iter().filter(|(_, n)| *n >= SHARED_RUNS).collect();
        // A map's order must not leak into what people read.
        shared.sort_unstable();
        found.extend(shared.iter().map(|(first, n)| duplicate(*first, Likeness::Shared(*n))));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(from: u64, n: u64) -> Vec<Request> {
        (from..from + n).map(|k| (10 * (k - from), 1_000 + 37 * k, 5 + k * k % 97)).collect()
    }

    #[test]
    fn copies_and_recaptures_are_told_from_strangers() {
        let later_start: Vec<Request> =
            session(100, 20).into_iter().map(|(t, i, o)| (t + 1, i, o)).collect();
        let sessions = [
            ("a", session(0, 20)),
            ("b", session(100, 20)),
            ("c", session(0, 20)),
            // Seven requests in common are five runs of three.
            ("d", session(13, 20)),
            ("e", session(114, 20)),
            ("f", later_start),
        ];
        let found = find(sessions.into_iter());
        let expected = [
            ("a", "c", Likeness::Identical),
            ("a", "d", Likeness::Shared(5)),
            ("b", "f", Likeness::Shared(18)),
            ("e", "f", Likeness::Shared(4)),
        ];
        // "e" shares six requests with "b", four runs: below the threshold.
        let expected: Vec<_> = expected[..3].to_vec();
        let found: Vec<_> =
            found.iter().map(|d| (d.first.as_str(), d.second.as_str(), d.likeness)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn short_or_constant_sessions_are_no_copies() {
        let short = vec![(0, 100, 10), (5, 200, 20)];
        assert_eq!(find([("a", short.clone()), ("b", short)].into_iter()), []);
        // The same request over and over is one run of three, however often.
        let constant = |n: u64, step: u64| (0..n).map(|k| (k * step, 100, 10)).collect::<Vec<_>>();
        assert_eq!(find([("a", constant(50, 1)), ("b", constant(60, 2))].into_iter()), []);
    }
}
