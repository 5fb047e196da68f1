//! Identifiers and hashes that look like the services'. Not cryptography.

use crate::time::SimTime;

/// One step of `SplitMix64`: a well-mixed value for every input.
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A value that depends on every byte of `text`.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| mix(h ^ u64::from(b)))
}

/// Makes the ids of one simulator: the same ones in every run that does the same things.
#[derive(Debug, Default)]
pub(crate) struct IdSource {
    counter: u64,
}

impl IdSource {
    pub(crate) fn next(&mut self) -> u64 {
        self.counter += 1;
        mix(self.counter)
    }

    /// 24 hex digits that sort by age: seconds, machine, counter.
    pub(crate) fn object_id(&mut self, now: SimTime) -> String {
        self.counter += 1;
        format!("{:08x}14bf8ccd33{:06x}", now.unix_seconds() & 0xffff_ffff, self.counter & 0xff_ffff)
    }

    pub(crate) fn uuid(&mut self) -> String {
        let hex = format!("{:016x}{:016x}", self.next(), self.next());
        format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
    }

    /// 40 hex digits.
    pub(crate) fn commit(&mut self) -> String {
        format!("{:016x}{:016x}{:08x}", self.next(), self.next(), self.next() >> 32)
    }

    /// `length` characters of the URL-safe alphabet.
    pub(crate) fn opaque(&mut self, length: usize) -> String {
        opaque(&self.next().to_string(), length)
    }
}

/// `length` characters of the URL-safe alphabet that depend on `text`.
pub(crate) fn opaque(text: &str, length: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = hash(text);
    let next = |_| {
        state = mix(state);
        char::from(ALPHABET[(state & 63) as usize])
    };
    (0..length).map(next).collect()
}

/// Is this 24 hex digits?
pub(crate) fn is_object_id(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit())
}
