//! The rendezvous itself: who is registered, and where.
