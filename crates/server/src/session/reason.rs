//! Ends, in one word each, for the log.

use lamparina_protocol::control::CloseCode;
use lamparina_protocol::link::CloseReason;

/// A code in one word.
pub(super) const fn name(code: CloseCode) -> &'static str {
    match code {
        CloseCode::Goodbye => "closed",
        CloseCode::WrongProtocol => "wrong-protocol",
        CloseCode::WrongVersion => "wrong-version",
        CloseCode::BadTerms => "bad-terms",
        CloseCode::Unexpected => "unexpected-frame",
        CloseCode::UnknownType => "unknown-type",
        CloseCode::BadLast => "bad-last",
        CloseCode::AckUnsent => "ack-unsent",
        CloseCode::BeyondWindow => "beyond-window",
        CloseCode::BadControl => "bad-control",
        CloseCode::TooLong => "too-long",
        CloseCode::BadMessage => "bad-message",
        CloseCode::Damaged => "damaged",
        CloseCode::Timeout => "timeout",
        CloseCode::GaveUp => "gave-up",
        CloseCode::ShuttingDown => "shutting-down",
        CloseCode::Limit => "limit",
        CloseCode::TooSlow => "too-slow",
        CloseCode::Nick => "nick",
        CloseCode::TakenOver => "taken-over",
        CloseCode::StorageFull => "storage-full",
        CloseCode::SealedOnly => "not-sealed",
        CloseCode::ClearOnly => "sealed",
        CloseCode::Unproven => "unproven",
        CloseCode::Banned => "banned",
        CloseCode::NotAdmitted => "not-admitted",
        CloseCode::Kicked => "kicked",
    }
}

/// An end in one word.
pub(super) const fn of(reason: &CloseReason) -> &'static str {
    match reason {
        CloseReason::Orderly => "closed",
        CloseReason::ByPeer { .. } | CloseReason::Unproven { .. } => "by-client",
        CloseReason::ByUs { code, .. } => name(*code),
        CloseReason::Eof => "connection-lost",
    }
}
