use super::*;
use crate::scenario::types::ModulatedState;
use crate::units::Ratio;

fn poisson(per_second: f64) -> Arrivals {
    Arrivals::Poisson { rate: Rate::from_base(per_second) }
}

fn times(process: &ArrivalProcess, n: usize) -> Vec<Time> {
    process.stream(42, 0).take(n).collect()
}

fn gaps_of(times: &[Time]) -> Vec<f64> {
    times.windows(2).map(|pair| pair[1].since(pair[0]).seconds()).collect()
}

fn mean_and_cv(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
    (mean, variance.sqrt() / mean)
}

/// Index of dispersion of counts in windows of `width` seconds: variance over mean.
fn dispersion(times: &[Time], width: f64, horizon: f64) -> f64 {
    let mut counts = vec![0.0; (horizon / width).round() as usize];
    for time in times {
        if let Some(count) = counts.get_mut((time.seconds() / width) as usize) {
            *count += 1.0;
        }
    }
    let (mean, cv) = mean_and_cv(&counts);
    cv * cv * mean
}

#[test]
fn poisson_has_its_rate_and_no_memory() {
    let process = ArrivalProcess::new(&poisson(2.0), None).unwrap();
    let times = times(&process, 200_000);
    let (mean, cv) = mean_and_cv(&gaps_of(&times));
    // Four standard errors: of a mean 1/√n, of a coefficient of variation about 1/√n.
    assert!((mean - 0.5).abs() < 4.0 * 0.5 / 447.0, "{mean}");
    assert!((cv - 1.0).abs() < 4.0 / 447.0, "{cv}");
    let idc = dispersion(&times, 10.0, times.last().unwrap().seconds() - 10.0);
    assert!((idc - 1.0).abs() < 0.06, "{idc}");
    assert!(times.is_sorted());
}

#[test]
fn renewal_has_its_rate_and_variation() {
    for cv in [0.5, 2.0] {
        let arrivals = Arrivals::Renewal { rate: Rate::from_base(0.25), cv: Count(cv) };
        let process = ArrivalProcess::new(&arrivals, None).unwrap();
        let times = times(&process, 200_000);
        let (mean, found) = mean_and_cv(&gaps_of(&times));
        assert!((mean - 4.0).abs() < 4.0 * 4.0 * cv / 447.0, "cv {cv}: mean {mean}");
        // The spread of a sample's cv is larger for skewed gaps; 2 % is four errors at cv 2.
        assert!((found / cv - 1.0).abs() < 0.02, "cv {cv}: {found}");
        // In long windows the dispersion of a renewal process tends to cv².
        let idc = dispersion(&times, 400.0, times.last().unwrap().seconds() - 400.0);
        assert!((idc / (cv * cv) - 1.0).abs() < 0.15, "cv {cv}: IDC {idc}");
    }
    let even = Arrivals::Renewal { rate: Rate::from_base(4.0), cv: Count(0.0) };
    let even = ArrivalProcess::new(&even, None).unwrap();
    assert_eq!(times(&even, 2), [Time::from_nanos(250_000_000), Time::from_nanos(500_000_000)]);
}

fn modulated(states: &[(f64, f64)]) -> Arrivals {
    let state = |&(rate, mean): &(f64, f64)| ModulatedState {
        rate: Rate::from_base(rate),
        mean: Span::from_seconds(mean),
    };
    Arrivals::Mmpp { states: states.iter().map(state).collect() }
}

