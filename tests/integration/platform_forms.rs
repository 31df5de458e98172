//! Closed forms of whole platforms: losses behind a queue, shared cores, priorities, idle timeouts, token
//! buckets, warm pools. Held against intervals as in `closed_forms`.

use plimsoll::measure::interval::{of_mean, of_ratio, of_share};
use plimsoll::measure::record::{ReplicationRecord, Run};
use plimsoll::measure::{Counter, Gauge, Metric};

use super::closed_forms::{
    Form, Length, Stated, check_twenty, erlang_b, length, mean_wait, rejected_share,
};

/// Chances of 0, 1, …, c + room in M/M/c/(c + room) with mean service 1: birth and death.
fn mmck(erlangs: f64, servers: u32, room: u32) -> Vec<f64> {
    let mut chances = vec![1.0];
    for n in 1..=servers + room {
        let before = chances[n as usize - 1];
        chances.push(before * erlangs / f64::from(n.min(servers)));
    }
    let sum: f64 = chances.iter().sum();
    chances.iter().map(|chance| chance / sum).collect()
}

/// Mean wait of those let in: Lq / (λ (1 − p_K)).
fn mmck_wait(erlangs: f64, servers: u32, room: u32) -> f64 {
    let chances = mmck(erlangs, servers, room);
    let waiting = |(n, p): (usize, &f64)| n.saturating_sub(servers as usize) as f64 * p;
    let queue: f64 = chances.iter().enumerate().map(waiting).sum();
    queue / (erlangs * (1.0 - chances[chances.len() - 1]))
}

/// Cobham: mean wait of each class of M/M/1 without preemption, the first served first, given rates and
/// mean services; W₀ / ((1 − σ before) (1 − σ)), W₀ being Σ λ E[S²] / 2; and over all arrivals.
fn cobham(classes: [(f64, f64); 2]) -> f64 {
    let residual: f64 = classes.iter().map(|(rate, mean)| rate * mean * mean).sum();
    let (mut before, mut sum, mut rates) = (0.0, 0.0, 0.0);
    for (rate, mean) in classes {
        let with = before + rate * mean;
        sum += rate * residual / ((1.0 - before) * (1.0 - with));
        rates += rate;
        before = with;
    }
    sum / rates
}

/// The two branches of a hyperexponential with balanced means: chance and mean.
fn branches(mean: f64, cv: f64) -> [(f64, f64); 2] {
    let square = cv * cv;
    let p = 0.5 * (1.0 + ((square - 1.0) / (square + 1.0)).sqrt());
    [p, 1.0 - p].map(|p| (p, mean / (2.0 * p)))
}

/// P(X > t) of such a mixture of exponentials.
fn beyond(branches: &[(f64, f64)], t: f64) -> f64 {
    branches.iter().map(|(p, mean)| p * libm::exp(-t / mean)).sum()
}

/// E[min(X, t)].
fn up_to(branches: &[(f64, f64)], t: f64) -> f64 {
    branches.iter().map(|(p, mean)| p * mean * (1.0 - libm::exp(-t / mean))).sum()
}

#[test]
fn the_formulas_give_their_published_values() {
    for (found, printed) in [
        // K = c is Erlang's loss formula; M/M/1/3 at 1 has four equal states.
        (mmck(4.0, 5, 0)[5], erlang_b(4.0, 5)),
        (erlang_b(4.0, 5), 0.199_067),
        (mmck(1.0, 1, 2)[3], 0.25),
        (mmck_wait(1.0, 1, 2), 1.0),
        // M/M/1 at 0.7: with equal services the mean over both classes is as first in, first out.
        (cobham([(0.3, 1.0), (0.4, 1.0)]), 0.7 / 0.3),
        // (1 · 1.416667 + 0.25 · 5.666667) / 1.25.
        (cobham([(1.0, 0.25), (0.25, 2.0)]), 2.266_667),
        (cobham([(0.25, 2.0), (1.0, 0.25)]), 7.225),
        (up_to(&branches(60.0, 2.0), 1e9), 60.0),
        (beyond(&[(1.0, 60.0)], 90.0), 0.223_130),
    ] {
        assert!((found - printed).abs() <= 5e-7, "{found}, printed {printed}");
    }
}

