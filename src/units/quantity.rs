//! What all quantities share: a name, a base unit, reading and writing.

use super::parse::UnitError;

/// A number with a unit. The base unit is the one that formulas use: seconds, bytes, tokens.
pub trait Quantity: Copy + Sized + 'static {
    /// What a person calls it, as in "a duration needs a unit".
    const NAME: &'static str;
    /// Examples for messages.
    const EXAMPLE: &'static str;
    /// The unit proposed where a bare number was found.
    const BARE_UNIT: &'static str;
    /// Whether a bare number is accepted (counts and ratios).
    const BARE_ALLOWED: bool = false;

    /// Reads text such as `250ms`.
    fn parse(text: &str) -> Result<Self, UnitError>;
    /// The value in base units.
    fn base(self) -> f64;
    /// A value from base units, rounded as the type needs, never below zero.
    fn from_base(base: f64) -> Self;
}

/// Serde through text; a bare number is read only where [`Quantity::BARE_ALLOWED`].
macro_rules! quantity_serde {
    ($type:ty) => {
        impl std::str::FromStr for $type {
            type Err = $crate::units::UnitError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                <$type as $crate::units::Quantity>::parse(text)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($crate::units::quantity::QuantityVisitor(std::marker::PhantomData))
            }
        }
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if <$type as $crate::units::Quantity>::BARE_ALLOWED {
                    let base = $crate::units::Quantity::base(*self);
                    if base.is_finite() {
                        return if base == base.trunc() && base.abs() < 9e15 {
                            serializer.serialize_i64(base as i64)
                        } else {
                            serializer.serialize_f64(base)
                        };
                    }
                }
                serializer.collect_str(self)
            }
        }
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let description = format!(
                    "A {}: {}",
                    <$type as $crate::units::Quantity>::NAME,
                    <$type as $crate::units::Quantity>::EXAMPLE
                );
                if <$type as $crate::units::Quantity>::BARE_ALLOWED {
                    schemars::json_schema!({"type": ["string", "number"], "description": description})
                } else {
                    schemars::json_schema!({"type": "string", "description": description})
                }
            }
        }
    };
}
pub(crate) use quantity_serde;

/// Reads a quantity from a scalar.
pub(crate) struct QuantityVisitor<Q>(pub std::marker::PhantomData<Q>);

impl<Q: Quantity> serde::de::Visitor<'_> for QuantityVisitor<Q> {
    type Value = Q;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a {}, such as {}", Q::NAME, Q::EXAMPLE)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Q, E> {
        Q::parse(text).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Q, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Q, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Q, E> {
        self.visit_str(&value.to_string())
    }
}
