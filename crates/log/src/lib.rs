//! Reads the order on disk, and never writes.