/// The mean of a metric over all observations.
fn mean_of(run: &Run, metric: Metric) -> Stated {
    let record = run.metric(metric).unwrap();
    let interval = record.ci95.as_ref().unwrap().mean.unwrap();
    Stated { estimate: record.mean.unwrap(), interval }
}

fn by_replication(run: &Run, value: impl Fn(&ReplicationRecord) -> f64) -> Vec<f64> {
    run.per_replication.iter().map(value).collect()
}

/// A quotient of sums over replications.
fn quotient(above: &[f64], below: &[f64]) -> Stated {
    let estimate = above.iter().sum::<f64>() / below.iter().sum::<f64>();
    Stated { estimate, interval: of_ratio(above, below).unwrap() }
}

fn integral(r: &ReplicationRecord, gauge: Gauge) -> f64 {
    r.gauges[gauge.name()].integral
}

fn mean_running(run: &Run) -> Stated {
    let measured = run.measured_s;
    let means = by_replication(run, |r| integral(r, Gauge::SandboxesRunning) / measured);
    let estimate = means.iter().sum::<f64>() / means.len() as f64;
    Stated { estimate, interval: of_mean(&means).unwrap() }
}

/// GiB-seconds that a sandbox holds idle, by the think.
fn idle_memory(run: &Run) -> Stated {
    let held = by_replication(run, |r| r.usage.gib_seconds.idle);
    quotient(&held, &by_replication(run, |r| r.metrics["think"].count as f64))
}

/// Share of thinks after which the sandbox still ran.
fn still_running(run: &Run) -> Stated {
    let thinks = by_replication(run, |r| r.metrics["think"].count as f64);
    let hits = by_replication(run, |r| {
        r.metrics["think"].count as f64 - r.counters[Counter::Restores.name()]
    });
    let estimate = hits.iter().sum::<f64>() / thinks.iter().sum::<f64>();
    Stated { estimate, interval: of_share(&hits, &thinks).unwrap() }
}

/// Share of the time of open sessions, with the platform's own part, in which a gauge counts them.
fn share_of_time(run: &Run, gauge: Gauge) -> Stated {
    let all = by_replication(run, |r| {
        integral(r, Gauge::SandboxesRunning) + integral(r, Gauge::SandboxesHibernated)
    });
    quotient(&by_replication(run, |r| integral(r, gauge)), &all)
}

/// Share of sessions that found the pool empty.
fn misses(run: &Run) -> Stated {
    let cold = by_replication(run, |r| r.metrics["cold_start"].count as f64);
    let all = by_replication(run, |r| {
        r.metrics["cold_start"].count as f64 + r.metrics["pool_claim"].count as f64
    });
    let estimate = cold.iter().sum::<f64>() / all.iter().sum::<f64>();
    Stated { estimate, interval: of_share(&cold, &all).unwrap() }
}

const NOTHING: &str = "{latency: {base: 0s}}";
const EXPONENTIAL: &str = "{latency: {base: {exponential: {mean: 1s}}}}";

fn losses() -> Vec<Form> {
    let behind = "isolation: {container: {}}, capacity: {elastic: {max_concurrent: 2}}, \
                  queue: {capacity: 3}";
    let form = |name, truth, read| Form {
        name,
        workload: "{arrivals: {poisson: {rate: 2/s}}}",
        platform: behind,
        model: EXPONENTIAL,
        warmup_s: 100,
        quick: length(1_000, 10),
        nightly: length(1_000, 20),
        truth,
        read,
    };
    let lost = mmck(2.0, 2, 3)[5];
    vec![
        form("M/M/2/5, load 1, losses", lost, rejected_share),
        form("M/M/2/5, load 1, wait", mmck_wait(2.0, 2, 3), mean_wait),
        Form {
            name: "M/G/∞, hyperexponential cv 2, 10 erlang",
            workload: "{arrivals: {poisson: {rate: 5/s}}}",
            platform: "isolation: {container: {}}",
            model: "{latency: {base: {hyperexponential: {mean: 2s, cv: 2}}}}",
            warmup_s: 200,
            quick: length(600, 10),
            nightly: length(1_000, 20),
            truth: 10.0,
            read: mean_running,
        },
        Form {
            name: "token bucket of one, M/D/1, load 0.8",
            workload: "{arrivals: {poisson: {rate: 0.8/s}}}",
            platform: "isolation: {container: {}}, \
                       capacity: {elastic: {create_rate: {limit: 1/s, window: 1s}}}",
            model: NOTHING,
            warmup_s: 800,
            quick: length(8_000, 10),
            nightly: length(8_000, 20),
            truth: 0.8 / (2.0 * (1.0 - 0.8)),
            read: mean_wait,
        },
    ]
}

