//! A measured firmware: all that a launch needs of an image, in a form that can be stored.

use std::sync::Arc;

use moka::sync::Cache;
use serde::{Deserialize, Serialize};

use super::LaunchError;
use super::gctx::LaunchDigest;
use super::layout::{PAGE_BYTES, sha384};
use super::ovmf::{FirmwareMetadata, Section};

/// The most bytes of a firmware image: 64 MiB. Known images have up to 4 MiB.
pub const MAX_FIRMWARE_BYTES: usize = 64 << 20;

/// The first address after the firmware.
pub(super) const FOUR_GIB: u64 = 1 << 32;

/// A measured firmware: its launch digest and its metadata, so that no image is needed later.
///
/// The stored form is `{digest, hashes_table_gpa, reset_eip, sections: [{gpa, size, type}]}` with the digest
/// in hexadecimal and the types as numbers (1, 2, 3, 4, 16). Loading it checks the same rules as measuring an
/// image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredFirmware", into = "StoredFirmware")]
pub struct Firmware {
    digest: [u8; 48],
    metadata: FirmwareMetadata,
}

impl Firmware {
    /// Measures an image of whole pages, which ends at 4 GiB in the guest.
    ///
    /// # Errors
    ///
    /// [`LaunchError::FirmwareSize`] for an image that is empty, above [`MAX_FIRMWARE_BYTES`] or not whole
    /// pages, and the errors of [`FirmwareMetadata::parse`].
    pub fn measure(ovmf: &[u8]) -> Result<Self, LaunchError> {
        let gpa = image_gpa(ovmf, FOUR_GIB)?;
        let metadata = FirmwareMetadata::parse(ovmf)?;
        metadata.check_below(gpa)?;
        let mut digest = LaunchDigest::INITIAL;
        digest.extend_image(gpa, ovmf);
        Ok(Self { digest: digest.to_bytes(), metadata })
    }

    /// A firmware whose digest and metadata are known.
    ///
    /// # Errors
    ///
    /// A [`LaunchError`] for metadata that no image can have: sections that are too many, too large,
    /// unaligned, duplicated or overlapping, or a reset vector of 0.
    pub fn from_parts(digest: [u8; 48], metadata: FirmwareMetadata) -> Result<Self, LaunchError> {
        metadata.check()?;
        Ok(Self { digest, metadata })
    }

    /// The launch digest after all pages of the image.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 48] {
        &self.digest
    }

    /// What the image says about its launch.
    #[must_use]
    pub const fn metadata(&self) -> &FirmwareMetadata {
        &self.metadata
    }
}

/// Where an image of whole pages begins that ends at `end`.
pub(super) fn image_gpa(image: &[u8], end: u64) -> Result<u64, LaunchError> {
    let whole =
        !image.is_empty() && image.len().is_multiple_of(PAGE_BYTES) && image.len() <= MAX_FIRMWARE_BYTES;
    let bytes = u64::try_from(image.len()).ok().filter(|_| whole);
    bytes.and_then(|bytes| end.checked_sub(bytes)).ok_or(LaunchError::FirmwareSize { found: image.len() })
}

/// The stored form of a [`Firmware`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredFirmware {
    digest: String,
    hashes_table_gpa: Option<u32>,
    reset_eip: u32,
    sections: Vec<Section>,
}

impl From<Firmware> for StoredFirmware {
    fn from(firmware: Firmware) -> Self {
        let FirmwareMetadata { sections, hashes_table_gpa, reset_eip } = firmware.metadata;
        Self { digest: hex::encode(firmware.digest), hashes_table_gpa, reset_eip, sections }
    }
}

impl TryFrom<StoredFirmware> for Firmware {
    type Error = LaunchError;

    fn try_from(stored: StoredFirmware) -> Result<Self, LaunchError> {
        let mut digest = [0; 48];
        hex::decode_to_slice(&stored.digest, &mut digest)
            .map_err(|_| LaunchError::FirmwareDigest { found: stored.digest.len() })?;
        let StoredFirmware { hashes_table_gpa, reset_eip, sections, .. } = stored;
        Self::from_parts(digest, FirmwareMetadata { sections, hashes_table_gpa, reset_eip })
    }
}

/// A bounded cache of measured images, for callers that have the image with each launch.
///
/// A look-up by image hashes the image once, about as long as measuring it without its 112-byte updates. A
/// caller that keeps the [`Firmware`], or knows the image's SHA-384, pays nothing of that.
#[derive(Debug, Clone)]
pub struct FirmwareCache {
    measured: Cache<[u8; 48], Arc<Firmware>>,
}

