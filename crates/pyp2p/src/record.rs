//! A record of the rendezvous, as a client reads it: who listens where.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use crate::ids::PeerId;

/// A peer that has registered itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// Who it is.
    pub peer: PeerId,
    /// Where it listens, as the rendezvous saw it.
    pub addr: SocketAddr,
    /// Whole seconds until the record disappears; 0 where it was not told.
    pub expires_in: u64,
}

impl Record {
    /// Reads one of a list; `None` where it names nobody who can be dialled. Members that are not known
    /// are passed over.
    pub fn read(value: &Value) -> Option<Self> {
        let text = |member: &str| value.get(member).and_then(Value::as_str);
        let ip: IpAddr = text("ip")?.parse().ok()?;
        let port = value.get("port")?.as_u64()?;
        let port = u16::try_from(port).ok().filter(|&port| port != 0)?;
        Some(Self {
            peer: PeerId::of_record(text("name")?, text("namespace")?)?,
            addr: SocketAddr::new(ip.to_canonical(), port),
            expires_in: value.get("expires_in").and_then(Value::as_u64).unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rule_32_records_are_read_with_more_members_and_without_some() {
        let record = |value: Value| Record::read(&value);
        let whole = json!({"ip": "203.0.113.7", "port": 4100, "name": "ana", "namespace": "lab",
            "ttl": 900, "expires_in": 871, "observed_ip": "x", "observed_port": 1});
        let ana = Record {
            peer: PeerId::received("ana@lab").unwrap(),
            addr: "203.0.113.7:4100".parse().unwrap(),
            expires_in: 871,
        };
        assert_eq!(record(whole.clone()), Some(ana));
        let without = |member: &str| {
            let mut less = whole.clone();
            less.as_object_mut().unwrap().remove(member);
            record(less)
        };
        assert_eq!(without("expires_in").unwrap().expires_in, 0);
        for member in ["ip", "port", "name", "namespace"] {
            assert_eq!(without(member), None, "{member}");
        }
        for port in [0, -1, 65_536] {
            let mut other = whole.clone();
            other["port"] = port.into();
            assert_eq!(record(other), None);
        }
        assert_eq!(record(json!([])), None);
    }
}
