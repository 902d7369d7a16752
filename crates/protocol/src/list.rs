//! Lists in messages: a list that claims many items gets room for a few, and more only as items come. So
//! what a claim costs is bounded by the bytes that were sent for it.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// Items that there is room for before the first is read, at most.
const ROOM_FIRST: usize = 16;

/// Reads a list of at most `MAX` items; a longer one is malformed. For the `with` of serde's
/// `deserialize_with`.
pub(crate) fn bounded<'de, D, T, const MAX: usize>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let (items, beyond) = from.deserialize_seq(Kept::<T, MAX>(PhantomData))?;
    match beyond {
        false => Ok(items),
        true => Err(D::Error::custom("a list in it is longer than the limit")),
    }
}

/// Reads all of a list and keeps its first `MAX` items: for a list whose length the order judges, in
/// words, at `MAX` - 1.
pub(crate) fn first<'de, D, T, const MAX: usize>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let (items, _beyond) = from.deserialize_seq(Kept::<T, MAX>(PhantomData))?;
    Ok(items)
}

/// The first `MAX` items, and whether there were more.
struct Kept<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Kept<T, MAX> {
    type Value = (Vec<T>, bool);

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a list of at most {MAX} items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let claimed = list.size_hint().unwrap_or(0);
        let mut items = Vec::with_capacity(claimed.min(MAX).min(ROOM_FIRST));
        let mut beyond = false;
        while let Some(item) = list.next_element()? {
            match items.len() < MAX {
                true => items.push(item),
                false => beyond = true,
            }
        }
        Ok((items, beyond))
    }
}

#[cfg(test)]
mod tests {
    use serde::de::value::{Error as ValueError, SeqDeserializer, U32Deserializer};
    use serde::de::{DeserializeSeed, IntoDeserializer};

    use super::*;

    /// A list that claims more than it has.
    struct Claims {
        claimed: usize,
        left: u32,
    }

    impl<'de> SeqAccess<'de> for Claims {
        type Error = ValueError;

        fn next_element_seed<S: DeserializeSeed<'de>>(
            &mut self,
            seed: S,
        ) -> Result<Option<S::Value>, ValueError> {
            let Some(left) = self.left.checked_sub(1) else {
                return Ok(None);
            };
            self.left = left;
            let item: U32Deserializer<ValueError> = left.into_deserializer();
            seed.deserialize(item).map(Some)
        }

        fn size_hint(&self) -> Option<usize> {
            Some(self.claimed)
        }
    }

    #[test]
    fn a_claim_makes_room_for_a_few() {
        let claimed = usize::MAX;
        let visitor = || Kept::<u32, 1_000>(PhantomData);
        let (items, beyond) = visitor().visit_seq(Claims { claimed, left: 3 }).unwrap();
        assert_eq!((items, beyond), (vec![2, 1, 0], false));
        let (items, _) = visitor().visit_seq(Claims { claimed, left: 3 }).unwrap();
        assert!(items.capacity() <= ROOM_FIRST, "{}", items.capacity());
        let left = 1_001;
        let (items, beyond) = visitor().visit_seq(Claims { claimed, left }).unwrap();
        assert_eq!((items.len(), beyond), (1_000, true));
        assert!(items.capacity() <= 1_024, "{}", items.capacity());
    }

    #[test]
    fn a_longer_list_is_malformed_or_cut() {
        let list = |items: u32| SeqDeserializer::<_, ValueError>::new(0..items);
        assert_eq!(bounded::<_, u32, 3>(list(3)), Ok(vec![0, 1, 2]));
        let error = bounded::<_, u32, 3>(list(4)).unwrap_err().to_string();
        assert!(error.contains("longer than the limit"), "{error}");
        assert_eq!(first::<_, u32, 3>(list(9)), Ok(vec![0, 1, 2]));
    }
}
