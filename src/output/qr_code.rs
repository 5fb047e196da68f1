//! An address as a QR code: lines of text for a console, or a PNG image. Pure.

use qrcodegen::{QrCode as Code, QrCodeEcc};

/// Light modules around the code, as ISO/IEC 18004 wants them.
const MARGIN: i32 = 4;

/// The same on a console, where a long address leaves no room for more in 80 columns.
const CONSOLE_MARGIN: i32 = 2;

/// Pixels of an image for each module, both ways; two modules fill a byte.
const SCALE: usize = 4;

/// The most bytes of a stored block of zlib (RFC 1951, 3.2.4).
const LONGEST_BLOCK: usize = 0xffff;

/// A QR code.
pub struct QrCode(Code);

impl QrCode {
    /// The code of `text`; `None` if it is longer than a QR code can hold (2953 bytes).
    pub fn new(text: &str) -> Option<Self> {
        // The lowest level of correction: a screen has no scratches, and the address of an artifact is long.
        Code::encode_binary(text.as_bytes(), QrCodeEcc::Low).ok().map(Self)
    }

    /// Lines of block characters, dark on light, with two rows of modules in each.
    pub fn lines(&self) -> Vec<String> {
        let end = self.0.size() + CONSOLE_MARGIN;
        let block = |x, y| match (self.0.get_module(x, y), self.0.get_module(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        };
        let line = |y| (-CONSOLE_MARGIN..end).map(|x| block(x, y)).collect();
        (-CONSOLE_MARGIN..end).step_by(2).map(line).collect()
    }

    /// A PNG image (<https://www.w3.org/TR/png/>) with one bit for each pixel. Its data is stored, not compressed: some 10 kB.
    pub fn png(&self) -> Vec<u8> {
        let modules = -MARGIN..self.0.size() + MARGIN;
        let light = |x, y, bits: u8| if self.0.get_module(x, y) { 0 } else { bits };
        let mut pixels = Vec::new();
        for y in modules.clone() {
            // Each row begins with its filter: none.
            let mut row = vec![0];
            row.extend(modules.clone().step_by(2).map(|x| light(x, y, 0xf0) | light(x + 1, y, 0x0f)));
            pixels.extend(row.repeat(SCALE));
        }
        let side = u32::try_from(modules.len() * SCALE).unwrap_or_default().to_be_bytes();
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        // Bits for each pixel, grayscale, and the only methods of compression, filters and order that there are.
        chunk(&mut png, b"IHDR", &[&side[..], &side, &[1, 0, 0, 0, 0]].concat());
        chunk(&mut png, b"IDAT", &stored(&pixels));
        chunk(&mut png, b"IEND", &[]);
        png
    }
}

fn chunk(png: &mut Vec<u8>, kind: &[u8], data: &[u8]) {
    let named = [kind, data].concat();
    png.extend(u32::try_from(data.len()).unwrap_or_default().to_be_bytes());
    png.extend(&named);
    png.extend(crc32fast::hash(&named).to_be_bytes());
}

/// Data as zlib without compression (RFC 1950).
fn stored(data: &[u8]) -> Vec<u8> {
    let mut zlib = vec![0x78, 0x01];
    let last = data.chunks(LONGEST_BLOCK).count() - 1;
    for (index, block) in data.chunks(LONGEST_BLOCK).enumerate() {
        let length = u16::try_from(block.len()).unwrap_or_default();
        zlib.push(u8::from(index == last));
        zlib.extend(length.to_le_bytes());
        zlib.extend((!length).to_le_bytes());
        zlib.extend(block);
    }
    let sum = |(a, b): (u32, u32), byte: &u8| ((a + u32::from(*byte)) % 65_521, (a + u32::from(*byte) + b) % 65_521);
    let (a, b) = data.iter().fold((1, 0), sum);
    zlib.extend((b << 16 | a).to_be_bytes());
    zlib
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a camera reads in an image.
    fn read(width: usize, height: usize, is_dark: impl FnMut(usize, usize) -> bool) -> String {
        let mut image = rqrr::PreparedImage::prepare_from_bitmap(width, height, is_dark);
        let (_, text) = image.detect_grids().first().expect("a code").decode().expect("it can be read");
        text
    }

    #[test]
    fn a_code_can_be_read_from_the_image_and_from_the_console() {
        for length in [20, 400, 2953] {
            let address = format!("https://{}", "aB3-_.".repeat(500)).chars().take(length).collect::<String>();
            let code = QrCode::new(&address).expect("it is short enough");

            let mut reader = png::Decoder::new(std::io::Cursor::new(code.png())).read_info().expect("a PNG image");
            let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
            let info = reader.next_frame(&mut pixels).expect("all of the image");
            let (width, height) = (info.width as usize, info.height as usize);
            let is_dark = |x: usize, y: usize| pixels[y * info.line_size + x / 8] & (0x80 >> (x % 8)) == 0;
            assert_eq!(read(width, height, is_dark), address);

            let lines: Vec<Vec<char>> = code.lines().iter().map(|line| line.chars().collect()).collect();
            let is_dark = |x: usize, y: usize| {
                let block = lines[y / 8][x / 4];
                block == '█' || block == if y % 8 < 4 { '▀' } else { '▄' }
            };
            assert_eq!(read(lines[0].len() * 4, lines.len() * 8, is_dark), address);
        }
        assert!(QrCode::new(&"a".repeat(2954)).is_none());
    }
}
