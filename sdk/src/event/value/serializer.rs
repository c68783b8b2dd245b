//! A serializer around another one that refuses what would not come back equal.

use std::fmt::Display;

use serde::ser::{Error, Serialize, Serializer};

use super::compound::{Fields, MapEntries, Sequence};
use super::path::{Segment, Trail};

/// How many brackets deep serde_json reads.
const DEPTH_MAX: u8 = 127;

/// The name by which serde_json knows a `RawValue`, whose only field is text to be written as it is.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// A value that is written with checks.
pub(super) struct Checked<'a, T: ?Sized> {
    value: &'a T,
    place: Place<'a>,
}

/// Where a value stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) trail: &'a Trail,
    /// The brackets around it.
    depth: u8,
    /// Whether a `null` here would be the inside of a `Some`.
    in_some: bool,
    /// Whether a text here is JSON already.
    pub(super) raw: bool,
}

impl<'a, T: ?Sized> Checked<'a, T> {
    pub(super) fn root(value: &'a T, trail: &'a Trail) -> Self {
        Self { value, place: Place { trail, depth: 0, in_some: false, raw: false } }
    }

    pub(super) fn at(value: &'a T, place: Place<'a>) -> Self {
        Self { value, place }
    }
}

impl<T: Serialize + ?Sized> Serialize for Checked<'_, T> {
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Check { inner, place: self.place })
    }
}

impl Place<'_> {
    pub(super) fn refuse<T, E: Error>(self, problem: impl Into<String>) -> Result<T, E> {
        self.trail.refuse(problem);
        Err(E::custom("refused"))
    }

    /// The place within `brackets` more brackets.
    fn within<E: Error>(self, brackets: u8) -> Result<Self, E> {
        let depth = self.depth + brackets;
        if depth > DEPTH_MAX {
            return self.refuse(format!(
                "it is nested more than {DEPTH_MAX} levels deep, and JSON is not read back beyond \
                 that: record it flat, or as text"
            ));
        }
        Ok(Self { depth, in_some: false, raw: false, ..self })
    }

    fn null<E: Error>(self) -> Result<(), E> {
        if self.in_some {
            return self.refuse(
                "it is a `Some` whose inside is written as null, so it would read back as `None`: \
                 use an enum, or a struct around the inside",
            );
        }
        Ok(())
    }

    fn finite<E: Error>(self, finite: bool, number: impl Display) -> Result<(), E> {
        if !finite {
            return self.refuse(format!(
                "it is {number}, and JSON has only finite numbers: use an `Option`, an enum or text"
            ));
        }
        Ok(())
    }
}

/// The serializer of a [`Checked`] value.
struct Check<'a, S> {
    inner: S,
    place: Place<'a>,
}

macro_rules! plain {
    ($($method:ident($($name:ident: $type:ty),*);)*) => {
        $(#[inline]
        fn $method(self, $($name: $type),*) -> Result<S::Ok, S::Error> {
            self.inner.$method($($name),*)
        })*
    };
}

impl<'a, S: Serializer> Serializer for Check<'a, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Sequence<'a, S::SerializeSeq>;
    type SerializeTuple = Sequence<'a, S::SerializeTuple>;
    type SerializeTupleStruct = Sequence<'a, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Sequence<'a, S::SerializeTupleVariant>;
    type SerializeMap = MapEntries<'a, S::SerializeMap>;
    type SerializeStruct = Fields<'a, S::SerializeStruct>;
    type SerializeStructVariant = Fields<'a, S::SerializeStructVariant>;

    plain! {
        serialize_bool(value: bool);
        serialize_i8(value: i8);
        serialize_i16(value: i16);
        serialize_i32(value: i32);
        serialize_i64(value: i64);
        serialize_i128(value: i128);
        serialize_u8(value: u8);
        serialize_u16(value: u16);
        serialize_u32(value: u32);
        serialize_u64(value: u64);
        serialize_u128(value: u128);
        serialize_char(value: char);
        serialize_bytes(value: &[u8]);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        self.place.finite(value.is_finite(), value)?;
        self.inner.serialize_f32(value)
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        self.place.finite(value.is_finite(), value)?;
        self.inner.serialize_f64(value)
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<S::Ok, S::Error> {
        if self.place.raw && value == "null" {
            self.place.null()?;
        }
        self.inner.serialize_str(value)
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.place.null()?;
        self.inner.serialize_none()
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.place.null()?;
        self.inner.serialize_unit()
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        self.place.null()?;
        self.inner.serialize_unit_struct(name)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let place = Place { in_some: true, ..self.place };
        self.inner.serialize_some(&Checked::at(value, place))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_newtype_struct(name, &Checked::at(value, self.place))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let place = self.place.within(1)?;
        self.inner
            .serialize_newtype_variant(name, index, variant, &Checked::at(value, place))
            .inspect_err(|_| place.trail.pass(Segment::Name(variant)))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        let place = self.place.within(1)?;
        Ok(Sequence::new(self.inner.serialize_seq(len)?, place, None))
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        let place = self.place.within(1)?;
        Ok(Sequence::new(self.inner.serialize_tuple(len)?, place, None))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        let place = self.place.within(1)?;
        Ok(Sequence::new(self.inner.serialize_tuple_struct(name, len)?, place, None))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        let place = self.place.within(2)?;
        let inner = self.inner.serialize_tuple_variant(name, index, variant, len)?;
        Ok(Sequence::new(inner, place, Some(variant)))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        let place = self.place.within(1)?;
        Ok(MapEntries::new(self.inner.serialize_map(len)?, place))
    }

    fn serialize_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        let place = match name {
            RAW_VALUE => Place { raw: true, ..self.place },
            _ => self.place.within(1)?,
        };
        Ok(Fields::new(self.inner.serialize_struct(name, len)?, place, None))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        let place = self.place.within(2)?;
        let inner = self.inner.serialize_struct_variant(name, index, variant, len)?;
        Ok(Fields::new(inner, place, Some(variant)))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}
