//! Writing a distribution in the form it is read from.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Argument, Body, Dist};
use crate::units::Quantity;

impl<Q: Quantity + Serialize> Serialize for Dist<Q> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Body::Constant(value) = &self.body {
            return value.serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.body.name(), &Inside(self))?;
        map.end()
    }
}

/// What follows the name of a form.
struct Inside<'a, Q>(&'a Dist<Q>);

impl<Q: Quantity + Serialize> Serialize for Inside<'_, Q> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Inside(dist) = self;
        if let Body::Constant(value) = &dist.body {
            return value.serialize(serializer);
        }
        if let Body::Mixture(branches) = &dist.body {
            return serializer.collect_seq(branches.iter().map(|(w, dist)| Branch(*w, dist)));
        }
        let mut map = serializer.serialize_map(None)?;
        match &dist.body {
            Body::Family(_, arguments) => {
                for (name, argument) in arguments {
                    match argument {
                        Argument::Quantity(value) => map.serialize_entry(name, value)?,
                        Argument::Number(value) => map.serialize_entry(name, &Plain(*value))?,
                    }
                }
            }
            Body::Values(values, weights) => {
                map.serialize_entry("values", values)?;
                if let Some(weights) = weights {
                    let weights: Vec<Plain> = weights.iter().copied().map(Plain).collect();
                    map.serialize_entry("weights", &weights)?;
                }
            }
            Body::Quantiles(points) => {
                let points: Vec<(Plain, Q)> = points.iter().map(|(p, q)| (Plain(*p), *q)).collect();
                map.serialize_entry("quantiles", &points)?;
            }
            Body::Constant(_) | Body::Mixture(_) => unreachable!("written above"),
        }
        let bounds = &dist.bounds;
        for (name, bound) in [("shift", bounds.shift), ("min", bounds.min), ("max", bounds.max)] {
            if let Some(value) = bound {
                map.serialize_entry(name, &value)?;
            }
        }
        map.end()
    }
}

/// A branch of a mixture: its weight beside its form.
struct Branch<'a, Q>(f64, &'a Dist<Q>);

impl<Q: Quantity + Serialize> Serialize for Branch<'_, Q> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Branch(weight, dist) = self;
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("weight", &Plain(*weight))?;
        map.serialize_entry(dist.body.name(), &Inside(dist))?;
        map.end()
    }
}

/// A plain number, written without a fraction where it has none: `shape: 3`.
struct Plain(f64);

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Plain(x) = *self;
        // Up to 2⁵³ every whole number is exact both ways.
        if x == x.trunc() && x.abs() <= 9_007_199_254_740_992.0 {
            serializer.serialize_i64(x as i64)
        } else {
            serializer.serialize_f64(x)
        }
    }
}
