//! The gzip format without compression: clients must unpack it, and nothing here needs to be small.

use bytes::Bytes;

const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
const BLOCK_BYTES_MAX: usize = 0xffff;

pub(super) fn packed(bytes: &[u8]) -> Bytes {
    let mut packed = HEADER.to_vec();
    let blocks: Vec<_> = if bytes.is_empty() { vec![bytes] } else { bytes.chunks(BLOCK_BYTES_MAX).collect() };
    for (index, block) in blocks.iter().enumerate() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        packed.push(u8::from(index + 1 == blocks.len()));
        packed.extend(length.to_le_bytes());
        packed.extend((!length).to_le_bytes());
        packed.extend_from_slice(block);
    }
    packed.extend(crc32(bytes).to_le_bytes());
    packed.extend(u32::try_from(bytes.len() & 0xffff_ffff).unwrap_or(0).to_le_bytes());
    packed.into()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::{crc32, packed};

    #[test]
    fn crc_of_the_check_string() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn large_bodies_are_several_blocks() {
        let packed = packed(&[7; 0x1_0000]);
        assert_eq!(packed.len(), 10 + 2 * 5 + 0x1_0000 + 8);
        assert_eq!((packed[10], packed[10 + 5 + 0xffff]), (0, 1));
    }
}