/// One core for all, as good as no limit on sandboxes.
const ONE_CORE: &str = "isolation: {container: {}}, capacity: {hosts: {cores: 1, memory: 1000GiB, \
                        overcommit: {cpu: 10000}}}";
const SHARING: [&str; 2] = [
    "{arrivals: {poisson: {rate: 0.6/s}}, classes: {default: {sandbox: {memory: 1MiB}, \
      tools: {calls: 1, cpu: {exponential: {mean: 1s}}}}}}",
    "{arrivals: {poisson: {rate: 0.6/s}}, classes: {default: {sandbox: {memory: 1MiB}, \
      tools: {calls: 1, cpu: {hyperexponential: {mean: 1s, cv: 2}}}}}}",
];

fn sharing() -> Vec<Form> {
    let form = |name, workload, quick: Length| Form {
        name,
        workload,
        platform: ONE_CORE,
        model: NOTHING,
        warmup_s: 1_000,
        quick,
        nightly: length(20_000, 20),
        truth: 1.0 / (1.0 - 0.6),
        read: |run| mean_of(run, Metric::Session),
    };
    let priority = |name, workload, truth| Form {
        name,
        workload,
        platform: "isolation: {container: {}}, capacity: {elastic: {max_concurrent: 1}}",
        model: "{latency: {base: {exponential: {mean: 250ms}}}}, \
                slow: {latency: {base: {exponential: {mean: 2s}}}}",
        warmup_s: 1_500,
        quick: length(12_000, 10),
        nightly: length(20_000, 20),
        truth,
        read: mean_wait,
    };
    vec![
        form("M/M/1-PS, load 0.6", SHARING[0], length(4_000, 10)),
        form("M/G/1-PS, hyperexponential cv 2, load 0.6", SHARING[1], length(5_000, 10)),
        priority(
            "Cobham, short first",
            "{arrivals: {poisson: {rate: 1.25/s}}, classes: {short: {share: 80%, priority: 1}, \
              long: {share: 20%, model: slow}}}",
            cobham([(1.0, 0.25), (0.25, 2.0)]),
        ),
        priority(
            "Cobham, long first",
            "{arrivals: {poisson: {rate: 1.25/s}}, classes: {short: {share: 80%}, \
              long: {share: 20%, model: slow, priority: 1}}}",
            cobham([(0.25, 2.0), (1.0, 0.25)]),
        ),
    ]
}

const TURNS: f64 = 20.0;
const THINKERS: [&str; 2] = [
    "{arrivals: {poisson: {rate: 0.02/s}}, classes: {default: \
      {turns: {geometric: {mean: 20}}, think: {exponential: {mean: 60s}}}}}",
    "{arrivals: {poisson: {rate: 0.02/s}}, classes: {default: \
      {turns: {geometric: {mean: 20}}, think: {hyperexponential: {mean: 60s, cv: 2}}}}}",
];
/// Sandboxes of 2 GiB.
const GIB: f64 = 2.0;

