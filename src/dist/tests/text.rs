//! Reading, writing, errors and schema.

use serde::{Deserialize, Serialize};

use super::{EVERY_FAMILY, dist};
use crate::dist::Dist;
use crate::units::{Bytes, Count, Span};

#[test]
fn every_family_reads_back_as_it_was_written() {
    for yaml in EVERY_FAMILY.iter().chain(&["4", "2.5"]) {
        let dist = dist(yaml);
        let written = serde_yaml::to_string(&dist).unwrap();
        let again: Dist<Count> = serde_yaml::from_str(&written).unwrap();
        assert_eq!(again, dist, "{written}");
        let value: serde_yaml::Value = serde_yaml::from_str(yaml).unwrap();
        assert_eq!(serde_yaml::to_value(&dist).unwrap(), value, "{yaml}");
        assert_eq!(serde_yaml::from_value::<Dist<Count>>(value).unwrap(), dist);
        let json = serde_json::to_string(&dist).unwrap();
        assert_eq!(serde_json::from_str::<Dist<Count>>(&json).unwrap(), dist, "{json}");
    }
}

#[test]
fn units_are_kept() {
    let text = "lognormal:\n  median: 2m\n  p95: 30m\n  max: 4h\n";
    let dist: Dist<Span> = serde_yaml::from_str(text).unwrap();
    assert_eq!(serde_yaml::to_string(&dist).unwrap(), text);
    let (min, max) = (Span::from_secs(14_400), dist.quantile(1.0 - 1e-12));
    assert_eq!(min, max);
    let dist: Dist<Bytes> = serde_yaml::from_str("pareto: {shape: 2, scale: 1MiB}").unwrap();
    assert_eq!(dist.mean(), 2_097_152.0);
}

#[test]
fn reads_inside_other_types_and_through_singleton_maps() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Arrivals {
        #[serde(rename = "every")]
        Every { gap: Dist<Span> },
    }
    let text = "every:\n  gap:\n    exponential:\n      mean: 5s\n";
    let read = serde_yaml::with::singleton_map_recursive::deserialize(
        serde_yaml::Deserializer::from_str(text),
    );
    let arrivals: Arrivals = read.unwrap();
    let gap = Dist::exponential(Span::from_secs(5)).unwrap();
    assert_eq!(arrivals, Arrivals::Every { gap });
    let mut written = Vec::new();
    let mut serializer = serde_yaml::Serializer::new(&mut written);
    serde_yaml::with::singleton_map_recursive::serialize(&arrivals, &mut serializer).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), text);
}

#[test]
fn constructors_equal_their_text() {
    let s = Span::from_secs;
    let pairs = [
        (Dist::constant(s(2)), "2s"),
        (Dist::uniform(s(1), s(2)).unwrap(), "uniform: {low: 1s, high: 2s}"),
        (Dist::exponential(s(3)).unwrap(), "exponential: {mean: 3s}"),
        (Dist::lognormal(s(1), s(9)).unwrap(), "lognormal: {p95: 9s, median: 1s}"),
        (Dist::gamma(s(2), 0.5).unwrap(), "gamma: {mean: 2s, cv: 0.5}"),
        (Dist::empirical(vec![s(1), s(4)]).unwrap(), "empirical: {values: [1s, 4s]}"),
    ];
    for (built, text) in pairs {
        assert_eq!(built, serde_yaml::from_str(text).unwrap(), "{text}");
    }
    assert!(Dist::uniform(s(2), s(1)).is_err());
}

