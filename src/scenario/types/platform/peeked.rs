//! A map of which the first key has been looked at, for values of which that key tells the kind.

use serde::de::{DeserializeSeed, Error, IntoDeserializer, MapAccess};
use serde::{Deserialize, Deserializer};

pub(super) struct Peeked<A> {
    first: Option<String>,
    rest: A,
}

impl<'de, A: MapAccess<'de>> Peeked<A> {
    pub fn new(mut rest: A) -> Result<Self, A::Error> {
        let first = rest.next_key()?;
        Ok(Peeked { first, rest })
    }

    pub fn first(&self) -> Option<&str> {
        self.first.as_deref()
    }

    /// The first key's value, which is to be the only one.
    pub fn only_value<T: Deserialize<'de>>(mut self) -> Result<T, A::Error> {
        let value = self.rest.next_value()?;
        match self.rest.next_key::<String>()? {
            None => Ok(value),
            Some(key) => match self.rest.next_value_seed(Refused(&key)) {
                Err(error) => Err(error),
                Ok(never) => match never {},
            },
        }
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Peeked<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        match self.first.take() {
            Some(first) => seed.deserialize(first.into_deserializer()).map(Some),
            None => self.rest.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.rest.next_value_seed(seed)
    }
}

/// Refuses a key while its value is read, so that the error's path ends with the key.
struct Refused<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for Refused<'_> {
    type Value = std::convert::Infallible;

    fn deserialize<D: Deserializer<'de>>(self, _: D) -> Result<Self::Value, D::Error> {
        Err(D::Error::unknown_field(self.0, &["pull"]))
    }
}
