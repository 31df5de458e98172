//! The families that are written as a map of named parameters: names, forms, checks.

use super::sampler::Shape;

/// What a parameter is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A quantity with the distribution's unit.
    Quantity,
    /// A plain number.
    Number,
}

/// A parameter in base units and what it must hold to.
pub(super) struct Parameter {
    pub name: &'static str,
    pub kind: Kind,
    pub range: Range,
}

/// The range of a parameter on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    Any,
    NotNegative,
    AboveZero,
    AtLeastOne,
    WholeFromOne,
}

impl Range {
    pub(super) fn holds(self, x: f64) -> bool {
        match self {
            Range::Any => true,
            Range::NotNegative => x >= 0.0,
            Range::AboveZero => x > 0.0,
            Range::AtLeastOne => x >= 1.0,
            Range::WholeFromOne => x >= 1.0 && x == x.trunc(),
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Range::Any => "a number",
            Range::NotNegative => "0 or more",
            Range::AboveZero => "a value above zero",
            Range::AtLeastOne => "1 or more",
            Range::WholeFromOne => "a whole number from 1",
        }
    }
}

/// A way to state a family: its parameters, a rule between two of them, and how to compile it.
pub(super) struct Form {
    pub parameters: &'static [Parameter],
    /// The second parameter must be at least the first.
    pub ordered: Option<(&'static str, &'static str)>,
    /// From the parameters in the order of `parameters`, in base units.
    pub compile: fn(&[f64]) -> Shape,
}

/// A family: the name that a scenario uses and the ways to state it.
pub(super) struct Family {
    pub name: &'static str,
    pub about: &'static str,
    pub forms: &'static [Form],
}

const fn quantity(name: &'static str, range: Range) -> Parameter {
    Parameter { name, kind: Kind::Quantity, range }
}

const fn number(name: &'static str, range: Range) -> Parameter {
    Parameter { name, kind: Kind::Number, range }
}

const fn form(parameters: &'static [Parameter], compile: fn(&[f64]) -> Shape) -> Form {
    Form { parameters, ordered: None, compile }
}

const MEAN: Parameter = quantity("mean", Range::AboveZero);
const CV: Parameter = number("cv", Range::NotNegative);
const SHAPE: Parameter = number("shape", Range::AboveZero);
const SCALE: Parameter = quantity("scale", Range::AboveZero);

/// z of the 95th percentile: Φ⁻¹(0.95).
const Z95: f64 = 1.644_853_626_951_472_2;

