//! Reading a distribution from data: a scalar, or a map with one key.

use std::fmt::{self, Display};
use std::marker::PhantomData;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::build::Bounds;
use super::error::{DistError, quoted};
use super::family::{FAMILIES, Family, Kind, family};
use super::{Argument, Body, Dist};
use crate::units::{Quantity, Ratio};

/// The names of the parameters that every family takes.
const BOUNDS: [&str; 3] = ["shift", "min", "max"];

impl<'de, Q> Deserialize<'de> for Dist<Q>
where
    Q: Quantity + Display + Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DistVisitor(PhantomData))
    }
}

/// The names of all forms, those of families first.
pub(super) fn form_names() -> Vec<&'static str> {
    FAMILIES.iter().map(|family| family.name).chain(["empirical", "mixture", "constant"]).collect()
}

struct DistVisitor<Q>(PhantomData<Q>);

impl<'de, Q> Visitor<'de> for DistVisitor<Q>
where
    Q: Quantity + Display + Deserialize<'de>,
{
    type Value = Dist<Q>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, example) = (Q::NAME, Q::EXAMPLE);
        write!(
            f,
            "a {name}, such as {example}, or a distribution, such as `exponential: {{mean: …}}`"
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Dist<Q>, E> {
        Q::parse(text).map(Dist::constant).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Dist<Q>, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Dist<Q>, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Dist<Q>, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Dist<Q>, A::Error> {
        let Some(name) = map.next_key::<String>()? else {
            let known = quoted(&form_names(), "or");
            return Err(de::Error::custom(format!(
                "an empty map is no distribution: expected {known}"
            )));
        };
        let seed = FormSeed::named(&name).map_err(de::Error::custom)?;
        let dist = map.next_value_seed(seed)?;
        match map.next_key::<String>()? {
            None => Ok(dist),
            Some(other) => Err(de::Error::custom(beside(&name, &other))),
        }
    }
}

/// Says what a second key beside a distribution's name may have meant.
fn beside(name: &str, other: &str) -> String {
    if BOUNDS.contains(&other) {
        format!("`{other}` stands beside `{name}`: write it among the parameters of `{name}`")
    } else {
        format!("`{other}` stands beside `{name}`: expected one distribution")
    }
}

/// Reads what follows the name of a form.
enum FormSeed<Q> {
    Constant(PhantomData<Q>),
    Family(&'static Family),
    Empirical,
    Mixture,
}

impl<Q> FormSeed<Q> {
    fn named(name: &str) -> Result<Self, DistError> {
        match name {
            "constant" => Ok(FormSeed::Constant(PhantomData)),
            "empirical" => Ok(FormSeed::Empirical),
            "mixture" => Ok(FormSeed::Mixture),
            _ => family(name).map(FormSeed::Family).ok_or_else(|| DistError::UnknownForm {
                found: name.to_owned(),
                known: quoted(&form_names(), "or"),
            }),
        }
    }
}

impl<'de, Q> DeserializeSeed<'de> for FormSeed<Q>
where
    Q: Quantity + Display + Deserialize<'de>,
{
    type Value = Dist<Q>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Dist<Q>, D::Error> {
        match self {
            FormSeed::Constant(_) => Q::deserialize(deserializer).map(Dist::constant),
            FormSeed::Family(family) => {
                deserializer.deserialize_any(ParametersVisitor(family, PhantomData))
            }
            FormSeed::Empirical => deserializer.deserialize_any(EmpiricalVisitor(PhantomData)),
            FormSeed::Mixture => deserializer.deserialize_any(MixtureVisitor(PhantomData)),
        }
    }
}

/// Puts a value into its place unless one is there.
fn once<T>(
    slot: &mut Option<T>,
    value: T,
    form: &'static str,
    name: &str,
) -> Result<(), DistError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(DistError::Repeated { form, parameter: name.to_owned() }),
    }
}

/// Reads the value of `shift`, `min` or `max`.
fn read_bound<'de, Q, A>(
    bounds: &mut Bounds<Q>,
    form: &'static str,
    name: &str,
    map: &mut A,
) -> Result<(), A::Error>
where
    Q: Deserialize<'de>,
    A: MapAccess<'de>,
{
    let slot = match name {
        "shift" => &mut bounds.shift,
        "min" => &mut bounds.min,
        _ => &mut bounds.max,
    };
    once(slot, map.next_value()?, form, name).map_err(de::Error::custom)
}

/// Reads a family's map of parameters.
struct ParametersVisitor<Q>(&'static Family, PhantomData<Q>);

impl<Q> ParametersVisitor<Q> {
    fn known(&self) -> Vec<&'static str> {
        let mut known: Vec<&'static str> = Vec::new();
        for parameter in self.0.forms.iter().flat_map(|form| form.parameters) {
            if !known.contains(&parameter.name) {
                known.push(parameter.name);
            }
        }
        known.extend(BOUNDS);
        known
    }

    fn kind(&self, name: &str) -> Result<(&'static str, Kind), DistError> {
        let mut all = self.0.forms.iter().flat_map(|form| form.parameters);
        match all.find(|parameter| parameter.name == name) {
            Some(parameter) => Ok((parameter.name, parameter.kind)),
            None => Err(DistError::UnknownParameter {
                form: self.0.name,
                parameter: name.to_owned(),
                known: quoted(&self.known(), "or"),
            }),
        }
    }
}

