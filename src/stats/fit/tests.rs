//! Fits of samples from known laws, and of the shared start times against reference fits.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::*;
use crate::random::{Draws, Purpose};

fn uniforms(session: u64, n: u32) -> impl Iterator<Item = f64> {
    (0..n).map(move |i| Draws::new(3, 0, session, Purpose::Think, i).uniform())
}

/// A sample of each family by its quantile function: the fit finds family and parameters.
#[test]
fn the_family_that_a_sample_is_from_is_found_with_its_parameters() {
    let laws = [
        Law::Exponential { mean: 0.7 },
        Law::Lognormal { mu: -1.2, sigma: 0.4 },
        Law::ShiftedLognormal { shift: 0.5, mu: -2.0, sigma: 0.8 },
        Law::Gamma { shape: 4.0, scale: 0.05 },
        Law::Weibull { shape: 3.0, scale: 2.0 },
        Law::TwoLognormals { weight: 0.7, mu: [-1.0, 0.5], sigma: [0.2, 0.3] },
    ];
    for (number, law) in laws.iter().enumerate() {
        let sample: Vec<f64> = uniforms(number as u64, 3000).map(|u| law.quantile(u)).collect();
        let all = candidates(&sample).unwrap();
        let best = all[0];
        assert_eq!(best.law.family(), law.family(), "{all:?}");
        assert!(best.ks.statistic < 0.03, "{best:?}");
        // Each true parameter within twice its 95% interval: a miss in 10⁴ tries.
        for (found, (_, truth)) in
            uncertainty(&best.law, &sample, None, 0.95).iter().zip(law.parameters())
        {
            let [low, high] = found.interval.unwrap_or_else(|| panic!("{found:?} of {law:?}"));
            let slack = (high - low) / 2.0;
            assert!(low < found.value && found.value < high, "{found:?}");
            assert!(low - slack < truth && truth < high + slack, "{found:?}, truly {truth}");
        }
    }
}

/// Maximum likelihood has closed forms here: standard errors σ/√n and σ/√(2n).
#[test]
fn intervals_of_a_lognormal_are_those_of_theory() {
    let law = Law::Lognormal { mu: 1.0, sigma: 0.5 };
    let n = 4000;
    let sample: Vec<f64> = uniforms(40, n).map(|u| law.quantile(u)).collect();
    let fitted = candidates(&sample).unwrap();
    let lognormal = fitted.iter().find(|one| one.law.family() == "lognormal").unwrap();
    let found = uncertainty(&lognormal.law, &sample, None, 0.95);
    let n = f64::from(n);
    for (one, expected) in found.iter().zip([0.5 / n.sqrt(), 0.5 / (2.0 * n).sqrt()]) {
        let [low, high] = one.interval.unwrap();
        let half = (high - low) / 2.0 / 1.96;
        assert!((half / expected - 1.0).abs() < 0.08, "{one:?}: {half}, expected {expected}");
    }
}

/// Ten copies of each value in a cluster: the interval is as wide as without the copies.
#[test]
fn copies_within_a_cluster_say_nothing_new() {
    let law = Law::Lognormal { mu: 0.0, sigma: 1.0 };
    let singles: Vec<f64> = uniforms(50, 300).map(|u| law.quantile(u)).collect();
    let copies: Vec<f64> = singles.iter().flat_map(|x| std::iter::repeat_n(*x, 10)).collect();
    let clusters: Vec<usize> = (0..copies.len()).map(|i| i / 10).collect();
    let fitted = |sample: &[f64]| {
        let all = candidates(sample).unwrap();
        all.into_iter().find(|one| one.law.family() == "lognormal").unwrap().law
    };
    let width = |parameters: Vec<Parameter>| {
        let [low, high] = parameters[0].interval.unwrap();
        high - low
    };
    let single = width(uncertainty(&fitted(&singles), &singles, None, 0.95));
    let clustered = width(uncertainty(&fitted(&copies), &copies, Some(&clusters), 0.95));
    let naive = width(uncertainty(&fitted(&copies), &copies, None, 0.95));
    assert!((clustered / single - 1.0).abs() < 1e-3, "{clustered} {single}");
    assert!((naive / single * 10.0_f64.sqrt() - 1.0).abs() < 0.01, "{naive} {single}");
}

#[test]
fn what_cannot_be_fitted_is_said() {
    assert_eq!(candidates(&[2.0; 5]).unwrap()[0].law, Law::Constant(2.0));
    assert_eq!(candidates(&[1.0, 2.0]), Err(FitError::TooFew { found: 2 }));
    assert_eq!(candidates(&[1.0, 0.0]), Err(FitError::NotPositive { found: 0.0 }));
    assert!(matches!(candidates(&[1.0, f64::NAN]), Err(FitError::NotPositive { .. })));
}

