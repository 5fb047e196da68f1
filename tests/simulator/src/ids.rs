//! Identifiers, hashes and signatures that look like the service's. Not cryptography.

use crate::time::SimTime;

/// One step of `SplitMix64`: a well-mixed 64-bit value for every input.
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

/// Makes the ids of one simulator, the same ones in every run that does the same things.
#[derive(Debug)]
pub(crate) struct IdSource {
    counter: u64,
}

impl IdSource {
    pub(crate) fn new() -> Self {
        Self { counter: 0 }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.counter += 1;
        mix(self.counter)
    }

    /// 24 hex digits in the order of their making: seconds, machine, counter.
    pub(crate) fn object_id(&mut self, now: SimTime) -> String {
        self.counter += 1;
        format!("{:08x}14bf8ccd33{:06x}", now.unix_seconds() & 0xffff_ffff, self.counter & 0xff_ffff)
    }

    /// A UUID of version 4.
    pub(crate) fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            a >> 16 & 0xffff,
            a & 0xfff,
            b >> 48 & 0x3fff | 0x8000,
            b & 0xffff_ffff_ffff
        )
    }

    /// 40 hex digits.
    pub(crate) fn commit(&mut self) -> String {
        let (a, b, c) = (self.next(), self.next(), self.next());
        format!("{a:016x}{b:016x}{:08x}", c >> 32)
    }
}

/// `length` characters of the URL-safe alphabet that depend on `text`.
pub(crate) fn opaque(text: &str, length: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = hash(text);
    (0..length)
        .map(|_| {
            state = mix(state);
            char::from(ALPHABET[(state & 63) as usize])
        })
        .collect()
}

/// Is this 24 hex digits?
pub(crate) fn is_object_id(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_right_shape_and_sort_by_age() {
        let mut ids = IdSource::new();
        let now = SimTime::from_micros(1_700_000_000_000_000);
        let (a, b) = (ids.object_id(now), ids.object_id(now));
        assert!(is_object_id(&a) && is_object_id(&b) && a < b);
        assert_eq!(ids.uuid().len(), 36);
        assert_eq!(ids.commit().len(), 40);
        assert_ne!(opaque("a", 27), opaque("b", 27));
    }
}
