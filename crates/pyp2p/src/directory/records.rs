//! Records by namespace, then address and name; by when they are over; and how many each address has.
//! The three always say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Bound;
use std::time::Duration;

use lamparina_protocol::Instant;
use serde::Serialize;

use crate::limits::RECORDS_SHARE;

/// Whose a record is: address, namespace and name (rule 31).
pub(super) type Key<'a> = (IpAddr, &'a str, &'a str);

#[derive(Clone, Debug)]
pub(super) struct Records {
    /// No namespace is empty.
    by_namespace: BTreeMap<String, BTreeMap<(IpAddr, String), Entry>>,
    by_end: BTreeSet<(Instant, IpAddr, String, String)>,
    /// No count is 0.
    by_address: BTreeMap<IpAddr, usize>,
    most: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) port: u16,
    /// Seconds, as asked for.
    pub(super) ttl: u32,
    pub(super) end: Instant,
}

/// There is no room for another record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Full {
    All,
    /// For one of this address.
    Address,
}

/// A record as DISCOVER lists it.
#[derive(Debug, Serialize)]
pub(super) struct Listed<'a> {
    ip: IpAddr,
    port: u16,
    name: &'a str,
    namespace: &'a str,
    ttl: u32,
    expires_in: u64,
}

impl Records {
    pub(super) const fn new(most: usize) -> Self {
        Self {
            by_namespace: BTreeMap::new(),
            by_end: BTreeSet::new(),
            by_address: BTreeMap::new(),
            most,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_end.len()
    }

    /// Whether this address has a record.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.by_address.contains_key(&address)
    }

    /// Registers anew, or for the first time where there is room.
    pub(super) fn put(
        &mut self,
        now: Instant,
        key: Key<'_>,
        port: u16,
        ttl: u32,
    ) -> Result<(), Full> {
        let end = now + Duration::from_secs(ttl.into());
        self.insert(key, Entry { port, ttl, end })
    }

    pub(super) fn insert(&mut self, key: Key<'_>, entry: Entry) -> Result<(), Full> {
        let (address, namespace, name) = key;
        let old = self.by_namespace.get(namespace);
        let old = old.and_then(|records| records.get(&(address, name.to_owned())));
        match old.copied() {
            Some(old) => self.forget((old.end, address, namespace, name)),
            None => self.room(address)?,
        }
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        let end = (entry.end, address, namespace.clone(), name.clone());
        self.by_end.insert(end);
        *self.by_address.entry(address).or_default() += 1;
        let records = self.by_namespace.entry(namespace).or_default();
        records.insert((address, name), entry);
        Ok(())
    }

    fn room(&self, address: IpAddr) -> Result<(), Full> {
        let own = self.by_address.get(&address).copied().unwrap_or(0);
        if own >= (self.most / RECORDS_SHARE).max(1) {
            return Err(Full::Address);
        }
        match self.len() < self.most {
            true => Ok(()),
            false => Err(Full::All),
        }
    }

    /// Takes away those of this address and namespace, of one name or port alone where that is given.
    /// How many there were.
    pub(super) fn remove(
        &mut self,
        address: IpAddr,
        namespace: &str,
        name: Option<&str>,
        port: Option<u16>,
    ) -> usize {
        let records = self.by_namespace.get(namespace).into_iter();
        let own = records.flat_map(|records| records.range((address, String::new())..));
        let own = own.take_while(|((of, _), _)| *of == address);
        let meant = own.filter(|((_, of), entry)| {
            name.is_none_or(|name| name == of) && port.is_none_or(|port| port == entry.port)
        });
        let meant = meant.map(|((_, name), entry)| (entry.end, name.clone()));
        let meant: Vec<_> = meant.collect();
        for (end, name) in &meant {
            self.forget((*end, address, namespace, name));
        }
        meant.len()
    }

    /// Takes away what is over.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((end, address, namespace, name)) = self.by_end.pop_first() {
            if end > now {
                self.by_end.insert((end, address, namespace, name));
                return;
            }
            self.drop_from_others(address, &namespace, &name);
        }
    }

    /// What is registered in one namespace, or in all; `None` where a reply would be longer than this.
    pub(super) fn list(
        &self,
        now: Instant,
        namespace: Option<&str>,
        bytes_max: usize,
    ) -> Option<Vec<Listed<'_>>> {
        /// Bytes of a record without its names, written, at most.
        const AROUND: usize = 160;
        /// Bytes that one byte of a name may need, written: a control character, or a half of `é`.
        const EACH: usize = 6;
        let mut left = bytes_max;
        let mut all = Vec::new();
        for (namespace, entry_of) in self.namespaces(namespace) {
            for ((ip, name), entry) in entry_of {
                left = left.checked_sub(AROUND + EACH * (name.len() + namespace.len()))?;
                all.push(Listed {
                    ip: *ip,
                    port: entry.port,
                    name,
                    namespace,
                    ttl: entry.ttl,
                    expires_in: whole_seconds(entry.end - now),
                });
            }
        }
        Some(all)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (Key<'_>, &Entry)> {
        self.namespaces(None).flat_map(|(namespace, records)| {
            let records = records.iter();
            records.map(move |((ip, name), entry)| ((*ip, namespace, name.as_str()), entry))
        })
    }

    /// One of them, or all.
    fn namespaces(
        &self,
        only: Option<&str>,
    ) -> impl Iterator<Item = (&str, &BTreeMap<(IpAddr, String), Entry>)> + use<'_> {
        let bounds = match only {
            Some(only) => (Bound::Included(only), Bound::Included(only)),
            None => (Bound::Unbounded, Bound::Unbounded),
        };
        let range = self.by_namespace.range::<str, _>(bounds);
        range.map(|(namespace, records)| (namespace.as_str(), records))
    }

    fn forget(&mut self, (end, address, namespace, name): (Instant, IpAddr, &str, &str)) {
        let key = (end, address, namespace.to_owned(), name.to_owned());
        self.by_end.remove(&key);
        self.drop_from_others(address, namespace, name);
    }

    fn drop_from_others(&mut self, address: IpAddr, namespace: &str, name: &str) {
        if let Some(records) = self.by_namespace.get_mut(namespace) {
            records.remove(&(address, name.to_owned()));
            if records.is_empty() {
                self.by_namespace.remove(namespace);
            }
        }
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

/// Rounded up, so that what is there does not say 0.
fn whole_seconds(left: Duration) -> u64 {
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}