/// An on-off process is a renewal process with hyperexponential gaps (Kuczura 1973). On: 2/s for 1 s on
/// average (left at σ₁ = 1/s), off for 4 s (left at σ₂ = 0.25/s). Mean rate 2 · 1 / 5 = 0.4/s: mean gap 2.5 s.
/// A gap from an arrival on: with 2 / 3 the next arrival comes first, after an exponential of 3/s; with
/// 1 / 3 the state ends first, after the same, then an off time of mean 4 s, then a gap anew. So with
/// G = X + B (Y + G'), B = 1 in 1 / 3: E G = (1/3 + 4/3) / (2/3) = 2.5. For the square:
/// E G² = E X² + 2 E X E[B(Y + G)] + E[B] (E Y² + 2 E Y E G + E G²)
///      = 2/9 + 2 · 1/3 · 1/3 · 6.5 + 1/3 · (32 + 20) + E G² / 3, so E G² = 1.5 · 19 = 28.5, cv² = 3.56.
#[test]
fn on_off_arrivals_have_hyperexponential_gaps() {
    let process = ArrivalProcess::new(&modulated(&[(2.0, 1.0), (0.0, 4.0)]), None).unwrap();
    assert!((process.mean_rate().unwrap().per_second() - 0.4).abs() < 1e-12);
    let (mean, cv) = mean_and_cv(&gaps_of(&times(&process, 400_000)));
    assert!((mean - 2.5).abs() < 4.0 * 2.5 * 1.887 / 632.0, "{mean}");
    assert!((cv * cv / 3.56 - 1.0).abs() < 0.03, "{}", cv * cv);
}

/// In long windows the dispersion of counts of a process of two states tends to
/// 1 + 2 σ₁ σ₂ (λ₁ − λ₂)² / ((σ₁ + σ₂)² (λ₁ σ₂ + λ₂ σ₁)) (Fischer and Meier-Hellstern 1993): with rates 3 and
/// 1 and stays of 2 s and 6 s 1 + 2 · ½ · ⅙ · 4 / (4/9 · (3/6 + 1/2)) = 1 + 1.5 = 2.5.
#[test]
fn modulated_arrivals_have_their_rate_and_dispersion_from_time_zero() {
    let process = ArrivalProcess::new(&modulated(&[(3.0, 2.0), (1.0, 6.0)]), None).unwrap();
    let times = times(&process, 600_000);
    let end = times.last().unwrap().seconds();
    assert!((600_000.0 / end / 1.5 - 1.0).abs() < 0.01, "{end}");
    let idc = dispersion(&times, 200.0, end - 200.0);
    assert!((idc / 2.5 - 1.0).abs() < 0.15, "{idc}");
    // Stationary at once: in the first second of many replications as many as in any other.
    let first = |replication| {
        let stream = process.stream(7, replication);
        stream.take_while(|time| time.seconds() < 1.0).count() as f64
    };
    let mean = (0..20_000).map(first).sum::<f64>() / 20_000.0;
    // Variance of the count in a second is below 1.5 · 2.5.
    assert!((mean - 1.5).abs() < 4.0 * 1.94 / 141.0, "{mean}");
}

#[test]
fn modulated_arrivals_are_compressed_and_thinned_whole() {
    let arrivals = modulated(&[(2.0, 1.0), (0.0, 4.0)]);
    let plain = ArrivalProcess::new(&arrivals, None).unwrap();
    let fast = plain.clone().compressed(Count(10.0));
    for (one, other) in plain.stream(3, 0).zip(fast.stream(3, 0)).take(1000) {
        assert!((one.seconds() - 10.0 * other.seconds()).abs() < 1e-5);
    }
    let day = vec![(Span::ZERO, Ratio(0.5)), (Span::from_secs(43_200), Ratio(1.5))];
    let busy = ArrivalProcess::new(&arrivals, Some(&Profile::Day(day))).unwrap();
    let times = times(&busy, 60_000);
    let late = times.iter().filter(|time| time.seconds() % 86_400.0 >= 43_200.0).count();
    let days = times.last().unwrap().seconds() / 86_400.0;
    assert!((60_000.0 / days / (0.4 * 86_400.0) - 1.0).abs() < 0.5, "{days}");
    assert!(late as f64 > 0.6 * 60_000.0 * (days - 0.5).max(0.5) / days, "{late}");
    assert!(ArrivalProcess::new(&modulated(&[(0.0, 1.0)]), None).is_err());
    assert!(ArrivalProcess::new(&modulated(&[(1.0, 0.0), (1.0, 1.0)]), None).is_err());
}

