//! Reading a body in large pieces.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes read before they are hashed and written: one read gives 16 KiB of TLS at most.
pub(super) const BUFFER: usize = 128 * 1024;

/// Fills the buffer; true at the end of the body. An error comes with the bytes before it. `received` grows with each
/// read, because filling a buffer takes long on a slow connection.
pub(super) fn fill(stream: &mut impl Read, buffer: &mut [u8], received: &AtomicU64) -> (usize, io::Result<bool>) {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => return (filled, Ok(true)),
            Ok(read) => {
                filled += read;
                received.fetch_add(read as u64, Ordering::Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (filled, Err(error)),
        }
    }
    (filled, Ok(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_filled_up_to_the_end_or_the_error() {
        struct Drip(u8, bool);
        impl Read for Drip {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                match self.0 {
                    0 if self.1 => Err(io::ErrorKind::ConnectionReset.into()),
                    0 => Ok(0),
                    _ => {
                        self.0 -= 1;
                        buffer[0] = b'x';
                        Ok(1)
                    }
                }
            }
        }
        let mut buffer = [0; 4];
        let mut drip = Drip(6, false);
        let received = AtomicU64::new(0);
        assert!(matches!(fill(&mut drip, &mut buffer, &received), (4, Ok(false))));
        assert!(matches!(fill(&mut drip, &mut buffer, &received), (2, Ok(true))));
        assert_eq!(received.load(Ordering::Relaxed), 6);
        assert!(
            matches!(fill(&mut Drip(3, true), &mut buffer, &received), (3, Err(_))),
            "what came before the error counts"
        );
    }
}