impl FirmwareCache {
    /// An empty cache that keeps at most `entries` firmwares, of about 1 KiB each.
    #[must_use]
    pub fn new(entries: u64) -> Self {
        Self { measured: Cache::new(entries) }
    }

    /// The firmware with this SHA-384 of its image, if the cache has it.
    #[must_use]
    pub fn get(&self, image_sha384: &[u8; 48]) -> Option<Arc<Firmware>> {
        self.measured.get(image_sha384)
    }

    /// The firmware of this image, measured unless the cache has it. Several calls with one image measure it
    /// once.
    ///
    /// # Errors
    ///
    /// As [`Firmware::measure`]. Errors are not kept.
    pub fn get_or_measure(&self, ovmf: &[u8]) -> Result<Arc<Firmware>, LaunchError> {
        image_gpa(ovmf, FOUR_GIB)?;
        self.measured
            .try_get_with(sha384(ovmf), || Firmware::measure(ovmf).map(Arc::new))
            .map_err(Arc::unwrap_or_clone)
    }
}

impl Default for FirmwareCache {
    /// An empty cache of 64 entries.
    fn default() -> Self {
        Self::new(64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::SectionKind;

    fn firmware() -> Firmware {
        let section = |gpa, size, kind| Section { gpa, size, kind };
        let sections = vec![
            section(0x80_0000, 0x9000, SectionKind::SecMemory),
            section(0x80_d000, 0x1000, SectionKind::Secrets),
            section(0x81_0000, 0x1000, SectionKind::KernelHashes),
        ];
        let metadata = FirmwareMetadata { sections, hashes_table_gpa: Some(0x81_0c00), reset_eip: 0x80_b004 };
        Firmware::from_parts([0xab; 48], metadata).unwrap()
    }

    #[test]
    fn the_stored_form_is_stable() {
        let stored = serde_json::to_string(&firmware()).unwrap();
        let expected = format!(
            concat!(
                r#"{{"digest":"{}","hashes_table_gpa":8457216,"reset_eip":8433668,"sections":["#,
                r#"{{"gpa":8388608,"size":36864,"type":1}},{{"gpa":8441856,"size":4096,"type":2}},"#,
                r#"{{"gpa":8454144,"size":4096,"type":16}}]}}"#
            ),
            "ab".repeat(48)
        );
        assert_eq!(stored, expected);
        assert_eq!(serde_json::from_str::<Firmware>(&stored).unwrap(), firmware());
    }

    #[test]
    fn a_malformed_stored_form_is_refused() {
        let stored = serde_json::to_string(&firmware()).unwrap();
        for (from, to) in [
            ("\"digest\":\"ab", "\"digest\":\""),
            ("\"digest\":\"ab", "\"digest\":\"zz"),
            ("\"reset_eip\":8433668,", ""),
            ("\"reset_eip\":8433668", "\"reset_eip\":0"),
            ("\"reset_eip\"", "\"more\":1,\"reset_eip\""),
            ("\"type\":2", "\"type\":2,\"more\":1"),
            ("\"type\":2", "\"type\":5"),
            ("\"type\":2", "\"type\":16"),
            ("\"gpa\":8441856", "\"gpa\":8388608"),
            ("\"size\":36864", "\"size\":36865"),
        ] {
            let malformed = stored.replace(from, to);
            assert_ne!(malformed, stored);
            assert!(serde_json::from_str::<Firmware>(&malformed).is_err(), "{malformed}");
        }
    }

    #[test]
    fn an_image_is_whole_pages_below_four_gib() {
        assert_eq!(image_gpa(&[0; 0x1000], FOUR_GIB), Ok(0xffff_f000));
        assert_eq!(image_gpa(&[0; 0x2000], 0x2000), Ok(0));
        for (bytes, end) in [(0, FOUR_GIB), (0xfff, FOUR_GIB), (0x1001, FOUR_GIB), (0x2000, 0x1000)] {
            assert_eq!(image_gpa(&vec![0; bytes], end), Err(LaunchError::FirmwareSize { found: bytes }));
        }
        let oversized = vec![0; MAX_FIRMWARE_BYTES + 0x1000];
        assert_eq!(Firmware::measure(&oversized), Err(LaunchError::FirmwareSize { found: oversized.len() }));
        let cache = FirmwareCache::default();
        assert_eq!(
            cache.get_or_measure(&oversized),
            Err(LaunchError::FirmwareSize { found: oversized.len() })
        );
        assert_eq!(cache.get_or_measure(&[0; 0x1000]), Err(LaunchError::NoFooter));
    }
}