#[test]
fn errors_say_what_was_found_and_what_is_expected() {
    let broken = [
        "4",
        "[1s]",
        "{}",
        "expnential: {mean: 2s}",
        "exponential: {mean: 2}",
        "exponential: {mean: fast}",
        "exponential: {mean: 0s}",
        "exponential: {}",
        "exponential: 2s",
        "exponential: {median: 2s}",
        "exponential: {mean: 2s}\nmax: 4s",
        "exponential: {mean: 2s}\ngamma: {mean: 2s, cv: 1}",
        "exponential: {mean: 2s, min: 4s, max: 3s}",
        "lognormal: {median: 2s}",
        "lognormal: {mean: 2s}",
        "lognormal: {median: 2s, cv: 1}",
        "lognormal: {median: 2s, p95: 1s}",
        "lognormal: {median: 2s, p95: 3s, cv: 1}",
        "lognormal: {max: 3s}",
        "lognormal: {mu: 1s, sigma: 1}",
        "lognormal: {mu: 1, sigma: -1}",
        "gamma: {mean: 2s, cv: -1}",
        "gamma: {mean: 2s, cv: .inf}",
        "hyperexponential: {mean: 2s, cv: 0.5}",
        "erlang: {shape: 1.5, mean: 2s}",
        "geometric: {mean: 500ms}",
        "uniform: {low: 2s, high: 1s}",
        "empirical: {values: []}",
        "empirical: {values: [1s, 2s], weights: [1]}",
        "empirical: {values: [1s, 2s], weights: [0, 0]}",
        "empirical: {values: [1s, 2s], weights: [1, -2]}",
        "empirical: {values: [1s], quantiles: [[0, 1s], [1, 2s]]}",
        "empirical: {quantiles: [[0.5, 1s], [0.95, 2s]]}",
        "empirical: {quantiles: [[0, 1s], [0.5, 3s], [0.4, 4s], [1, 5s]]}",
        "empirical: {quantiles: [[0, 1s], [0.5, 3s], [1, 2s]]}",
        "mixture: []",
        "mixture: [{weight: 1}]",
        "mixture: [{exponential: {mean: 1s}}]",
        "mixture: [{weight: 0, constant: 1s}]",
        "mixture: [{weight: 1, exponential: {mean: 1s}, constant: 2s}]",
        "mixture: [{weight: 1, mixture: []}]",
    ];
    let errors: Vec<String> = broken
        .iter()
        .map(|yaml| {
            let value: serde_yaml::Value = serde_yaml::from_str(yaml).unwrap();
            let error = serde_yaml::from_value::<Dist<Span>>(value).expect_err(yaml);
            format!("{}\n    {error}", yaml.replace('\n', "; "))
        })
        .collect();
    insta::assert_snapshot!(errors.join("\n"), @r#"
    4
        a duration needs a unit: write `4s` (units: `250ms`, `20s`, `15m`, `24h`)
    [1s]
        invalid type: sequence, expected a duration, such as `250ms`, `20s`, `15m`, `24h`, or a distribution, such as `exponential: {mean: …}`
    {}
        an empty map is no distribution: expected `uniform`, `exponential`, `normal`, `lognormal`, `gamma`, `erlang`, `weibull`, `pareto`, `lomax`, `hyperexponential`, `geometric`, `poisson`, `empirical`, `mixture` or `constant`
    expnential: {mean: 2s}
        unknown distribution `expnential`: expected one of `uniform`, `exponential`, `normal`, `lognormal`, `gamma`, `erlang`, `weibull`, `pareto`, `lomax`, `hyperexponential`, `geometric`, `poisson`, `empirical`, `mixture` or `constant`
    exponential: {mean: 2}
        a duration needs a unit: write `2s` (units: `250ms`, `20s`, `15m`, `24h`)
    exponential: {mean: fast}
        `fast` is not a duration: expected a number and a unit, such as `250ms`, `20s`, `15m`, `24h`
    exponential: {mean: 0s}
        `mean` of `exponential` is 0s: expected a value above zero
    exponential: {}
        `exponential` lacks `mean`
    exponential: 2s
        invalid type: string "2s", expected a map of the parameters of `exponential`: `mean`, `shift`, `min` or `max`
    exponential: {median: 2s}
        unknown parameter `median` of `exponential`: expected `mean`, `shift`, `min` or `max`
    exponential: {mean: 2s}; max: 4s
        `max` stands beside `exponential`: write it among the parameters of `exponential`
    exponential: {mean: 2s}; gamma: {mean: 2s, cv: 1}
        `gamma` stands beside `exponential`: expected one distribution
    exponential: {mean: 2s, min: 4s, max: 3s}
        `max` of `exponential` is 3s: expected at least `min`, which is 4s
    lognormal: {median: 2s}
        `lognormal` lacks `p95`
    lognormal: {mean: 2s}
        `lognormal` lacks `cv`
    lognormal: {median: 2s, cv: 1}
        `lognormal` has `median` and `cv`: expected `median` and `p95`, or `mean` and `cv`, or `mu` and `sigma`
    lognormal: {median: 2s, p95: 1s}
        `p95` of `lognormal` is 1s: expected at least `median`, which is 2s
    lognormal: {median: 2s, p95: 3s, cv: 1}
        `lognormal` has `median`, `p95` and `cv`: expected `median` and `p95`, or `mean` and `cv`, or `mu` and `sigma`
    lognormal: {max: 3s}
        `lognormal` has no parameters: expected `median` and `p95`, or `mean` and `cv`, or `mu` and `sigma`
    lognormal: {mu: 1s, sigma: 1}
        invalid type: string "1s", expected a plain number
    lognormal: {mu: 1, sigma: -1}
        `sigma` of `lognormal` is -1: expected 0 or more
    gamma: {mean: 2s, cv: -1}
        `cv` of `gamma` is -1: expected 0 or more
    gamma: {mean: 2s, cv: .inf}
        `inf` is not a finite number
    hyperexponential: {mean: 2s, cv: 0.5}
        `cv` of `hyperexponential` is 0.5: expected 1 or more
    erlang: {shape: 1.5, mean: 2s}
        `shape` of `erlang` is 1.5: expected a whole number from 1
    geometric: {mean: 500ms}
        `mean` of `geometric` is 500ms: expected 1 or more
    uniform: {low: 2s, high: 1s}
        `high` of `uniform` is 1s: expected at least `low`, which is 2s
    empirical: {values: []}
        `values` of `empirical` is empty: expected at least one value
    empirical: {values: [1s, 2s], weights: [1]}
        `weights` of `empirical` is a list of 1: expected one weight for each of the 2 values
    empirical: {values: [1s, 2s], weights: [0, 0]}
        `weights` of `empirical` is of sum 0: expected weights with a finite sum above zero
    empirical: {values: [1s, 2s], weights: [1, -2]}
        `weights[1]` of `empirical` is -2: expected 0 or more
    empirical: {values: [1s], quantiles: [[0, 1s], [1, 2s]]}
        `empirical` has `values` and `quantiles`: expected `values`, or `values` and `weights`, or `quantiles`
    empirical: {quantiles: [[0.5, 1s], [0.95, 2s]]}
        `quantiles` of `empirical` is from p = 0.5 to p = 0.95: expected points from p = 0 (the least value) to p = 1 (the largest)
    empirical: {quantiles: [[0, 1s], [0.5, 3s], [0.4, 4s], [1, 5s]]}
        `quantiles[2]` of `empirical` is at p = 0.4: expected a p above the 0.5 before it
    empirical: {quantiles: [[0, 1s], [0.5, 3s], [1, 2s]]}
        `quantiles[2]` of `empirical` is 2s: expected at least the 3s before it
    mixture: []
        `branches` of `mixture` is empty: expected at least one branch
    mixture: [{weight: 1}]
        a branch of `mixture` lacks its distribution, such as `constant: …`
    mixture: [{exponential: {mean: 1s}}]
        a branch of `mixture` lacks its `weight`
    mixture: [{weight: 0, constant: 1s}]
        `weight` of `mixture` is of sum 0: expected weights with a finite sum above zero
    mixture: [{weight: 1, exponential: {mean: 1s}, constant: 2s}]
        `constant` stands beside `exponential`: expected one distribution
    mixture: [{weight: 1, mixture: []}]
        a branch of `mixture` is a mixture itself: list its branches beside the others
    "#);
}

#[test]
fn an_error_knows_its_path() {
    let yaml = "think: {lognormal: {median: 2m, p95: 30}}";
    #[derive(Debug, Deserialize)]
    struct Class {
        #[expect(dead_code, reason = "only its error is looked at")]
        think: Dist<Span>,
    }
    let read: Result<Class, _> =
        serde_path_to_error::deserialize(serde_yaml::Deserializer::from_str(yaml));
    assert_eq!(read.unwrap_err().path().to_string(), "think.lognormal.p95");
}

#[test]
fn the_schema_names_every_form() {
    let schema = schemars::schema_for!(Dist<Span>).to_value();
    let alternatives = schema["oneOf"].as_array().unwrap();
    for name in super::super::read::form_names() {
        let named = |form: &&serde_json::Value| form["properties"].get(name).is_some();
        assert_eq!(alternatives.iter().filter(named).count(), 1, "{name}");
    }
    assert_eq!(schema["title"], "Distribution_of_Span");
    insta::assert_snapshot!(
        serde_json::to_string(&alternatives[3]["properties"]["normal"]).unwrap(),
        @r##"
    {"type":"object","additionalProperties":false,"required":["mean","stddev"],"properties":{"mean":{"$ref":"#/$defs/Span"},"stddev":{"$ref":"#/$defs/Span"},"shift":{"$ref":"#/$defs/Span"},"min":{"$ref":"#/$defs/Span"},"max":{"$ref":"#/$defs/Span"}}}
    "##
    );
}
