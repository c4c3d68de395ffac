//! The TD HOB: the list by which the VMM tells the firmware what memory there is.
//!
//! The VMM writes it before the launch, and the firmware extends RTMR0 by it. It consists of one HOB with
//! the phase handoff information and one resource descriptor for each range of memory (UEFI Platform
//! Initialization Specification, volume 3, "HOB Code Definitions"; QEMU, `hw/i386/tdvf-hob.c`), integers
//! little-endian:
//!
//! | offset | bytes | phase handoff information |
//! |---|---|---|
//! | 0 | 2, 2, 4 | type 1, length 56, reserved |
//! | 8 | 4, 4 | version 9, boot mode 0 |
//! | 16 | 4 × 8 | four addresses that are zero |
//! | 48 | 8 | address of the end of the list |
//!
//! | offset | bytes | resource descriptor |
//! |---|---|---|
//! | 0 | 2, 2, 4 | type 3, length 48, reserved |
//! | 8 | 16 | owner: zero |
//! | 24 | 4 | 0 memory that is accepted, 7 memory that is not yet |
//! | 28 | 4 | attributes 7: present, initialised, tested |
//! | 32 | 8, 8 | address, length |
//!
//! The last entry, which marks the end, is not measured, but its 8 bytes count in the address of the end.

use core::ops::Range;

use super::LaunchError;
use super::sha384::sha384;

/// Bytes of a machine's memory below 4 GiB once it has memory above: 2 GiB.
pub const LOW_MEMORY: u64 = 0x8000_0000;
/// Bytes of memory from which on a machine has memory above 4 GiB: 2.75 GiB (QEMU, `hw/i386/pc_q35.c`).
pub const HIGH_MEMORY_SPLIT: u64 = 0xb000_0000;
/// The most ranges of one witness; the firmware that is known has four.
pub const MAX_WITNESS_RANGES: u32 = 64;

/// Where a machine's memory goes on after [`LOW_MEMORY`].
const HIGH_MEMORY: u64 = 0x1_0000_0000;
/// Pages of 4 KiB below [`LOW_MEMORY`].
const LOW_PAGES: u32 = 0x8_0000;

const HANDOFF_BYTES: u8 = 56;
const RESOURCE_BYTES: u8 = 48;
const END_BYTES: u64 = 8;

/// `EFI_RESOURCE_SYSTEM_MEMORY`: memory that the guest may use at once.
const ACCEPTED: u8 = 0;
/// `EFI_RESOURCE_MEMORY_UNACCEPTED`: memory that the guest must accept before its use.
const UNACCEPTED: u8 = 7;
/// Present, initialised and tested.
const ATTRIBUTES: u8 = 7;

/// What a firmware image fixes of its TD HOB: where the list lies, and which memory is accepted from the
/// start.
///
/// The ranges are the sections `TD_HOB` and `TempMem` of the firmware's metadata, all below 2 GiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TdHobWitness {
    address: u64,
    accepted: Vec<Range<u64>>,
}

impl TdHobWitness {
    /// Parses a witness: unsigned LEB128 numbers `base`, `hob`, `n`, and then `n` times `start`, `length`.
    /// All but `n` count pages of 4 KiB; `hob` and every `start` are relative to `base`.
    ///
    /// # Errors
    ///
    /// [`LaunchError`] for a number in a longer form than it needs, for pages that do not lie below 2 GiB,
    /// for ranges that are empty, overlap or are out of order, for more than [`MAX_WITNESS_RANGES`], and for
    /// bytes after them.
    pub fn parse(bytes: &[u8]) -> Result<Self, LaunchError> {
        let mut reader = Reader { all: bytes, offset: 0 };
        let base = reader.number()?;
        let hob = reader.page_after(base)?;
        let count = reader.number()?;
        if count > MAX_WITNESS_RANGES {
            return Err(LaunchError::WitnessRanges { found: count });
        }
        let mut accepted = Vec::new();
        let mut free = 0;
        for _ in 0..count {
            let start = reader.page_after(base)?;
            let end = reader.page_after(start)?;
            if start < free || end == start {
                return Err(LaunchError::WitnessOrder { start: address(start) });
            }
            accepted.push(address(start)..address(end));
            free = end;
        }
        match reader.left() {
            0 => Ok(Self { address: address(hob), accepted }),
            left => Err(LaunchError::WitnessTrailing { left }),
        }
    }

