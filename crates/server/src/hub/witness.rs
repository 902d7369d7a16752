//! Who is shown what the order decided: the log.

use lamparina_protocol::message::Delivery;
use lamparina_protocol::{Lamport, Nick, RoomName};

/// Sees each decision once, at its place.
pub trait Witness {
    /// A message has its place.
    fn stamped(&mut self, message: &Delivery);
    /// A client handed deliveries over.
    fn consumed(&mut self, by: &Nick, upto: Lamport, count: u64);
    /// Somebody is called otherwise.
    fn renamed(&mut self, from: &Nick, to: &Nick);
    /// Somebody came into a room.
    fn joined_room(&mut self, nick: &Nick, room: &RoomName);
    /// Somebody went out of a room.
    fn left_room(&mut self, nick: &Nick, room: &RoomName);
}

/// Sees nothing.
impl Witness for () {
    fn stamped(&mut self, _: &Delivery) {}
    fn consumed(&mut self, _: &Nick, _: Lamport, _: u64) {}
    fn renamed(&mut self, _: &Nick, _: &Nick) {}
    fn joined_room(&mut self, _: &Nick, _: &RoomName) {}
    fn left_room(&mut self, _: &Nick, _: &RoomName) {}
}