#[test]
fn quantiles_invert_distribution_functions() {
    for law in [
        Law::Exponential { mean: 2.0 },
        Law::ShiftedLognormal { shift: 1.0, mu: 0.2, sigma: 0.7 },
        Law::Gamma { shape: 2011.0, scale: 5e-5 },
        Law::Weibull { shape: 0.6, scale: 3.0 },
        Law::TwoLognormals { weight: 0.02, mu: [-6.0, 1.0], sigma: [0.1, 2.0] },
    ] {
        for p in [0.001, 0.1, 0.5, 0.99, 0.9999] {
            assert!((law.cdf(law.quantile(p)) - p).abs() < 1e-9, "{law:?} at {p}");
        }
    }
}

/// The shared start times, or `None` after printing why there are none.
fn data() -> Option<PathBuf> {
    let beside = std::env::var_os("PLIMSOLL_DATA").map(|traces| PathBuf::from(traces).join(".."));
    let shared = beside.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let folder = shared.join("sandbox-latency");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: there is no folder of start times at {}", folder.display());
    None
}

/// The values of a gzipped table whose first columns are these.
fn values(folder: &Path, file: &str, wanted: &[String], column: usize) -> Vec<f64> {
    let mut text = String::new();
    let packed = std::fs::File::open(folder.join(file)).unwrap();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let rows = rows.filter(|row| wanted.iter().zip(row).all(|(a, b)| a == b));
    rows.filter_map(|row| row[column].parse().ok()).collect()
}

/// Every fit of `reference_fits.json` (scipy), by family: the same likelihood and distance, or a better
/// likelihood where a maximum has to be searched.
#[test]
fn fits_are_those_of_the_reference() {
    let Some(folder) = data() else { return };
    let text = std::fs::read_to_string(folder.join("reference_fits.json")).unwrap();
    let reference: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (mut looked_at, mut better, mut best_differs) = (0, 0, Vec::new());
    for set in ["nsdi20", "computesdk"] {
        for one in reference[set].as_array().unwrap() {
            let name = |key: &str| one[key].as_str().map(str::to_owned);
            let (file, wanted, column) = if set == "nsdi20" {
                let parallel = one["parallel"].as_u64().unwrap().to_string();
                let wanted = vec![name("vmm").unwrap(), name("variant").unwrap(), parallel];
                ("nsdi20_boot_ms.csv.gz", wanted, 3)
            } else {
                let wanted = vec![name("provider").unwrap(), name("mode").unwrap()];
                ("computesdk_tti_ms.csv.gz", wanted, 4)
            };
            let sample = values(&folder, file, &wanted, column);
            let found = candidates(&sample).unwrap();
            let what = format!("{wanted:?}");
            for (family, expected) in one["fits"].as_object().unwrap() {
                let ours = match family.as_str() {
                    "weibull" => "Weibull",
                    "lognormal mixture" => "two lognormals",
                    other => other,
                };
                let fit = found.iter().find(|fit| fit.law.family() == ours);
                let Some(fit) = fit else { panic!("{what}: no {family}") };
                let gain = fit.log_likelihood - expected["loglik"].as_f64().unwrap();
                looked_at += 1;
                assert!(gain > -0.05, "{what}: {family}: ln L is {gain} from the reference's");
                if gain > 0.05 {
                    assert!(
                        ["two lognormals", "shifted lognormal"].contains(&ours),
                        "{what}: {ours}"
                    );
                    println!("{what}: {family}: ln L better by {gain:.2}");
                    better += 1;
                    continue;
                }
                let ks = expected["ks"].as_f64().unwrap();
                let distance = fit.ks.statistic;
                assert!((distance - ks).abs() < 0.003, "{what}: {family}: {distance}, not {ks}");
            }
            let best = one["best"].as_str().unwrap();
            let ours = found[0].law.family();
            if !best.eq_ignore_ascii_case(ours) && best != "lognormal mixture" {
                best_differs.push(format!("{what}: {ours}, not {best}"));
            }
        }
    }
    assert!(looked_at >= 5 * 58, "{looked_at} fits");
    println!("{looked_at} fits, {better} with a better likelihood; another best: {best_differs:?}");
    assert!(better * 10 < looked_at && best_differs.len() < 6, "{better} {best_differs:?}");
}