#[test]
fn every_is_exact_from_zero() {
    let gap = Span::from_nanos(61_000_170_000);
    let process = ArrivalProcess::new(&Arrivals::Every(gap), None).unwrap();
    let times = times(&process, 358);
    assert!((0..358).zip(&times).all(|(k, time)| time.nanos() == k * gap.nanos()));
    let fast = process.compressed(Count(60.0));
    let third = fast.stream(1, 0).nth(3).unwrap();
    assert_eq!(third, Time::from_nanos(3 * 1_016_669_500));
}

#[test]
fn recorded_times_come_as_they_are() {
    let at = |nanos| SessionPlan { arrival: Time::from_nanos(nanos), ..SessionPlan::default() };
    let sessions = Arc::new(vec![at(0), at(7), at(7), at(1_000)]);
    let process = ArrivalProcess::recorded(Arc::clone(&sessions), None).unwrap();
    let found: Vec<u64> = process.stream(1, 0).map(Time::nanos).collect();
    assert_eq!(found, [0, 7, 7, 1_000]);
    let found: Vec<u64> = process.compressed(Count(10.0)).stream(1, 0).map(Time::nanos).collect();
    assert_eq!(found, [0, 1, 1, 100]);
    let day = Profile::Day(vec![(Span::ZERO, Ratio(1.0))]);
    let error = ArrivalProcess::recorded(sessions, Some(&day)).unwrap_err();
    assert_eq!(error, ArrivalError::NoRate("recorded times"));
}

#[test]
fn closed_arrivals_are_a_population_without_times() {
    let process = ArrivalProcess::new(&Arrivals::Closed { population: 7 }, None).unwrap();
    assert_eq!(process.population(), Some(7));
    assert_eq!(process.stream(1, 0).next(), None);
    assert_eq!(process.mean_rate(), None);
}

fn two_levels() -> Profile {
    let noon = Span::from_secs(12 * 3_600);
    Profile::Day(vec![(Span::ZERO, Ratio(0.5)), (noon, Ratio(2.0))])
}

#[test]
fn a_profile_moves_the_rate_and_nothing_else() {
    let process = ArrivalProcess::new(&poisson(1.0), Some(&two_levels())).unwrap();
    assert!((process.mean_rate().unwrap().per_second() - 1.25).abs() < 1e-12);
    let horizon = 4.0 * 86_400.0;
    let times: Vec<f64> =
        process.stream(3, 0).map(Time::seconds).take_while(|t| *t < horizon).collect();
    let (morning, evening): (Vec<f64>, Vec<f64>) =
        times.iter().partition(|t| **t % 86_400.0 < 43_200.0);
    // Counts are Poisson: four standard errors are 4√n.
    let (n, m) = (morning.len() as f64, evening.len() as f64);
    assert!((n - 86_400.0).abs() < 4.0 * 86_400_f64.sqrt(), "{n}");
    assert!((m - 345_600.0).abs() < 4.0 * 345_600_f64.sqrt(), "{m}");
}

#[test]
fn compression_shortens_gaps_and_cycle_alike() {
    let process = ArrivalProcess::new(&poisson(0.1), Some(&two_levels())).unwrap();
    let slow = times(&process, 5_000);
    let fast = process.clone().compressed(Count(60.0));
    assert!((fast.mean_rate().unwrap().per_second() - 7.5).abs() < 1e-9);
    let fast = times(&fast, 5_000);
    for (slow, fast) in slow.iter().zip(&fast) {
        // Each of the gaps is rounded to the nanosecond.
        assert!((slow.seconds() / 60.0 - fast.seconds()).abs() < 1e-4, "{slow} and {fast}");
    }
}

