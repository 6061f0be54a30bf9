//! Numbers of bytes as people write them.

/// Reads a number of bytes, at least 1: `KB`, `MB`, … are powers of 1000; `KiB`, `MiB`, … and a bare `K`, `M`, … powers of
/// 1024.
///
/// ```
/// assert_eq!(icelift::byte_count("1.5 GiB"), Some(1_610_612_736));
/// assert_eq!(icelift::byte_count("much"), None);
/// ```
pub fn byte_count(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().ok()?;
    let unit = unit.trim().to_ascii_lowercase();
    let (letter, base) = match unit.as_bytes() {
        [] | [b'b'] => (b' ', 1.0),
        [letter, b'b'] => (*letter, 1000.0),
        [letter] | [letter, b'i', b'b'] => (*letter, 1024.0),
        _ => return None,
    };
    let power = " kmgt".bytes().position(|known| known == letter)?;
    let bytes = (number * f64::powi(base, power as i32)).floor();
    (bytes >= 1.0 && bytes < u64::MAX as f64).then_some(bytes as u64)
}