fn idling() -> Vec<Form> {
    let hyper = branches(60.0, 2.0);
    let form = |name, workload, platform, truth, read| Form {
        name,
        workload,
        platform,
        model: "{latency: {base: {exponential: {mean: 10s}}}}",
        warmup_s: 10_000,
        quick: length(4_000, 10),
        nightly: length(4_000, 20),
        truth,
        read,
    };
    let at_once = "isolation: {container: {snapshot: {filesystem: {}}}}, \
                   idle: {timeout: 90s, then: hibernate}";
    let slow = "isolation: {container: {snapshot: {filesystem: {fixed: 5s}}, \
                restore: {fixed: 3s}}}, idle: {timeout: 30s, then: hibernate}";
    // A session of N turns thinks N − 1 times. A think outlasts the timeout, T = 30, by chance q; the
    // snapshot holds the slot for S = 5, of which min(R, S) are idle, R being what is left of the
    // think, exponential again; what is left after it is asleep; then comes the restore.
    let thinks = (TURNS - 1.0) / TURNS;
    let (mean, q) = (60.0, libm::exp(-0.5));
    let idle = up_to(&[(1.0, mean)], 30.0);
    let running = 10.0 + thinks * (idle + q * (5.0 + 3.0));
    let asleep = thinks * q * beyond(&[(1.0, mean)], 5.0) * mean;
    let silent = thinks * (idle + q * up_to(&[(1.0, mean)], 5.0));
    let memory = |branches: &[(f64, f64)]| GIB * up_to(branches, 90.0);
    let all = running + asleep;
    vec![
        form(
            "idle timeout, hyperexponential thinks, hit rate",
            THINKERS[1],
            at_once,
            1.0 - beyond(&hyper, 90.0),
            still_running,
        ),
        form(
            "idle timeout, exponential thinks, idle memory",
            THINKERS[0],
            at_once,
            memory(&[(1.0, mean)]),
            idle_memory,
        ),
        form(
            "idle timeout, hyperexponential thinks, idle memory",
            THINKERS[1],
            at_once,
            memory(&hyper),
            idle_memory,
        ),
        form("renewal-reward, hibernated", THINKERS[0], slow, asleep / all, |run| {
            share_of_time(run, Gauge::SandboxesHibernated)
        }),
        form("renewal-reward, idle", THINKERS[0], slow, silent / all, |run| {
            share_of_time(run, Gauge::SandboxesIdle)
        }),
        form("renewal-reward, running", THINKERS[0], slow, running / all, |run| {
            share_of_time(run, Gauge::SandboxesRunning)
        }),
    ]
}

/// A claim begins a boot; a miss begins none that the pool sees, since all its places are being made. So
/// places being made are the busy servers of M/G/c/c, and its losses are the misses, whatever the
/// distribution of boots: Erlang's B.
fn pooling() -> Vec<Form> {
    let form = |name, platform| Form {
        name,
        workload: "{arrivals: {poisson: {rate: 2/s}}}",
        platform,
        model: NOTHING,
        warmup_s: 100,
        quick: length(800, 10),
        nightly: length(1_000, 20),
        truth: erlang_b(4.0, 5),
        read: misses,
    };
    vec![
        form(
            "pool of 5, exponential boots, 4 erlang",
            "isolation: {container: {boot: {exponential: {mean: 2s}}}}, pool: {fixed: {size: 5}}",
        ),
        form(
            "pool of 5, hyperexponential boots cv 2, 4 erlang",
            "isolation: {container: {boot: {hyperexponential: {mean: 2s, cv: 2}}}}, \
             pool: {fixed: {size: 5}}",
        ),
        form(
            "pool of 5, constant boots, 4 erlang",
            "isolation: {container: {boot: 2s}}, pool: {fixed: {size: 5}}",
        ),
    ]
}

/// All of them, for the nightly.
pub fn all() -> Vec<Form> {
    [losses(), sharing(), idling(), pooling()].into_iter().flatten().collect()
}

#[test]
fn intervals_cover_losses_behind_a_queue_and_buckets_in_sixteen_of_twenty_seeds() {
    check_twenty(&losses());
}

#[test]
fn intervals_cover_shared_cores_and_priorities_in_sixteen_of_twenty_seeds() {
    check_twenty(&sharing());
}

#[test]
fn intervals_cover_idle_sandboxes_in_sixteen_of_twenty_seeds() {
    check_twenty(&idling());
}

#[test]
fn intervals_cover_empty_pools_in_sixteen_of_twenty_seeds() {
    check_twenty(&pooling());
}
