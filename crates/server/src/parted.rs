//! A message in two parts: all but its text, in its place among the others, and the text beside it in
//! the BULK lane. Made once for all recipients, and only of texts that are long.

use bytes::Bytes;
use lamparina_protocol::codec;
use lamparina_protocol::frame::SharedBody;
use lamparina_protocol::lamport::PREV_BYTES;
use lamparina_protocol::message::{
    Delivery, INLINE_TEXT_BYTES_MAX, PartedDelivery, TextName, ToClient,
};

/// What stands in the place, without its last eight bytes (`prev`), and the text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parted {
    /// Without its last eight bytes.
    pub entry: SharedBody,
    /// The text's bytes, in the buffer of `whole`.
    pub text: SharedBody,
    /// The message in one part, without its last eight bytes; in a buffer of its own, so that nothing else
    /// is kept for its text's sake.
    pub whole: SharedBody,
}

impl Parted {
    /// Of a message whose text is long; `None` of others. The message is as before.
    pub(crate) fn of(message: &mut Delivery) -> Option<Box<Self>> {
        if message.text.len() <= INLINE_TEXT_BYTES_MAX {
            return None;
        }
        let text = std::mem::take(&mut message.text);
        let name = TextName::of(text.as_bytes());
        let entry = PartedDelivery {
            text: name,
            rest: message.clone(),
        };
        message.text = text;
        let entry = codec::encode(&ToClient::MessageParted(Box::new(entry))).ok()?;
        let whole = Self::whole(message)?;
        let without_prev = |bytes: &Bytes| 0..bytes.len().saturating_sub(PREV_BYTES);
        let end = without_prev(&whole).end;
        // The text is the last thing before `prev`.
        let text = end.saturating_sub(message.text.len())..end;
        Some(Box::new(Self {
            entry: SharedBody::within(&entry, without_prev(&entry)),
            text: SharedBody::within(&whole, text),
            whole: SharedBody::within(&whole, 0..end),
        }))
    }

    fn whole(message: &mut Delivery) -> Option<Bytes> {
        let blank = Delivery {
            text: std::mem::take(&mut message.text),
            ..message.clone()
        };
        let whole = ToClient::Message(blank);
        let encoded = codec::encode(&whole).ok();
        if let ToClient::Message(blank) = whole {
            message.text = blank.text;
        }
        encoded
    }

    /// Of a message that is encoded already, without its last eight bytes.
    pub(crate) fn of_encoded(body: &SharedBody) -> Option<Box<Self>> {
        if body.bytes().len() <= INLINE_TEXT_BYTES_MAX {
            return None;
        }
        let whole = [body.bytes(), &[0; PREV_BYTES]].concat();
        match codec::decode(&whole) {
            Ok(ToClient::Message(mut message)) => Self::of(&mut message),
            _ => None,
        }
    }

    /// Memory held.
    pub(crate) fn cost_bytes(&self) -> usize {
        size_of::<Self>() + self.entry.bytes().len() + self.whole.bytes().len()
    }
}