    /// The digest by which the firmware extends RTMR0, on a machine with so many bytes of memory.
    pub(super) fn digest(&self, memory_size: u64) -> Result<[u8; 48], LaunchError> {
        if memory_size != LOW_MEMORY && memory_size < HIGH_MEMORY_SPLIT {
            return Err(LaunchError::MemorySize { found: memory_size });
        }
        let resources = self.resources(memory_size);
        let resources = resources.as_flattened().as_flattened();
        // At most 130 descriptors at an address below 2 GiB: nothing saturates.
        let length = u64::try_from(resources.len()).unwrap_or(u64::MAX);
        let handoff_bytes = u64::from(HANDOFF_BYTES);
        let end = [handoff_bytes, length, END_BYTES].into_iter().fold(self.address, u64::saturating_add);
        Ok(sha384(&[handoff(end).as_flattened(), resources]))
    }

    /// The descriptors of all memory, in ascending order.
    fn resources(&self, memory_size: u64) -> Vec<Resource> {
        let mut resources = Vec::new();
        let mut free = 0;
        for range in &self.accepted {
            if free < range.start {
                resources.push(resource(UNACCEPTED, free..range.start));
            }
            resources.push(resource(ACCEPTED, range.clone()));
            free = range.end;
        }
        // Every range ends below 2 GiB, so that there is memory after the last.
        resources.push(resource(UNACCEPTED, free..LOW_MEMORY));
        let high = memory_size.saturating_sub(LOW_MEMORY);
        if high > 0 {
            resources.push(resource(UNACCEPTED, HIGH_MEMORY..HIGH_MEMORY.saturating_add(high)));
        }
        resources
    }
}

/// The phase handoff information of a list that ends at this address.
fn handoff(end: u64) -> [[u8; 8]; 7] {
    let version_and_boot_mode = 9_u64.to_le_bytes();
    let zero = [0; 8];
    [header(1, HANDOFF_BYTES), version_and_boot_mode, zero, zero, zero, zero, end.to_le_bytes()]
}

/// A resource descriptor, in words of 8 bytes.
type Resource = [[u8; 8]; 6];

/// The descriptor of a range of memory.
fn resource(kind: u8, memory: Range<u64>) -> Resource {
    let length = memory.end.saturating_sub(memory.start);
    let kind_and_attributes = [kind, 0, 0, 0, ATTRIBUTES, 0, 0, 0];
    let (owner, zero) = ([0; 8], [0; 8]);
    let (start, length) = (memory.start.to_le_bytes(), length.to_le_bytes());
    [header(3, RESOURCE_BYTES), owner, zero, kind_and_attributes, start, length]
}

/// The header of every HOB: type, length, four reserved bytes.
fn header(kind: u8, length: u8) -> [u8; 8] {
    [kind, 0, length, 0, 0, 0, 0, 0]
}

/// The address of a page. Pages lie below 2 GiB: the product is exact.
fn address(page: u32) -> u64 {
    u64::from(page).saturating_mul(4096)
}

/// Reads the numbers of a witness.
struct Reader<'a> {
    all: &'a [u8],
    offset: usize,
}

impl Reader<'_> {
    /// A number of pages, or of ranges: unsigned LEB128 (DWARF 5, §7.6), below [`LOW_PAGES`].
    fn number(&mut self) -> Result<u32, LaunchError> {
        let offset = self.offset;
        let mut number = 0;
        // Three bytes hold 21 bits, more than a page below 2 GiB needs.
        for shift in [0, 7, 14] {
            let byte = *self.all.get(self.offset).ok_or(LaunchError::WitnessTruncated)?;
            self.offset = self.offset.saturating_add(1);
            number |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return match (byte, shift) {
                    (0, 7 | 14) => Err(LaunchError::WitnessNotMinimal { offset }),
                    _ if number >= LOW_PAGES => Err(LaunchError::WitnessPage { offset }),
                    _ => Ok(number),
                };
            }
        }
        Err(LaunchError::WitnessPage { offset })
    }

    /// A page relative to another one.
    fn page_after(&mut self, base: u32) -> Result<u32, LaunchError> {
        let offset = self.offset;
        let page = base.saturating_add(self.number()?);
        if page < LOW_PAGES { Ok(page) } else { Err(LaunchError::WitnessPage { offset }) }
    }

    fn left(&self) -> usize {
        self.all.len().saturating_sub(self.offset)
    }
}

#[cfg(test)]
mod tests;
