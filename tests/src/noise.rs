//! Arbitrary bytes that are the same in every run.

/// Marsaglia's xorshift generator with 64 bits of state ("Xorshift RNGs", 2003, triple 13, 7, 17).
#[derive(Debug)]
pub(crate) struct Noise(u64);

impl Noise {
    /// A generator; `seed` is not zero.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `bound`, or zero if `bound` is zero.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        self.next().checked_rem(bound).and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.byte()).collect()
    }

    /// `bytes` with one to four changes: a byte replaced, a part removed, repeated or replaced.
    pub(crate) fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut mutated = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let start = self.below(mutated.len());
            let end = start.saturating_add(self.below(40)).min(mutated.len());
            match self.below(4) {
                0 => {
                    let value = self.byte();
                    if let Some(byte) = mutated.get_mut(start) {
                        *byte = value;
                    }
                }
                1 => drop(mutated.drain(start..end)),
                2 => {
                    let part = mutated.get(start..end).unwrap_or_default().to_vec();
                    mutated.splice(start..start, part);
                }
                _ => {
                    let part = self.bytes(end.saturating_sub(start));
                    mutated.splice(start..end, part);
                }
            }
        }
        mutated
    }

    fn byte(&mut self) -> u8 {
        let [.., byte] = self.next().to_be_bytes();
        byte
    }
}