/// All families with named parameters.
pub(super) static FAMILIES: &[Family] = &[
    Family {
        name: "uniform",
        about: "Every value from `low` to `high` equally likely.",
        forms: &[Form {
            parameters: &[quantity("low", Range::Any), quantity("high", Range::Any)],
            ordered: Some(("low", "high")),
            compile: |p| uniform(p[0], p[1]),
        }],
    },
    Family {
        name: "exponential",
        about: "Exponential: memoryless, cv 1.",
        forms: &[form(&[MEAN], |p| Shape::Exponential { mean: p[0] })],
    },
    Family {
        name: "normal",
        about: "Normal, truncated at 0 (given that it is not negative): \
                `mean` and `stddev` are those before the truncation.",
        forms: &[form(&[quantity("mean", Range::Any), quantity("stddev", Range::Any)], |p| {
            normal(p[0], p[1])
        })],
    },
    Family {
        name: "lognormal",
        about: "Lognormal; `mu` and `sigma` are of the natural log of the base unit \
                (seconds, bytes, tokens).",
        forms: &[
            Form {
                parameters: &[
                    quantity("median", Range::AboveZero),
                    quantity("p95", Range::AboveZero),
                ],
                ordered: Some(("median", "p95")),
                compile: |p| lognormal(libm::log(p[0]), libm::log(p[1] / p[0]) / Z95),
            },
            form(&[MEAN, CV], |p| {
                let square = libm::log1p(p[1] * p[1]);
                lognormal(libm::log(p[0]) - 0.5 * square, square.sqrt())
            }),
            form(&[number("mu", Range::Any), number("sigma", Range::NotNegative)], |p| {
                lognormal(p[0], p[1])
            }),
        ],
    },
    Family {
        name: "gamma",
        about: "Gamma: mean `shape`·`scale`, cv 1/√`shape`.",
        forms: &[
            form(&[MEAN, CV], |p| match p[1] * p[1] {
                0.0 => Shape::Constant(p[0]),
                square => Shape::Gamma { shape: 1.0 / square, scale: p[0] * square },
            }),
            form(&[SHAPE, SCALE], |p| Shape::Gamma { shape: p[0], scale: p[1] }),
        ],
    },
    Family {
        name: "erlang",
        about: "Erlang: the sum of `shape` equal exponential phases.",
        forms: &[form(&[number("shape", Range::WholeFromOne), MEAN], |p| {
            if p[0] == 1.0 {
                Shape::Exponential { mean: p[1] }
            } else {
                Shape::Gamma { shape: p[0], scale: p[1] / p[0] }
            }
        })],
    },
    Family {
        name: "weibull",
        about: "Weibull: P(X > x) = exp(−(x / `scale`)^`shape`).",
        forms: &[form(&[SHAPE, SCALE], |p| Shape::Weibull { shape: p[0], scale: p[1] })],
    },
    Family {
        name: "pareto",
        about: "Pareto from `scale` up: P(X > x) = (`scale` / x)^`shape`.",
        forms: &[form(&[SHAPE, SCALE], |p| Shape::Pareto { shape: p[0], scale: p[1] })],
    },
    Family {
        name: "lomax",
        about: "Lomax (Pareto from 0 up): P(X > x) = (1 + x / `scale`)^−`shape`.",
        forms: &[form(&[SHAPE, SCALE], |p| Shape::Lomax { shape: p[0], scale: p[1] })],
    },
    Family {
        name: "hyperexponential",
        about: "Two exponential branches with balanced means; `cv` is 1 or more.",
        forms: &[form(&[MEAN, number("cv", Range::AtLeastOne)], |p| hyperexponential(p[0], p[1]))],
    },
    Family {
        name: "geometric",
        about: "Geometric on 1, 2, …",
        forms: &[form(&[quantity("mean", Range::AtLeastOne)], |p| {
            if p[0] == 1.0 {
                Shape::Constant(1.0)
            } else {
                Shape::Geometric { mean: p[0], log_miss: libm::log1p(-1.0 / p[0]) }
            }
        })],
    },
    Family {
        name: "poisson",
        about: "Poisson on 0, 1, 2, …",
        forms: &[form(&[MEAN], |p| Shape::Poisson { mean: p[0] })],
    },
];

/// The family of this name.
pub(super) fn family(name: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.name == name)
}

fn uniform(low: f64, high: f64) -> Shape {
    if low == high { Shape::Constant(low) } else { Shape::Uniform { low, width: high - low } }
}

fn normal(mean: f64, deviation: f64) -> Shape {
    if deviation == 0.0 {
        return Shape::Constant(mean);
    }
    Shape::Normal { mean, deviation, above: crate::stats::special::normal_cdf(mean / deviation) }
}

fn lognormal(mu: f64, sigma: f64) -> Shape {
    if sigma == 0.0 { Shape::Constant(libm::exp(mu)) } else { Shape::Lognormal { mu, sigma } }
}

/// Balanced means (Whitt 1982): each branch carries half of the mean.
fn hyperexponential(mean: f64, cv: f64) -> Shape {
    if cv == 1.0 {
        return Shape::Exponential { mean };
    }
    let square = cv * cv;
    let chance = 0.5 * (1.0 + ((square - 1.0) / (square + 1.0)).sqrt());
    Shape::Hyperexponential { chance, fast: 0.5 * mean / chance, slow: 0.5 * mean / (1.0 - chance) }
}
