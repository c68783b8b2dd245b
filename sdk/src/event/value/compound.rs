//! The parts of sequences, structs and maps, each checked at its place.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::key::Keys;
use super::path::Segment;
use super::serializer::{Checked, Place};

/// A sequence, tuple, tuple struct or tuple variant.
pub(super) struct Sequence<'a, C> {
    inner: C,
    place: Place<'a>,
    variant: Option<&'static str>,
    index: usize,
}

impl<'a, C> Sequence<'a, C> {
    pub(super) fn new(inner: C, place: Place<'a>, variant: Option<&'static str>) -> Self {
        Self { inner, place, variant, index: 0 }
    }
}

macro_rules! sequence {
    ($trait:ident, $method:ident) => {
        impl<C: $trait> $trait for Sequence<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                self.inner.$method(&Checked::at(value, self.place)).inspect_err(|_| {
                    self.place.trail.pass(Segment::Index(self.index));
                    if let Some(variant) = self.variant {
                        self.place.trail.pass(Segment::Name(variant));
                    }
                })?;
                self.index += 1;
                Ok(())
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    };
}

sequence!(SerializeSeq, serialize_element);
sequence!(SerializeTuple, serialize_element);
sequence!(SerializeTupleStruct, serialize_field);
sequence!(SerializeTupleVariant, serialize_field);

/// A struct or struct variant.
pub(super) struct Fields<'a, C> {
    inner: C,
    place: Place<'a>,
    variant: Option<&'static str>,
    first: Option<&'static str>,
}

impl<'a, C> Fields<'a, C> {
    pub(super) fn new(inner: C, place: Place<'a>, variant: Option<&'static str>) -> Self {
        Self { inner, place, variant, first: None }
    }
}

macro_rules! fields {
    ($trait:ident) => {
        impl<C: $trait> $trait for Fields<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), C::Error> {
                // serde writes the tag of an internally tagged enum first, and does not see that
                // the struct inside has a field of the same name.
                if self.first == Some(name) {
                    return self.place.refuse(format!(
                        "it has two fields `{name}`, the enum's tag and one of its own: rename one"
                    ));
                }
                self.first.get_or_insert(name);
                self.inner.serialize_field(name, &Checked::at(value, self.place)).inspect_err(
                    |_| {
                        if !self.place.raw {
                            self.place.trail.pass(Segment::Name(name));
                        }
                        if let Some(variant) = self.variant {
                            self.place.trail.pass(Segment::Name(variant));
                        }
                    },
                )
            }

            fn skip_field(&mut self, name: &'static str) -> Result<(), C::Error> {
                self.inner.skip_field(name)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    };
}

fields!(SerializeStruct);
fields!(SerializeStructVariant);

/// A map, or a struct with flattened parts.
pub(super) struct MapEntries<'a, C> {
    inner: C,
    place: Place<'a>,
    keys: Keys,
}

impl<'a, C> MapEntries<'a, C> {
    pub(super) fn new(inner: C, place: Place<'a>) -> Self {
        Self { inner, place, keys: Keys::default() }
    }
}

impl<C: SerializeMap> SerializeMap for MapEntries<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        let key = self.keys.push(key, self.place.trail)?;
        self.inner.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        let value = Checked::at(value, self.place);
        self.inner
            .serialize_value(&value)
            .inspect_err(|_| self.place.trail.pass(Segment::Key(self.keys.last().to_owned())))
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        if let Some(key) = self.keys.repeated() {
            return self.place.refuse(format!(
                "two of its keys have the same text, {key:?}, and one entry would be lost"
            ));
        }
        self.inner.end()
    }
}