/// The first 1,800 s of Azure's conversation trace as a rate curve: Poisson arrivals under it must
/// show the dispersion that an independent simulation of the same curve found in 95 % of 400 runs.
#[test]
fn a_measured_rate_curve_gives_the_known_dispersion() {
    let counts = [
        191, 265, 329, 353, 307, 273, 268, 261, 322, 298, 301, 302, 345, 326, 283, 279, 280, 308,
        343, 351, 351, 343, 408, 396, 386, 398, 432, 480, 476, 453,
    ];
    let steps = counts.iter().enumerate();
    let steps = steps.map(|(at, n)| (Span::from_secs(60 * at as u64), Ratio(f64::from(*n) / 60.0)));
    let process = ArrivalProcess::new(&poisson(1.0), Some(&Profile::Day(steps.collect()))).unwrap();
    let mut inside = [0; 3];
    for replication in 0..40 {
        let stream = process.stream(1, replication);
        let times: Vec<Time> = stream.take_while(|t| t.seconds() < 1_800.0).collect();
        let found = [
            dispersion(&times, 1.0, 1_800.0),
            dispersion(&times, 60.0, 1_800.0),
            mean_and_cv(&gaps_of(&times)).1,
        ];
        let ranges = [(1.14, 1.30), (12.1, 17.6), (1.018, 1.064)];
        for ((inside, found), (low, high)) in inside.iter_mut().zip(found).zip(ranges) {
            *inside += u32::from(low <= found && found <= high);
        }
    }
    // 38 of 40 on average; 33 or fewer has a chance below 1 %.
    assert!(inside.iter().all(|n| *n >= 34), "{inside:?}");
}

#[test]
fn a_stream_is_a_function_of_seed_and_replication() {
    let process = ArrivalProcess::new(&poisson(1.0), Some(&two_levels())).unwrap();
    let stream = |seed, replication| process.stream(seed, replication).take(100);
    let first: Vec<Time> = stream(1, 0).collect();
    assert_eq!(first, stream(1, 0).collect::<Vec<_>>());
    assert_ne!(first, stream(2, 0).collect::<Vec<_>>());
    assert_ne!(first, stream(1, 1).collect::<Vec<_>>());
    // The first n do not depend on how many are asked for.
    let longer: Vec<Time> = process.stream(1, 0).take(1_000).collect();
    assert_eq!(first, longer[..100]);
}

#[test]
fn a_higher_rate_takes_the_same_draws() {
    let at = |rate| times(&ArrivalProcess::new(&poisson(rate), None).unwrap(), 1_000);
    for (slow, fast) in at(1.0).iter().zip(at(2.0)) {
        assert!((slow.seconds() - 2.0 * fast.seconds()).abs() < 1e-5);
    }
}

#[test]
fn open_sessions_follow_littles_law() {
    let planned = Span::from_secs(600);
    let process = ArrivalProcess::open_sessions(Count(1_200.0), planned, None).unwrap();
    assert!((process.mean_rate().unwrap().per_second() - 2.0).abs() < 1e-12);
    let error = ArrivalProcess::open_sessions(Count(0.0), planned, None).unwrap_err();
    assert!(matches!(error, ArrivalError::Rate(_)));
}

#[test]
fn what_never_or_always_arrives_is_refused() {
    let error = |arrivals: Arrivals| ArrivalProcess::new(&arrivals, None).unwrap_err().to_string();
    insta::assert_snapshot!(error(poisson(0.0)), @"the arrival rate is 0/s: expected a rate above zero, such as `40/min`");
    insta::assert_snapshot!(error(Arrivals::Every(Span::ZERO)), @"`every: 0s` puts infinitely many arrivals at time 0: expected a gap above zero");
    insta::assert_snapshot!(error(Arrivals::Closed { population: 0 }), @"`closed: {population: 0}` has nobody: expected 1 or more");
    let closed = ArrivalProcess::new(&Arrivals::Closed { population: 1 }, Some(&two_levels()));
    insta::assert_snapshot!(closed.unwrap_err(), @"a `profile` moves an arrival rate, and closed arrivals have none: give `poisson`, `mmpp` or `renewal`");
}