impl<'de, Q> Visitor<'de> for ParametersVisitor<Q>
where
    Q: Quantity + Display + Deserialize<'de>,
{
    type Value = Dist<Q>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map of the parameters of `{}`: {}", self.0.name, quoted(&self.known(), "or"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Dist<Q>, A::Error> {
        let form = self.0.name;
        let mut bounds = Bounds::NONE;
        let mut arguments: Vec<(&'static str, Argument<Q>)> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if BOUNDS.contains(&key.as_str()) {
                read_bound(&mut bounds, form, &key, &mut map)?;
                continue;
            }
            let (name, kind) = self.kind(&key).map_err(de::Error::custom)?;
            let argument = match kind {
                Kind::Quantity => Argument::Quantity(map.next_value()?),
                Kind::Number => Argument::Number(map.next_value::<Number>()?.0),
            };
            if arguments.iter().any(|(present, _)| *present == name) {
                return Err(de::Error::custom(DistError::Repeated { form, parameter: key }));
            }
            arguments.push((name, argument));
        }
        Dist::build(Body::Family(form, arguments), bounds).map_err(de::Error::custom)
    }
}

/// Reads `empirical`.
struct EmpiricalVisitor<Q>(PhantomData<Q>);

impl<'de, Q> Visitor<'de> for EmpiricalVisitor<Q>
where
    Q: Quantity + Display + Deserialize<'de>,
{
    type Value = Dist<Q>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with `values` (and `weights`) or `quantiles` of `empirical`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Dist<Q>, A::Error> {
        const FORM: &str = "empirical";
        let (mut values, mut weights, mut quantiles) = (None, None, None);
        let mut bounds = Bounds::NONE;
        while let Some(key) = map.next_key::<String>()? {
            let stored = match key.as_str() {
                "values" => once(&mut values, map.next_value::<Vec<Q>>()?, FORM, &key),
                "weights" => once(&mut weights, map.next_value::<Vec<Number>>()?, FORM, &key),
                "quantiles" => {
                    once(&mut quantiles, map.next_value::<Vec<(Ratio, Q)>>()?, FORM, &key)
                }
                name if BOUNDS.contains(&name) => {
                    read_bound(&mut bounds, FORM, name, &mut map)?;
                    Ok(())
                }
                _ => Err(DistError::UnknownParameter {
                    form: FORM,
                    parameter: key,
                    known: "`values`, `weights`, `quantiles`, `shift`, `min` or `max`".to_owned(),
                }),
            };
            stored.map_err(de::Error::custom)?;
        }
        let weights = weights.map(|list| list.into_iter().map(|Number(x)| x).collect::<Vec<_>>());
        let body = match (values, weights, quantiles) {
            (Some(values), weights, None) => Body::Values(values, weights),
            (None, None, Some(points)) => {
                Body::Quantiles(points.into_iter().map(|(Ratio(p), q)| (p, q)).collect())
            }
            (values, weights, quantiles) => {
                let present = [
                    ("values", values.is_some()),
                    ("weights", weights.is_some()),
                    ("quantiles", quantiles.is_some()),
                ];
                let present = present.iter().filter(|(_, is)| *is).map(|(name, _)| *name);
                let present = quoted(&present.collect::<Vec<_>>(), "and");
                return Err(de::Error::custom(DistError::Parameters {
                    form: FORM,
                    found: if present.is_empty() { "no parameters".to_owned() } else { present },
                    expected: "`values`, or `values` and `weights`, or `quantiles`".to_owned(),
                }));
            }
        };
        Dist::build(body, bounds).map_err(de::Error::custom)
    }
}

/// Reads `mixture`: a list of branches.
struct MixtureVisitor<Q>(PhantomData<Q>);

impl<'de, Q> Visitor<'de> for MixtureVisitor<Q>
where
    Q: Quantity + Display + Deserialize<'de>,
{
    type Value = Dist<Q>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of branches of `mixture`, each with `weight` and one distribution")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Dist<Q>, A::Error> {
        let mut branches = Vec::new();
        while let Some(Branch(weight, dist)) = seq.next_element()? {
            branches.push((weight, dist));
        }
        Dist::build(Body::Mixture(branches), Bounds::NONE).map_err(de::Error::custom)
    }
}

/// A branch of a mixture.
struct Branch<Q>(f64, Dist<Q>);

impl<'de, Q> Deserialize<'de> for Branch<Q>
where
    Q: Quantity + Display + Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BranchVisitor(PhantomData))
    }
}

struct BranchVisitor<Q>(PhantomData<Q>);

impl<'de, Q> Visitor<'de> for BranchVisitor<Q>
where
    Q: Quantity + Display + Deserialize<'de>,
{
    type Value = Branch<Q>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a branch of `mixture`: a map with `weight` and one distribution")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Branch<Q>, A::Error> {
        let mut weight: Option<f64> = None;
        let mut dist: Option<(String, Dist<Q>)> = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == "weight" {
                let Number(value) = map.next_value()?;
                once(&mut weight, value, "mixture", &key).map_err(de::Error::custom)?;
            } else if let Some((name, _)) = &dist {
                return Err(de::Error::custom(beside(name, &key)));
            } else if key == "mixture" {
                let text = "a branch of `mixture` is a mixture itself: list its branches beside the others";
                return Err(de::Error::custom(text));
            } else {
                let seed = FormSeed::named(&key).map_err(de::Error::custom)?;
                dist = Some((key, map.next_value_seed(seed)?));
            }
        }
        match (weight, dist) {
            (Some(weight), Some((_, dist))) => Ok(Branch(weight, dist)),
            (None, _) => Err(de::Error::custom("a branch of `mixture` lacks its `weight`")),
            (_, None) => {
                let text = "a branch of `mixture` lacks its distribution, such as `constant: …`";
                Err(de::Error::custom(text))
            }
        }
    }
}

/// A finite plain number, with an error that says so.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain number")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
        Ok(Number(value as f64))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
        Ok(Number(value as f64))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Number, E> {
        if value.is_finite() {
            Ok(Number(value))
        } else {
            Err(E::custom(format!("`{value}` is not a finite number")))
        }
    }
}
